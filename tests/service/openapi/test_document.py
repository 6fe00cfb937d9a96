import json
import re
import tomllib
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from digits.data.images import PIXEL_NAMES
from tests.service.server import ROOT, Server, serve

V2_PATHS = [
    f"/v2{path}"
    for path in ("", "/health/live", "/health/ready", "/models/digits", "/models/digits/infer", "/models/digits/ready")
]
PATHS = ["/", "/healthcheck", "/healthz", "/metrics", "/model", "/predict", "/predict/batch", "/predict/image"]
PATHS += ["/read", "/readyz", *V2_PATHS]


@pytest.fixture(scope="module")
def openapi(server: Server) -> dict[str, Any]:
    document: dict[str, Any] = server.request("GET", "/openapi.json").json
    return document


def get_operation(openapi: dict[str, Any], path: str) -> dict[str, Any]:
    (operation,) = openapi["paths"][path].values()
    return dict(operation)


def list_examples(openapi: dict[str, Any], path: str) -> dict[str, tuple[int, Any]]:
    """Return `{code: (status, body)}` of the errors that are documented for a path."""
    return {
        code: (int(status), example["value"])
        for status, response in get_operation(openapi, path)["responses"].items()
        for code, example in response["content"].get("application/json", {}).get("examples", {}).items()
    }


def get_row_schema(openapi: dict[str, Any]) -> dict[str, Any]:
    body = get_operation(openapi, "/predict")["requestBody"]["content"]["application/json"]
    schema: dict[str, Any] = body["schema"]
    return schema


def make_validator(openapi: dict[str, Any], name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": openapi["components"]})


def test_openapi_documents_every_path_and_no_other(openapi: dict[str, Any], server: Server) -> None:
    assert sorted(openapi["paths"]) == PATHS
    for path, operations in openapi["paths"].items():
        for method in operations:
            assert server.request(method.upper(), path).status not in (404, 405)


def test_openapi_example_row_is_read_as_a_1(openapi: dict[str, Any], server: Server) -> None:
    body = get_operation(openapi, "/predict")["requestBody"]["content"]["application/json"]
    answer = server.post(body["example"])
    assert (answer.status, answer.json["digit"]) == (200, 1)


def test_openapi_pixel_pattern_matches_the_784_names_and_no_other(openapi: dict[str, Any]) -> None:
    pattern = get_row_schema(openapi)["propertyNames"]["pattern"]
    digits = [str(number) for number in range(2000)] + ["".join(pair) for pair in product("0123456789", repeat=2)]
    candidates = {f"pixel{number}" for number in digits} | {"pixel", "Pixel1", "pixel1 ", " pixel1", "pixel-1", "label"}
    assert {name for name in candidates if re.search(pattern, name)} == set(PIXEL_NAMES)


@pytest.mark.parametrize(
    ("changes", "is_valid"),
    [
        ({}, True),
        ({"pixel0": 0.5}, True),
        ({"pixel0": 255}, True),
        ({"pixel0": 256}, False),
        ({"pixel0": -1}, False),
        ({"pixel0": "0"}, False),
        ({"pixel0": None}, False),
        ({"pixel0": True}, False),
        ({"label": 1}, False),
    ],
)
def test_openapi_row_schema_agrees_with_the_service(
    openapi: dict[str, Any], server: Server, row: dict[str, Any], changes: dict[str, Any], is_valid: bool
) -> None:
    row.update(changes)
    assert Draft202012Validator(get_row_schema(openapi)).is_valid(row) is is_valid
    assert (server.post(row).status == 200) is is_valid


def test_openapi_row_schema_asks_for_every_pixel(openapi: dict[str, Any], row: dict[str, Any]) -> None:
    del row["pixel783"]
    assert not Draft202012Validator(get_row_schema(openapi)).is_valid(row)


def test_openapi_documents_every_code_of_the_service(openapi: dict[str, Any]) -> None:
    anywhere = set(re.findall(r"`([a-z_]+)`", openapi["info"]["description"]))
    codes = set(openapi["components"]["schemas"]["ErrorDetail"]["properties"]["code"]["enum"])
    documented = {code for path in set(openapi["paths"]) - set(V2_PATHS) for code in list_examples(openapi, path)}
    assert codes == documented | anywhere
    assert "not_found" in anywhere


def test_openapi_answers_match_their_schemas(openapi: dict[str, Any], server: Server, row: dict[str, Any]) -> None:
    make_validator(openapi, "Prediction").validate(server.post(row).json)
    make_validator(openapi, "Liveness").validate(server.request("GET", "/healthz").json)
    make_validator(openapi, "Readiness").validate(server.request("GET", "/readyz").json)
    make_validator(openapi, "Readiness").validate(server.request("GET", "/healthcheck").json)
    for _, example in list_examples(openapi, "/predict").values():
        make_validator(openapi, "ErrorAnswer").validate(example)


def test_openapi_describes_every_field(openapi: dict[str, Any]) -> None:
    schemas = openapi["components"]["schemas"]
    assert {"ErrorAnswer", "ErrorDetail", "Liveness", "Prediction", "Readiness"} <= set(schemas)
    fields = [field for schema in schemas.values() for field in schema["properties"].values()]
    assert all("description" in field or "$ref" in field for field in fields)


def test_openapi_has_the_version_of_the_package(openapi: dict[str, Any]) -> None:
    package = tomllib.loads(Path(ROOT, "pyproject.toml").read_text())["project"]
    assert openapi["info"]["version"] == package["version"]


def test_openapi_document_is_the_same_each_time(openapi: dict[str, Any], server: Server) -> None:
    assert json.dumps(server.request("GET", "/openapi.json").json) == json.dumps(openapi)


def test_openapi_document_that_is_known_is_not_sent_again(server: Server) -> None:
    first = server.request("GET", "/openapi.json")
    assert first.headers.get_content_type() == "application/json"
    again = server.request("GET", "/openapi.json", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert server.request("GET", "/openapi.json", headers={"If-None-Match": '"another"'}).status == 200
    assert (answer := server.request("HEAD", "/openapi.json")).status == 200
    assert (answer.headers["content-length"], answer.body) == (str(len(first.body)), b"")


def test_openapi_document_names_the_path_below_which_a_proxy_serves_it(tmp_path: Path) -> None:
    with serve(tmp_path, options=("--root-path", "/digits")) as server:
        document = server.request("GET", "/openapi.json").json
    assert document["servers"] == [{"url": "/digits"}]
