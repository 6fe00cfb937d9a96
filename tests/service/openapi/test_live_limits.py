"""What OpenAPI says of limits and key is what this service holds to."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.service.openapi.bad_requests import write_bitmap
from tests.service.server import JSON, Answer, Server, serve

LIMIT_BYTES = 40_000
SETTINGS = {
    "DIGITS_MAX_BODY_BYTES": str(LIMIT_BYTES),
    "DIGITS_MAX_BATCH_BODY_BYTES": str(LIMIT_BYTES + 1),
    "DIGITS_MAX_BATCH_IMAGES": "2",
    "DIGITS_MAX_IMAGE_BYTES": str(LIMIT_BYTES + 2),
    "DIGITS_MAX_IMAGE_PIXELS": "1000",
}
INFER = "/v2/models/digits/infer"
TOO_LONG = bytes(LIMIT_BYTES + 3)
PNG = {"Content-Type": "image/png"}
NO_IMAGES = {"inputs": [{"name": "pixels", "shape": [0, 784], "datatype": "UINT8", "data": []}]}
TOO_LARGE = write_bitmap(13_200, 13_200)
# A request for each error that tells a limit; the answer must be the documented example to the letter.
REFUSED: dict[tuple[str, str], Callable[[Server], Answer]] = {
    ("/predict", "body_too_large"): lambda server: server.request("POST", "/predict", TOO_LONG, JSON),
    ("/predict/batch", "body_too_large"): lambda server: server.request("POST", "/predict/batch", TOO_LONG, JSON),
    ("/predict/batch", "wrong_batch_size"): lambda server: server.post({"images": []}, "/predict/batch"),
    ("/predict/image", "body_too_large"): lambda server: server.request("POST", "/predict/image", TOO_LONG, PNG),
    ("/predict/image", "image_too_large"): lambda server: server.request("POST", "/predict/image", TOO_LARGE, PNG),
    ("/read", "body_too_large"): lambda server: server.request("POST", "/read", TOO_LONG, PNG),
    (INFER, "body_too_large"): lambda server: server.request("POST", INFER, TOO_LONG, JSON),
    (INFER, "wrong_batch_size"): lambda server: server.post(NO_IMAGES, INFER),
}


@pytest.fixture(scope="module")
def narrow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("narrow"), **SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, dict[str, Any]]]:
    """A service with a key, and its document."""
    with serve(tmp_path_factory.mktemp("locked"), DIGITS_API_KEY="one") as running:
        yield running, running.request("GET", "/openapi.json").json


@pytest.mark.parametrize(("path", "code"), REFUSED)
def test_openapi_tells_the_limit_that_is_set(narrow_server: Server, path: str, code: str) -> None:
    answer = REFUSED[path, code](narrow_server)
    responses = narrow_server.request("GET", "/openapi.json").json["paths"][path]["post"]["responses"]
    assert answer.json == responses[str(answer.status)]["content"]["application/json"]["examples"][code]["value"]


def test_openapi_tells_the_number_of_images_that_is_set(narrow_server: Server) -> None:
    operation = narrow_server.request("GET", "/openapi.json").json["paths"]["/predict/batch"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert schema["properties"]["images"]["maxItems"] == 2


def test_openapi_without_a_key_asks_for_none(server: Server) -> None:
    openapi = server.request("GET", "/openapi.json").json
    assert "securitySchemes" not in openapi["components"]
    assert "security" not in json.dumps(openapi)


def test_openapi_with_a_key_says_how_it_is_sent(locked: tuple[Server, dict[str, Any]]) -> None:
    _, openapi = locked
    assert openapi["components"]["securitySchemes"] == {"bearer": {"type": "http", "scheme": "bearer"}}


def test_openapi_with_a_key_asks_for_it_where_the_service_does(locked: tuple[Server, dict[str, Any]]) -> None:
    server, openapi = locked
    assert openapi["security"] == [{"bearer": []}]
    for path, operations in openapi["paths"].items():
        for method, operation in operations.items():
            needs_key = operation.get("security", openapi["security"]) != []
            assert needs_key is (server.request(method.upper(), path).status == 401), path
