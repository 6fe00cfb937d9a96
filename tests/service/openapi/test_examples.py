"""Every error that the OpenAPI document shows is what a running service answers to a request of that kind."""

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.service.openapi.bad_requests import BAD_REQUESTS, ROW, BadRequest
from tests.service.server import Answer, Server, serve

READINESS = ("/readyz", "/healthcheck", "/v2/health/ready", "/v2/models/digits/ready")


@pytest.fixture(scope="module")
def openapi(server: Server) -> dict[str, Any]:
    document: dict[str, Any] = server.request("GET", "/openapi.json").json
    return document


def list_examples(openapi: dict[str, Any]) -> dict[tuple[str, str], tuple[int, Any, set[str]]]:
    """Return `{(path, code): (status, body, headers)}` of the errors that are documented."""
    return {
        (path, code): (int(status), example["value"], set(response.get("headers", ())))
        for path, operations in openapi["paths"].items()
        for operation in operations.values()
        for status, response in operation["responses"].items()
        for code, example in response.get("content", {}).get("application/json", {}).get("examples", {}).items()
    }


def check_answer(openapi: dict[str, Any], path: str, code: str, answer: Answer) -> None:
    status, body, headers = list_examples(openapi)[path, code]
    assert (answer.status, answer.json) == (status, body)
    # The errors of one status are documented with the headers of all of them; only what is compressed has this one.
    assert all(name in answer.headers for name in headers) or (status, headers) == (415, {"Accept-Encoding"})


def test_every_documented_error_has_a_request_that_is_answered_with_it(openapi: dict[str, Any]) -> None:
    requested = {(bad.path, bad.code) for bad in BAD_REQUESTS} | {(path, "shutting_down") for path in READINESS}
    assert {(path, code) for path, code in list_examples(openapi) if code != "internal_error"} == requested


@pytest.mark.parametrize("bad", BAD_REQUESTS, ids=lambda bad: f"{bad.path} {bad.code}")
def test_example_of_an_error_is_the_answer_itself(openapi: dict[str, Any], server: Server, bad: BadRequest) -> None:
    check_answer(openapi, bad.path, bad.code, bad.send(server))


def test_example_of_a_fault_is_the_answer_itself(openapi: dict[str, Any], faulty_server: Server) -> None:
    check_answer(openapi, "/predict", "internal_error", faulty_server.post(ROW))
    examples = list_examples(openapi)
    faults = [example for (path, code), example in examples.items() if code == "internal_error" and "/v2" not in path]
    assert len(faults) == 9
    assert all(example == examples["/predict", "internal_error"] for example in faults)


def test_example_of_a_service_that_ends_is_the_answer_itself(openapi: dict[str, Any], tmp_path: Path) -> None:
    with serve(tmp_path, DIGITS_DRAIN_SECONDS="600") as server:
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("/readyz", 503)
        for path in READINESS:
            check_answer(openapi, path, "shutting_down", server.request("GET", path))
