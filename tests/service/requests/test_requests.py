import json
import socket
from typing import Any

import pytest

from tests.service.server import JSON, Server

LIMIT_BYTES = 1024 * 1024
# Every path that takes a body, with a content type that it takes.
TAKEN = {
    "/predict": "application/json",
    "/predict/batch": "application/json",
    "/predict/image": "image/png",
    "/read": "image/png",
    "/v2/models/digits/infer": "application/json",
}


def send_raw(server: Server, request: bytes) -> bytes:
    """Send these bytes, the last request with `Connection: close`, and return all that comes back."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(request)
        with connection.makefile("rb") as stream:
            return stream.read()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "Received an empty body, expected one JSON object."),
        (b"{", "Received a body that stops being JSON at line 1, column 2, expected one JSON object."),
        (b'{"pixel0": 0,\n "pixel1": }', "a body that stops being JSON at line 2, column 12,"),
        (b'{"pixel0": NaN}', "at line 1, column 12,"),
        (b'{"pixel0": Infinity}', "at line 1, column 12,"),
        (b'{"pixel0": -Infinity}', "at line 1, column 13,"),
        (b'{"pixel0": 1e400}', "at line 1, column 12,"),
        (b'{"pixel0": 1' + b"0" * 400 + b"}", "at line 1, column 12,"),
        (b'{"pixel0": 0,}', "at line 1, column 13,"),
        (b"pixel0=0", "at line 1, column 1,"),
        (b"\xff\xfe{\x00}\x00", "at line 1, column 1,"),
        (b'{"\xe9": 0}', "a body that stops being JSON at line 1,"),
        (b"\xef\xbb\xbf", "Received an empty body, expected one JSON object."),
        (b'\xef\xbb\xbf{"pixel0": 0,}', "at line 1, column 13,"),
        (b"\xef\xbb\xbf\xef\xbb\xbf{}", "at line 1, column 1,"),
        (b'{"\\ud800": 0}', "a body that stops being JSON at line 1,"),
    ],
)
def test_predict_of_what_is_not_json_answers_400_that_names_the_place(
    server: Server, body: bytes, message: str
) -> None:
    answer = server.request("POST", "/predict", body, JSON)
    assert (answer.status, answer.error["code"], answer.error["field"]) == (400, "invalid_json", None)
    assert message in str(answer.error["message"])


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "application/vnd.digits+json",
    ],
)
def test_predict_takes_every_spelling_of_json(server: Server, row: dict[str, Any], content_type: str) -> None:
    answer = server.request("POST", "/predict", json.dumps(row), {"Content-Type": content_type})
    assert (answer.status, answer.json["digit"]) == (200, 1)


@pytest.mark.parametrize("path", ["/predict", "/predict/batch", "/v2/models/digits/infer"])
def test_json_may_begin_with_a_byte_order_mark(server: Server, row: dict[str, Any], path: str) -> None:
    pixels = list(row.values())
    tensor = {"name": "pixels", "shape": [1, 784], "datatype": "UINT8", "data": pixels}
    contents: dict[str, object] = {"/predict": row, "/predict/batch": {"images": [pixels]}}
    text = json.dumps(contents.get(path, {"inputs": [tensor]}))
    marked, plain = (server.request("POST", path, text.encode(name), JSON) for name in ("utf-8-sig", "utf-8"))
    assert (marked.status, marked.json) == (200, plain.json)


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip"])
@pytest.mark.parametrize(("path", "content_type"), TAKEN.items())
def test_a_body_compressed_in_another_way_answers_415_with_what_is_taken(
    server: Server, path: str, content_type: str, encoding: str
) -> None:
    headers = {"Content-Type": content_type, "Content-Encoding": encoding}
    answer = server.request("POST", path, b"{}", headers)
    assert (answer.status, answer.headers["accept-encoding"]) == (415, "gzip, deflate, identity")
    message = f"Received Content-Encoding {encoding}, expected gzip, deflate or none."
    message += " Compress it by gzip, or send it uncompressed."
    if path.startswith("/v2/"):
        assert answer.json == {"error": message}
    else:
        assert f"{answer.error['message']} {answer.error['hint']}" == message


def test_a_body_that_says_that_it_is_not_compressed_is_read(server: Server, row: dict[str, Any]) -> None:
    answer = server.request("POST", "/predict", json.dumps(row), {**JSON, "Content-Encoding": "identity"})
    assert answer.status == 200


@pytest.mark.parametrize(
    ("headers", "received"),
    [
        ({}, "no content type"),
        ({"Content-Type": ""}, "no content type"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "content type application/x-www-form-urlencoded"),
        ({"Content-Type": "text/plain"}, "content type text/plain"),
        ({"Content-Type": "application/jsonp"}, "content type application/jsonp"),
        ({"Content-Type": "text/plain; application/json"}, "content type text/plain; application/json"),
    ],
)
def test_predict_of_another_content_type_answers_415_with_the_header_to_send(
    server: Server, row: dict[str, Any], headers: dict[str, str], received: str
) -> None:
    answer = server.request("POST", "/predict", json.dumps(row).encode(), headers)
    assert (answer.status, answer.error["code"]) == (415, "unsupported_media_type")
    assert answer.error["message"] == f"Received {received}, expected application/json."
    assert "-H 'Content-Type: application/json'" in str(answer.error["hint"])


def test_predict_of_a_body_that_declares_too_much_is_refused_before_it_is_sent(server: Server) -> None:
    answer = send_raw(
        server,
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n" % (LIMIT_BYTES + 1),
    )
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"message":"Received a body of more than 1,048,576 bytes, expected at most that."' in answer


def test_predict_of_an_oversized_body_answers_413(server: Server) -> None:
    answer = server.request("POST", "/predict", b" " * (LIMIT_BYTES + 1), JSON)
    assert (answer.status, answer.error["code"]) == (413, "body_too_large")


def test_predict_of_an_oversized_chunked_body_answers_413(server: Server) -> None:
    pieces = iter([b" " * 65536] * (LIMIT_BYTES // 65536 + 1))
    answer = server.request("POST", "/predict", pieces, JSON, encode_chunked=True)
    assert (answer.status, answer.error["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("chunked", [False, True])
def test_predict_of_a_body_at_the_limit_is_read(server: Server, row: dict[str, Any], chunked: bool) -> None:
    text = json.dumps(row).encode().ljust(LIMIT_BYTES)
    body = iter([text]) if chunked else text
    answer = server.request("POST", "/predict", body, JSON, encode_chunked=chunked)
    assert (answer.status, answer.json["digit"]) == (200, 1)


def test_predict_of_a_client_that_goes_away_while_sending_is_no_fault(server: Server, row: dict[str, Any]) -> None:
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(
                b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n{"
            )
    assert server.post(row).status == 200
    assert "Traceback" not in server.log
    assert "ERROR" not in server.log


def test_a_connection_is_kept_after_a_refusal(server: Server) -> None:
    refused = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
    answers = send_raw(server, refused + b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answers.startswith(b"HTTP/1.1 415 ")
    assert answers.endswith(b'{"status":"alive"}')


@pytest.mark.parametrize("path", ["/nope", "/predict/", "/Predict", "/redoc", "/%00%ff"])
def test_an_unknown_path_answers_404(server: Server, path: str) -> None:
    answer = server.request("GET", path)
    assert (answer.status, answer.error["code"]) == (404, "not_found")
    assert answer.error["hint"] == "Find every path at /docs."


def test_an_unknown_path_of_any_length_is_shown_in_short(server: Server) -> None:
    answer = server.request("GET", "/" + "x" * 10_000)
    assert answer.error["message"] == f"Received a request for /{'x' * 63}, expected a path that exists."


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/predict", "POST"),
        ("PUT", "/predict", "POST"),
        ("OPTIONS", "/predict", "POST"),
        ("PROPFIND", "/predict", "POST"),
        ("POST", "/healthz", "GET, HEAD"),
        ("DELETE", "/readyz", "GET, HEAD"),
        ("POST", "/healthcheck", "GET, HEAD"),
        ("POST", "/static/page.js", "GET, HEAD"),
        ("DELETE", "/static/nothing.js", "GET, HEAD"),
    ],
)
def test_a_wrong_method_answers_405_with_those_allowed(server: Server, method: str, path: str, allowed: str) -> None:
    answer = server.request(method, path)
    assert (answer.status, answer.error["code"], answer.headers["allow"]) == (405, "method_not_allowed", allowed)
    expected = allowed.replace(", ", " or ")
    assert answer.error["message"] == f"Received {method} for {path}, expected {expected}."


def test_head_of_predict_answers_405_with_those_allowed(server: Server) -> None:
    answer = server.request("HEAD", "/predict")
    assert (answer.status, answer.headers["allow"], answer.body) == (405, "POST", b"")
