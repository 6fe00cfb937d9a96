import json
import select
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.service.server import JSON, Server, attempt, serve

KEY = "one that nobody guesses"
ENDLESS_BYTES = 200_000_000


def make_request(row: dict[str, Any], path: str = "/predict", content_type: str = "application/json") -> bytes:
    body = json.dumps(row).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def read_to_the_end(connection: socket.socket) -> bytes:
    with connection.makefile("rb") as stream:
        return stream.read()


@pytest.fixture(scope="module")
def hasty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The service that waits for nobody."""
    with serve(tmp_path_factory.mktemp("hasty"), DIGITS_REQUEST_SECONDS="0.3") as running:
        yield running
        assert "Traceback" not in running.log, running.log


@pytest.fixture(scope="module")
def locked_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    # As it comes from a file.
    with serve(tmp_path_factory.mktemp("locked"), DIGITS_API_KEY=f"{KEY}\n") as running:
        yield running
        assert KEY not in running.log


def test_requests_beyond_the_limit_answer_503_until_one_is_done(tmp_path: Path, row: dict[str, Any]) -> None:
    request = make_request(row)
    with serve(tmp_path, DIGITS_MAX_IN_FLIGHT="2") as server, ExitStack() as stack:
        held = [stack.enter_context(connect(server)) for _ in range(2)]
        for connection in held:
            connection.sendall(request[:-1])
        answer = next(answer for _ in attempt() if (answer := server.post(row)).status != 200)
        assert (answer.status, answer.error["code"], answer.headers["retry-after"]) == (503, "overloaded", "1")
        assert answer.error["message"] == "Received more than 2 requests at once, expected at most that."
        assert server.request("GET", "/readyz").status == 200
        held[0].sendall(request[-1:])
        assert held[0].recv(4096).startswith(b"HTTP/1.1 200 ")
        assert server.post(row).status == 200


def test_bodies_beyond_the_limit_together_answer_503_until_one_is_gone(tmp_path: Path, row: dict[str, Any]) -> None:
    request = make_request(row)
    limit = 2 * 32768
    with serve(tmp_path, DIGITS_MAX_IN_FLIGHT_BYTES=str(limit)) as server, ExitStack() as stack:
        large = server.request("POST", "/predict/batch", bytes(784 * 200), {"Content-Type": "application/octet-stream"})
        assert large.status == 200, "one alone is taken, whatever the others may hold together"
        held = [stack.enter_context(connect(server)) for _ in range(5)]
        for connection in held:
            connection.sendall(request[:-1])
        answer = next(answer for _ in attempt() if (answer := server.post(row)).status != 200)
        assert (answer.status, answer.error["code"], answer.headers["retry-after"]) == (503, "overloaded", "1")
        assert answer.error["message"] == f"Received more than {limit:,} bytes at once, expected at most that."
        for connection in held[:3]:
            connection.sendall(request[-1:])
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        assert server.post(row).status == 200


def test_requests_that_come_at_once_are_counted_before_the_first_is_computed(
    tmp_path: Path, row: dict[str, Any]
) -> None:
    held_until = tmp_path / "go"
    environment = {"DIGITS_MAX_IN_FLIGHT": "2", "HELD_UNTIL": str(held_until)}
    with serve(tmp_path, "blocked:app", **environment) as server, ThreadPoolExecutor(1) as pool, ExitStack() as stack:
        others = [stack.enter_context(connect(server)) for _ in range(16)]
        for connection in others:
            connection.sendall(b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            connection.recv(4096)
        first = pool.submit(server.post, row)
        server.wait_for_log("predicting")
        for connection in others:
            connection.sendall(make_request(row))
        held_until.touch()
        statuses = [connection.recv(4096)[9:12] for connection in others]
        assert first.result().status == 200
        assert set(statuses) == {b"200", b"503"}
        assert server.log.count("predicting") == 1 + statuses.count(b"200")


def test_a_client_that_went_away_costs_no_inference(tmp_path: Path, row: dict[str, Any]) -> None:
    held_until = tmp_path / "go"
    with serve(tmp_path, "blocked:app", HELD_UNTIL=str(held_until)) as server, ThreadPoolExecutor(1) as pool:
        first = pool.submit(server.post, row)
        server.wait_for_log("predicting")
        for _ in range(8):
            with connect(server) as connection:
                connection.sendall(make_request(row))
        held_until.touch()
        assert first.result().status == 200
        assert server.post(row).status == 200
        assert server.log.count("predicting") == 2
        assert "Traceback" not in server.log


def test_a_body_that_comes_too_slowly_answers_408_and_ends_the_connection(
    hasty_server: Server, row: dict[str, Any]
) -> None:
    with connect(hasty_server) as connection:
        connection.sendall(make_request(row)[:-1])
        head, _, body = read_to_the_end(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"\r\nconnection: close" in head
    error = json.loads(body)["error"]
    assert (error["code"], error["field"]) == ("request_timeout", None)
    assert error["message"] == "Received only a part of the body in 0.3 s, expected all of it."


@pytest.mark.parametrize(
    "beginning",
    [b"", b"P", b"POST /predict HTTP/1.1\r\nHost: x\r\n", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /hea"],
)
def test_headers_that_come_too_slowly_end_the_connection(hasty_server: Server, beginning: bytes) -> None:
    with connect(hasty_server) as connection:
        connection.sendall(beginning)
        answer = read_to_the_end(connection)
    assert answer.count(b"HTTP/1.1 ") == beginning.count(b"\r\n\r\n")
    assert hasty_server.request("GET", "/readyz").status == 200


@pytest.mark.parametrize(
    ("method", "path", "content_type", "status"),
    [
        ("POST", "/predict", "application/json", b"413"),
        ("POST", "/predict", "text/plain", b"415"),
        ("POST", "/nowhere", "application/json", b"404"),
        ("PUT", "/predict", "application/json", b"405"),
        ("GET", "/healthz", "application/json", b"200"),
    ],
)
def test_an_upload_without_end_is_answered_and_cut(
    server: Server, method: str, path: str, content_type: str, status: bytes
) -> None:
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
    with connect(server) as connection:
        connection.sendall(head.encode())
        answer = upload_until_cut(connection)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"\r\nconnection: close\r\n" in answer


def upload_until_cut(connection: socket.socket) -> bytes:
    answer = b""
    for _ in range(ENDLESS_BYTES // 65536):
        try:
            connection.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
            # Whatever has come by now: after the cut it could no longer be read.
            answer += read_what_is_there(connection)
        except (BrokenPipeError, ConnectionResetError):
            return answer
    raise AssertionError("the server took it all")


def read_what_is_there(connection: socket.socket) -> bytes:
    is_readable, _, _ = select.select([connection], [], [], 0)
    return connection.recv(65536) if is_readable else b""


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_right_key_is_let_in(locked_server: Server, row: dict[str, Any], scheme: str) -> None:
    answer = locked_server.request("POST", "/predict", json.dumps(row), {**JSON, "Authorization": f"{scheme} {KEY}"})
    assert (answer.status, answer.json["digit"]) == (200, 1)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": KEY},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": f"Bearer {KEY[:-1]}"},
        {"Authorization": f"Bearer {KEY}s"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer \xff"},
    ],
)
def test_no_key_or_a_wrong_one_answers_401(locked_server: Server, row: dict[str, Any], headers: dict[str, str]) -> None:
    answer = locked_server.request("POST", "/predict", json.dumps(row), {**JSON, **headers})
    assert (answer.status, answer.error["code"], answer.headers["www-authenticate"]) == (401, "unauthorized", "Bearer")
    assert KEY.encode() not in answer.body


def test_a_second_key_is_let_in_beside_the_first_and_no_other(tmp_path: Path, row: dict[str, Any]) -> None:
    with serve(tmp_path, DIGITS_API_KEY=KEY, DIGITS_SECOND_API_KEY="the next one\n") as server:
        statuses = {
            key: server.request("POST", "/predict", json.dumps(row), {**JSON, "Authorization": f"Bearer {key}"}).status
            for key in (KEY, "the next one", "the one before", "")
        }
        assert statuses == {KEY: 200, "the next one": 200, "the one before": 401, "": 401}
        assert "the next one" not in server.log


@pytest.mark.parametrize(
    "path",
    [
        *("/healthz", "/readyz", "/healthcheck", "/metrics"),
        *("/v2/health/live", "/v2/health/ready", "/v2/models/digits/ready"),
    ],
)
def test_health_needs_no_key(locked_server: Server, path: str) -> None:
    assert locked_server.request("GET", path).status == 200


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
def test_documents_need_no_key_and_do_not_tell_it(locked_server: Server, path: str) -> None:
    answer = locked_server.request("GET", path)
    assert answer.status == 200
    assert KEY.encode() not in answer.body


@pytest.mark.parametrize("path", ["/model", "/v2/models/digits", "/nowhere", "/healthz/", "/docs/"])
def test_everything_else_needs_the_key(locked_server: Server, path: str) -> None:
    assert locked_server.request("GET", path).status == 401
