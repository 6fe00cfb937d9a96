"""A port of its own for `/metrics`, as a cluster uses it."""

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.service.server import JSON, Server, attempt, list_workers, serve, start

KEY = "one that nobody guesses"


def find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """A service with a key, as it answers on its own port and on that of the metrics."""
    port = find_free_port()
    with serve(tmp_path_factory.mktemp("apart"), DIGITS_METRICS_PORT=str(port), DIGITS_API_KEY=KEY) as running:
        yield running, replace(running, port=port)


def test_metrics_are_answered_on_their_port_alone(servers: tuple[Server, Server]) -> None:
    server, metrics = servers
    answer = metrics.request("GET", "/metrics")
    assert answer.status == 200
    assert b"digits_http_requests_total" in answer.body
    refused = server.request("GET", "/metrics")
    assert (refused.status, refused.error["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/predict"), ("GET", "/"), ("GET", "/healthz"), ("GET", "/model"), ("GET", "/metrics/")],
)
def test_port_of_the_metrics_answers_nothing_else(
    servers: tuple[Server, Server], row: dict[str, Any], method: str, path: str
) -> None:
    _, metrics = servers
    body = json.dumps(row) if method == "POST" else None
    answer = metrics.request(method, path, body, {**JSON, "Authorization": f"Bearer {KEY}"})
    assert (answer.status, answer.error["code"]) == (404, "not_found")


def test_metrics_count_what_the_other_port_answered(servers: tuple[Server, Server], row: dict[str, Any]) -> None:
    server, metrics = servers
    headers = {**JSON, "Authorization": f"Bearer {KEY}"}
    assert server.request("POST", "/predict", json.dumps(row), headers).status == 200
    counted = 'digits_http_requests_total{method="POST",route="/predict",status="200"}'
    assert any(counted in metrics.request("GET", "/metrics").body.decode() for _ in attempt())


def test_document_leaves_the_metrics_out(servers: tuple[Server, Server]) -> None:
    server, _ = servers
    assert "/metrics" not in server.request("GET", "/openapi.json").json["paths"]


@pytest.mark.slow
def test_every_worker_answers_for_all_on_the_port_of_the_metrics(tmp_path: Path, row: dict[str, Any]) -> None:
    port = find_free_port()
    with serve(tmp_path, options=["--workers", "2"], DIGITS_METRICS_PORT=str(port)) as server:
        metrics = replace(server, port=port)
        assert any(len(list_workers(server)) == 2 for _ in attempt())
        for _ in range(10):
            server.post(row)
        counted = 'digits_http_requests_total{method="POST",route="/predict",status="200"} 10.0'
        assert all(
            any(counted in metrics.request("GET", "/metrics").body.decode() for _ in attempt()) for _ in range(10)
        )


def test_a_port_that_is_taken_ends_the_start_with_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process, log_path = start(tmp_path, "app.predict:app", {"DIGITS_METRICS_PORT": str(port)})
        assert process.wait(60) == 3
    log = log_path.read_text()
    assert f"Cannot serve. DIGITS_METRICS_PORT: received {port}, expected a port that is free (" in log
    assert "Traceback" not in log


def test_server_ends_while_a_scraper_keeps_its_connection(tmp_path: Path) -> None:
    port = find_free_port()
    with (
        serve(tmp_path, DIGITS_METRICS_PORT=str(port)),
        socket.create_connection(("127.0.0.1", port)) as scraper,
    ):
        scraper.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert scraper.recv(4096).startswith(b"HTTP/1.1 200 ")
