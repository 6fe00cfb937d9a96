"""What a stranger may do with raw bytes before there is a request, and after there is an answer."""

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.middleware.connection import MOST_HEADERS
from tests.service.server import JSON, ROOT, Server, attempt, serve

LIMIT_BYTES = 64 * 1024
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"
FLOOD_BYTES = 30_000_000
# What the service may keep of a flood: what one socket has in flight, several times over.
KEPT_BYTES = 8_000_000


@pytest.fixture(scope="module")
def hasty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The service that does not wait for clients that do not read."""
    environment = {"DIGITS_WRITE_SECONDS": "2", "DIGITS_REQUEST_SECONDS": "30", "DIGITS_MAX_IN_FLIGHT": "4"}
    with serve(tmp_path_factory.mktemp("hasty"), **environment) as running:
        yield running
        assert "Traceback" not in running.log, running.log


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def send(server: Server, *parts: bytes) -> bytes:
    """Send, until the server takes no more, and return everything that it answers until it closes."""
    with connect(server) as connection:
        answer = bytearray()
        reader = threading.Thread(target=lambda: read(connection, answer))
        reader.start()
        with suppress(BrokenPipeError, ConnectionResetError):
            for part in parts:
                connection.sendall(part)
        reader.join()
    return bytes(answer)


def read(connection: socket.socket, answer: bytearray) -> None:
    with suppress(ConnectionResetError):
        while part := connection.recv(65536):
            answer += part


def split(answer: bytes) -> list[tuple[int, dict[str, Any]]]:
    """Return the status and the JSON of each answer on a connection."""
    answers = []
    while answer:
        head, _, rest = answer.partition(b"\r\n\r\n")
        lines = head.decode().lower().split("\r\n")
        length = next(int(line.split(":")[1]) for line in lines if line.startswith("content-length:"))
        answers.append((int(lines[0].split()[1]), json.loads(rest[:length])))
        answer = rest[length:]
    return answers


FLOODS = {
    "small headers": (GET, b"A:b\r\n"),
    "one header's value": (GET + b"A: ", b"b" * 5),
    "one header's name": (GET, b"a" * 5),
    "a path": (b"GET /", b"a" * 5),
    "small trailers": (POST + CHUNKED + b"0\r\n", b"A:b\r\n"),
    "one trailer": (POST + CHUNKED + b"0\r\nA: ", b"b" * 5),
    "a chunk's extension": (POST + CHUNKED + b"2;a=", b"b" * 5),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_of_headers_answers_431_closes_and_is_not_kept(server: Server, name: str) -> None:
    beginning, repeated = FLOODS[name]
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    answer = send(server, beginning, *[repeated * 13_000] * (FLOOD_BYTES // 65_000))
    ((status, content),) = split(answer)
    assert (status, content["error"]["code"]) == (431, "headers_too_large")
    assert b"\r\nconnection: close\r\n" in answer
    assert process.memory_info().rss - before < KEPT_BYTES
    assert server.request("GET", "/readyz").status == 200


def test_headers_within_the_limit_are_answered_and_one_more_is_not(server: Server) -> None:
    fields = [b"A: b\r\n"] * (MOST_HEADERS - 2)
    end = b"Connection: close\r\n\r\n"
    assert split(send(server, GET, *fields, end))[0][0] == 200
    assert split(send(server, GET, *fields, b"A: b\r\n", end))[0][0] == 431


def test_headers_of_the_largest_size_are_answered_and_larger_ones_are_not(server: Server) -> None:
    end = b"\r\nConnection: close\r\n\r\n"
    assert split(send(server, GET, b"A: ", b"b" * (LIMIT_BYTES - 100), end))[0][0] == 200
    # In one write: the parser has the whole head before anybody can count.
    assert split(send(server, GET + b"A: " + b"b" * LIMIT_BYTES + end))[0][0] == 431


def test_an_unfinished_header_beyond_the_limit_is_answered_at_once(server: Server) -> None:
    with connect(server) as connection:
        connection.sendall(GET + b"A: " + b"b" * LIMIT_BYTES)
        assert connection.recv(65536)[9:12] == b"431"


def test_a_large_head_behind_a_body_in_one_write_is_refused(server: Server, row: dict[str, Any]) -> None:
    body = json.dumps(row).encode()
    first = POST + b"Content-Length: %d\r\n\r\n" % len(body) + body
    answer = send(server, first + GET + b"A: " + b"b" * LIMIT_BYTES + b"\r\nConnection: close\r\n\r\n")
    # The first one is not answered any more, because its answer could be taken for another's.
    assert b" 200 " not in answer.partition(b"\r\n")[2]


def test_many_requests_on_a_connection_may_have_more_headers_together(server: Server, row: dict[str, Any]) -> None:
    body = json.dumps(row).encode()
    request = POST + b"A: " + b"b" * 10_000 + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    answers = split(send(server, request * 20, GET + b"Connection: close\r\n\r\n"))
    assert [status for status, _ in answers] == [200] * 21


def test_a_refused_head_is_not_taken_for_the_answer_to_the_request_before(server: Server, row: dict[str, Any]) -> None:
    # The first request is not whole, so it has no answer yet; nothing may be answered in its place.
    assert send(server, POST + b"Transfer-Encoding: chunked\r\n\r\n", b"x" * 10).count(b"HTTP/1.1 ") == 1
    body = json.dumps(row).encode()
    many = (POST + b"Content-Length: %d\r\n\r\n" % len(body) + body) * 3
    answers = split(send(server, many + GET + b"A: b\r\n" * 200))
    assert [status for status, _ in answers] in ([], [200], [200] * 2, [200] * 3)


def test_a_trailer_is_no_header_of_its_request_nor_of_the_next(tmp_path: Path) -> None:
    trailer = b"0\r\nAuthorization: Bearer one\r\n\r\n"
    next_one = b"GET /model HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with serve(tmp_path, DIGITS_API_KEY="one") as server:
        answers = split(send(server, POST + CHUNKED + trailer + next_one))
    assert [status for status, _ in answers] == [401, 401]


def test_requests_without_end_on_a_connection_are_answered_in_part_and_not_kept(server: Server) -> None:
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    with ExitStack() as stack:
        for _ in range(16):
            connection = stack.enter_context(connect(server))
            connection.setblocking(False)
            with suppress(BlockingIOError):
                connection.send(b"GET /openapi.json HTTP/1.1\r\n\r\n" * 8000)
        assert server.request("GET", "/readyz").status == 200
        assert process.memory_info().rss - before < 2 * KEPT_BYTES
    answer = send(server, (GET + b"\r\n") * 1000)
    assert 1 <= answer.count(b"HTTP/1.1 200 ") < 1000
    assert answer.count(b"\r\nconnection: close\r\n") == 1


def test_what_is_no_http_answers_400(server: Server) -> None:
    ((status, content),) = split(send(server, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20))
    assert (status, content["error"]["code"]) == (400, "invalid_http")


def test_line_breaks_without_a_request_end_the_connection(tmp_path: Path) -> None:
    with serve(tmp_path, DIGITS_REQUEST_SECONDS="0.5") as server, connect(server) as connection:
        connection.sendall(GET + b"\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        ended = False
        for _ in attempt():
            try:
                connection.sendall(b"\r\n")
            except OSError:
                ended = True
                break
        assert ended


UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"


@pytest.mark.parametrize("pause", [0, 0.05])
@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("upgrade", [UPGRADE, b"Connection: upgrade\r\nUpgrade: websocket\r\n"])
def test_upgrade_is_ignored_and_the_body_is_the_bodys(
    server: Server, row: dict[str, Any], pause: float, is_chunked: bool, upgrade: bytes
) -> None:
    # What a request smuggler would hide: the body looks like a request.
    body = json.dumps(row).encode()
    hidden = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
    framing = b"Transfer-Encoding: chunked" if is_chunked else b"Content-Length: %d"
    with connect(server) as connection:
        for content, expected in ((hidden, 400), (body, 200), (hidden, 400)):
            head = POST + upgrade + (framing if is_chunked else framing % len(content)) + b"\r\n\r\n"
            connection.sendall(head)
            time.sleep(pause)
            connection.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content) if is_chunked else content)
            response = http.client.HTTPResponse(connection)
            response.begin()
            assert (response.status, response.read()[:1]) == (expected, b"{")
        # The connection is kept, and goes on.
        connection.sendall(GET + upgrade + b"\r\n" + GET + b"Connection: close\r\n\r\n")
        answer = bytearray()
        read(connection, answer)
        assert [status for status, _ in split(bytes(answer))] == [200, 200]


def test_connect_is_refused_and_nothing_behind_it_is_a_request(server: Server) -> None:
    answer = send(server, b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n", GET + b"\r\n")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer[9:10] == b"4"


def ask_with_curl(url: str, body: Path) -> str:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    command = ["curl", "-s", "--http2", "-H", "Content-Type: application/json", "--data-binary", f"@{body}", url]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def ask_with_node(url: str, body: Path) -> str:
    if shutil.which("node") is None:
        pytest.skip("Node is not installed")
    script = """
      const [url, path] = process.argv.slice(1)
      const body = require("fs").readFileSync(path)
      fetch(url, {method: "POST", body, headers: {"Content-Type": "application/json"}})
        .then(answer => answer.text()).then(text => console.log(text))
    """
    return subprocess.run(["node", "-e", script, url, str(body)], capture_output=True, text=True, check=True).stdout


JAVA = """
import java.net.URI;
import java.net.http.*;
import java.nio.file.Path;
public class Ask {
  public static void main(String[] arguments) throws Exception {
    HttpRequest request = HttpRequest.newBuilder(URI.create(arguments[0])).header("Content-Type", "application/json")
      .POST(HttpRequest.BodyPublishers.ofFile(Path.of(arguments[1]))).build();
    System.out.println(HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).body());
  }
}
"""


def ask_with_java(url: str, body: Path) -> str:
    if shutil.which("javac") is None:
        pytest.skip("no JDK is installed")
    source = body.with_name("Ask.java")
    source.write_text(JAVA)
    # The default client asks for HTTP/2 by `Upgrade: h2c`.
    return subprocess.run(
        ["java", str(source), url, str(body)], capture_output=True, text=True, check=True, timeout=60
    ).stdout


GO = """
package main

import (
  "bytes"
  "io"
  "net/http"
  "os"
)

func main() {
  body, err := os.ReadFile(os.Args[2])
  if err != nil { panic(err) }
  for _, upgrade := range []bool{false, true, false} {
    request, err := http.NewRequest("POST", os.Args[1], bytes.NewReader(body))
    if err != nil { panic(err) }
    request.Header.Set("Content-Type", "application/json")
    if upgrade {
      request.Header.Set("Connection", "Upgrade, HTTP2-Settings")
      request.Header.Set("Upgrade", "h2c")
      request.Header.Set("HTTP2-Settings", "AAMAAABkAAQAAP__")
    }
    // The default client keeps the connection for the next one.
    answer, err := http.DefaultClient.Do(request)
    if err != nil { panic(err) }
    content, err := io.ReadAll(answer.Body)
    if err != nil { panic(err) }
    answer.Body.Close()
    if answer.StatusCode != 200 { panic(answer.Status + string(content)) }
    if upgrade { os.Stdout.Write(content) }
  }
}
"""


def ask_with_go(url: str, body: Path) -> str:
    if shutil.which("go") is None:
        pytest.skip("Go is not installed (Debian: apt-get install golang-go)")
    source = body.with_name("ask.go")
    source.write_text(GO)
    environment = {**os.environ, "GOCACHE": str(body.with_name("go")), "GOPROXY": "off", "GO111MODULE": "off"}
    command = ["go", "run", str(source), url, str(body)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=600).stdout


def ask_with_http_client(url: str, body: Path) -> str:
    connection = http.client.HTTPConnection(url.split("/")[2], timeout=60)
    connection.request("POST", "/predict", body.read_bytes(), JSON)
    answer = connection.getresponse().read().decode()
    connection.close()
    return answer


def ask_with_requests(url: str, body: Path) -> str:
    return str(pytest.importorskip("requests").post(url, data=body.read_bytes(), headers=JSON).text)


def ask_with_httpx(url: str, body: Path) -> str:
    return str(pytest.importorskip("httpx").post(url, content=body.read_bytes(), headers=JSON).text)


def ask_with_aiohttp(url: str, body: Path) -> str:
    aiohttp = pytest.importorskip("aiohttp")
    import asyncio

    async def ask() -> str:
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=body.read_bytes(), headers=JSON) as answer,
        ):
            return str(await answer.text())

    return asyncio.run(ask())


@pytest.mark.parametrize(
    "ask",
    [
        ask_with_curl,
        ask_with_node,
        ask_with_java,
        pytest.param(ask_with_go, marks=pytest.mark.slow),  # It compiles Go's HTTP client first.
        ask_with_http_client,
        ask_with_requests,
        ask_with_httpx,
        ask_with_aiohttp,
    ],
)
def test_a_client_with_its_defaults_is_answered(
    server: Server, tmp_path: Path, ask: Callable[[str, Path], str]
) -> None:
    body = tmp_path / "row.json"
    body.write_bytes((ROOT / "row_data.json").read_bytes())
    assert json.loads(ask(f"{server.url}/predict", body))["digit"] == 1


def test_clients_that_do_not_read_are_cut_with_one_line_and_their_places_come_back(
    hasty_server: Server, row: dict[str, Any]
) -> None:
    with ExitStack() as stack:
        for number in range(4):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", hasty_server.port))
            # 1.7 MB each: more than the system takes.
            connection.sendall(b"GET /static/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n" * 8)
            in_flight = f"in_flight {number + 2}.0".encode()
            next(None for _ in attempt() if in_flight in hasty_server.request("GET", "/metrics").body)
        assert hasty_server.post(row).status == 503
        next(None for _ in attempt() if hasty_server.post(row).status == 200)
        report = r"Cut (\d) connections whose clients did not read their answers\."
        next(None for _ in attempt() if sum(map(int, re.findall(report, hasty_server.log))) == 4)


def test_a_refused_request_gives_its_place_back_before_its_body_has_come(
    hasty_server: Server, row: dict[str, Any]
) -> None:
    head = b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(12):
            connection = stack.enter_context(connect(hasty_server))
            connection.sendall(head)
            assert connection.recv(65536)[9:12] == b"404"
        assert hasty_server.post(row).status == 200


def test_a_service_that_answers_nobody_is_not_ready_until_it_does(tmp_path: Path, row: dict[str, Any]) -> None:
    environment = {"DIGITS_MAX_IN_FLIGHT": "2", "DIGITS_REQUEST_SECONDS": "60"}
    with serve(tmp_path, **environment) as server, ExitStack() as stack:
        held = [stack.enter_context(connect(server)) for _ in range(2)]
        for connection in held:
            connection.sendall(POST + b"Content-Length: 2\r\n\r\n{")
        answer = server.wait_for("/readyz", 503)
        assert (answer.error["code"], answer.headers["retry-after"]) == ("overloaded", "1")
        assert server.request("GET", "/healthz").status == 200
        held[0].sendall(b"}")
        assert held[0].recv(4096)[9:12] == b"422"
        assert server.request("GET", "/readyz").status == 200
