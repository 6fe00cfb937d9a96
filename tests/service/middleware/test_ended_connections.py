"""What ends before the application knows of a request, or after it has answered, is counted and logged all the same."""

import json
import re
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.service.middleware.test_metrics import Samples, difference, read
from tests.service.server import Server, attempt, serve

GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
LONG = b"GET /static/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n"
HASTY = {"DIGITS_REQUEST_SECONDS": "0.5", "DIGITS_WRITE_SECONDS": "0.5"}
ENDS = {
    "headers without end": (GET + b"A: b\r\n" * 200, 431, "headers_too_large"),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01" * 20, 400, "invalid_http"),
    "half a head": (GET, 408, "request_timeout"),
}


@pytest.fixture(scope="module")
def hasty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("hasty"), **HASTY) as running:
        yield running
        assert "Traceback" not in running.log, running.log


def read_lines(server: Server, since: int, number: int) -> list[dict[str, Any]]:
    """Return the new lines of the access log, but for those of `/metrics`, once there are so many."""
    for _ in attempt():
        lines = [json.loads(line) for line in server.log[since:].splitlines() if line.startswith("{")]
        lines = [line for line in lines if line["path"] != "/metrics"]
        if len(lines) >= number:
            return lines
    raise TimeoutError(server.log[since:])


def list_requests(grown: Samples) -> Samples:
    return {name[1:]: value for name, value in grown.items() if name[0] == "digits_http_requests_total"}


@pytest.mark.parametrize("name", ENDS)
def test_a_head_that_is_refused_is_counted_and_has_a_line_with_its_clients_address(
    hasty_server: Server, name: str
) -> None:
    content, status, code = ENDS[name]
    before, since = read(hasty_server), len(hasty_server.log)
    with socket.create_connection(("127.0.0.1", hasty_server.port), timeout=30) as connection:
        connection.sendall(content)
        while connection.recv(65536):
            pass
    (line,) = read_lines(hasty_server, since, 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00", line.pop("time"))
    assert line.pop("milliseconds") > 0
    expected = {"request_id": None, "client": "127.0.0.1", "method": None, "path": None, "images": 0}
    assert line == {**expected, "status": status, "error": code}
    grown = difference(before, read(hasty_server))
    assert list_requests(grown) == {("other", "other", str(status)): 1}
    assert grown["digits_rejected_requests_total", code] == 1


def test_half_a_head_behind_a_whole_request_is_counted_and_has_a_line(hasty_server: Server) -> None:
    before, since = read(hasty_server), len(hasty_server.log)
    with socket.create_connection(("127.0.0.1", hasty_server.port), timeout=30) as connection:
        connection.sendall(GET + b"\r\n" + GET)
        while connection.recv(65536):
            pass
    lines = read_lines(hasty_server, since, 2)
    assert [(line["status"], line["error"]) for line in lines] == [(200, None), (408, "request_timeout")]
    assert list_requests(difference(before, read(hasty_server)))["other", "other", "408"] == 1


def test_a_client_that_does_not_read_is_logged_and_counted_as_gone_with_its_request(hasty_server: Server) -> None:
    before, since = read(hasty_server), len(hasty_server.log)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", hasty_server.port))
        connection.sendall(LONG * 8)
        hasty_server.wait_for_log("Cut 1 connections")
        lines = read_lines(hasty_server, since, 1)
    # Those before it were taken by the system.
    assert [line["status"] for line in lines] == [200] * (len(lines) - 1) + [499]
    assert (lines[-1]["client"], lines[-1]["path"]) == ("127.0.0.1", "/static/swagger-ui-bundle.js")
    assert list_requests(difference(before, read(hasty_server)))["other", "other", "499"] == 1


def test_a_connection_that_sends_nothing_is_neither_counted_nor_logged(hasty_server: Server) -> None:
    before, since = read(hasty_server), len(hasty_server.log)
    with socket.create_connection(("127.0.0.1", hasty_server.port), timeout=30) as connection:
        assert connection.recv(4096) == b""
    assert list_requests(difference(before, read(hasty_server))) == {}
    assert read_lines(hasty_server, since, 0) == []


def test_a_kept_connection_that_its_client_resets_is_not_taken_for_one_that_does_not_read(tmp_path: Path) -> None:
    with serve(tmp_path, options=("--timeout-keep-alive", "1"), **HASTY) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(GET + b"\r\n")
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
            # Then to close it resets it.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # One after the other these last longer than both times.
        for _ in range(4):
            with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
                assert connection.recv(4096) == b""
    assert "Cut " not in server.log
    assert '"status":499' not in server.log


@pytest.mark.parametrize("name", ENDS)
def test_without_the_json_log_one_line_of_text_names_the_client(tmp_path: Path, name: str) -> None:
    with serve(tmp_path, **HASTY, DIGITS_LOG_FORMAT="text") as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(ENDS[name][0])
            while connection.recv(65536):
                pass
        assert server.log.count("Refused a request of 127.0.0.1: ") == 1
