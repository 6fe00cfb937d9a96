from pathlib import Path
from typing import Any

import pytest

from tests.service.server import Server, serve


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


@pytest.mark.parametrize(("method", "path"), [("GET", "/readyz"), ("GET", "/healthcheck"), ("POST", "/predict")])
def test_service_before_the_model_is_loaded_answers_503(held_back_server: Server, method: str, path: str) -> None:
    answer = held_back_server.request(method, path)
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert answer.error["code"] == "model_not_ready"
    assert held_back_server.request("HEAD", "/readyz").status == 503
    assert held_back_server.request("GET", "/healthz").status == 200


def test_service_is_ready_once_the_model_is_loaded(tmp_path: Path, row: dict[str, Any]) -> None:
    held_until = tmp_path / "go"
    with serve(tmp_path, "held_back:app", "/healthz", HELD_UNTIL=str(held_until)) as server:
        assert server.request("GET", "/readyz").status == 503
        held_until.touch()
        server.wait_for("/readyz")
        assert server.post(row).json["digit"] == 1


def test_a_fault_inside_answers_500_and_keeps_its_text_to_the_log(faulty_server: Server, row: dict[str, Any]) -> None:
    answer = faulty_server.post(row)
    assert (answer.status, answer.error["code"]) == (500, "internal_error")
    assert b"secret" not in answer.body
    faulty_server.wait_for_log("ValueError: the secret inside")
