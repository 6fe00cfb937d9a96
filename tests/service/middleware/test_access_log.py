import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.service.rolling import find_ports
from tests.service.server import JSON, ROOT, Server, serve

TRACE = "0af7651916cd43dd8448eb211c80319c"
# Made by the service: neither what the client sent nor nothing at all.
MADE = f"(?!0{{32}}|{TRACE})[0-9a-f]{{32}}"


@pytest.fixture(scope="module")
def logged_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("logged")) as running:
        yield running


def find_line(server: Server, request_id: str) -> dict[str, Any]:
    server.wait_for_log(f'"request_id":"{request_id}"')
    (line,) = [line for line in server.log.splitlines() if f'"request_id":"{request_id}"' in line]
    parsed: dict[str, Any] = json.loads(line)
    return parsed


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, MADE),
        ({"X-Request-Id": "order-42"}, "order-42"),
        ({"X-Request-Id": "a" * 128}, "a{128}"),
        ({"X-Request-Id": "a" * 129}, MADE),
        ({"X-Request-Id": ""}, MADE),
        ({"X-Request-Id": 'x","status":200'}, MADE),
        ({"X-Request-Id": "two words"}, MADE),
        ({"X-Request-Id": "é".encode()}, MADE),
        ({"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}, TRACE),
        ({"traceparent": f"cc-{TRACE}-b7ad6b7169203331-01-later"}, TRACE),
        ({"traceparent": f"00-{'0' * 32}-b7ad6b7169203331-01"}, MADE),
        ({"traceparent": f"00-{TRACE.upper()}-b7ad6b7169203331-01"}, MADE),
        ({"traceparent": TRACE}, MADE),
        ({"X-Request-Id": "mine", "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}, "mine"),
        ({"X-Request-Id": "not mine", "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}, TRACE),
    ],
)
def test_request_id_is_the_clients_if_well_formed(
    server: Server, headers: dict[str, str | bytes], expected: str
) -> None:
    answer = server.request("GET", "/healthz", headers=headers)
    assert re.fullmatch(expected, answer.headers["x-request-id"])


def test_request_id_of_two_requests_differs(server: Server) -> None:
    ids = {server.request("GET", "/healthz").headers["x-request-id"] for _ in range(5)}
    assert len(ids) == 5


@pytest.mark.parametrize(("path", "status"), [("/nope", 404), ("/predict", 405), ("/v2/nope", 404)])
def test_request_id_is_returned_with_a_refusal(server: Server, path: str, status: int) -> None:
    answer = server.request("GET", path, headers={"X-Request-Id": "r1"})
    assert (answer.status, answer.headers["x-request-id"]) == (status, "r1")


def test_request_id_is_returned_with_a_fault(faulty_server: Server, row: dict[str, Any]) -> None:
    answer = faulty_server.request("POST", "/predict", json.dumps(row), {**JSON, "X-Request-Id": "fault"})
    assert (answer.status, answer.headers["x-request-id"]) == (500, "fault")
    assert find_line(faulty_server, "fault")["error"] == "internal_error"


def test_log_has_one_line_for_a_request(logged_server: Server, row: dict[str, Any]) -> None:
    headers = {**JSON, "X-Request-Id": "one"}
    logged_server.request("POST", "/predict?key=secret", json.dumps(row), headers)
    line = find_line(logged_server, "one")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00", line.pop("time"))
    assert line.pop("milliseconds") > 0
    assert line == {
        "request_id": "one",
        "client": "127.0.0.1",
        "method": "POST",
        "path": "/predict",
        "status": 200,
        "images": 1,
        "error": None,
    }


def test_log_names_the_error(logged_server: Server) -> None:
    logged_server.request("POST", "/predict", '{"pixel0": 256}', {**JSON, "X-Request-Id": "bad"})
    line = find_line(logged_server, "bad")
    assert (line["status"], line["images"], line["error"]) == (422, 0, "missing_pixel")


def test_log_counts_the_images_of_a_batch(logged_server: Server) -> None:
    headers = {"Content-Type": "application/octet-stream", "X-Request-Id": "batch"}
    logged_server.request("POST", "/predict/batch", bytes(784 * 12), headers)
    assert find_line(logged_server, "batch")["images"] == 12


def test_log_shows_a_long_path_in_short(logged_server: Server) -> None:
    logged_server.request("GET", "/" + "x" * 10_000, headers={"X-Request-Id": "long"})
    assert find_line(logged_server, "long")["path"] == "/" + "x" * 127


def test_log_holds_nothing_of_what_was_sent(logged_server: Server, row: dict[str, Any]) -> None:
    headers = {**JSON, "X-Request-Id": "sent", "Authorization": "Bearer hidden"}
    logged_server.request("POST", "/predict?query=hidden", json.dumps({**row, "pixel12": "hidden"}), headers)
    find_line(logged_server, "sent")
    assert "hidden" not in logged_server.log
    assert '"pixel' not in logged_server.log


def test_log_is_uvicorns_own_where_that_is_set(tmp_path: Path) -> None:
    with serve(tmp_path, DIGITS_LOG_FORMAT="text") as server:
        server.request("GET", "/healthz")
        server.wait_for_log('"GET /healthz HTTP/1.1" 200')
        assert "request_id" not in server.log


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_log_that_nobody_reads_stops_no_request_and_its_lost_lines_are_counted(
    monkeypatch: pytest.MonkeyPatch, log_format: str
) -> None:
    monkeypatch.setenv("DIGITS_LOG_FORMAT", log_format)
    (port,) = find_ports(1)
    command = [sys.executable, "-m", "uvicorn", "app.predict:app", "--app-dir", "web_service", "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        server = Server(process, port, ROOT)
        server.wait_for("/readyz")
        # The pipe holds 64 kB.
        for _ in range(1200):
            assert server.request("GET", f"/{'x' * 100}").status == 404
        # It writes a line of its own for each of these.
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(b"no HTTP\r\n\r\n")
                assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")
        dropped = re.search(rb"^digits_dropped_log_lines_total (\d+)", server.request("GET", "/metrics").body, re.M)
        assert dropped is not None
        assert int(dropped[1]) > 100
    finally:
        process.kill()
        process.communicate()


def test_spans_name_the_route_of_every_request(tmp_path: Path, row: dict[str, Any]) -> None:
    with serve(tmp_path, "traced:app") as server:
        server.post(row)
        server.request("POST", "/predict/batch", bytes(784), {"Content-Type": "application/octet-stream"})
        server.request("GET", "/model")
        for route in ("/predict", "/predict/batch", "/model"):
            server.wait_for_log(f"span http.route={route}\n")
