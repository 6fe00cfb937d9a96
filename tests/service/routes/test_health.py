from typing import Any

import pytest

from tests.service.server import Server


def test_healthz_says_alive(server: Server) -> None:
    answer = server.request("GET", "/healthz")
    assert (answer.status, answer.json) == (200, {"status": "alive"})


@pytest.mark.parametrize("path", ["/readyz", "/healthcheck"])
def test_readiness_names_the_model(server: Server, path: str) -> None:
    answer = server.request("GET", path)
    assert answer.status == 200
    assert list(answer.json) == ["status", "model"]
    assert answer.json["status"] == "ready"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/healthcheck"])
def test_head_of_health_answers_as_get_without_a_body(server: Server, path: str) -> None:
    head, get = server.request("HEAD", path), server.request("GET", path)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(get.body))


def test_a_fault_inside_answers_500_and_keeps_its_text_to_the_log(faulty_server: Server, row: dict[str, Any]) -> None:
    answer = faulty_server.post(row)
    assert (answer.status, answer.error["code"]) == (500, "internal_error")
    assert b"secret" not in answer.body
    faulty_server.wait_for_log("ValueError: the secret inside")
