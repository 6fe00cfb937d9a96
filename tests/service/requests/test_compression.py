"""Bodies that come compressed: what is read, and what is refused before it takes memory."""

import gzip
import json
import os
import socket
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from digits.data.images import draw_one
from tests.service.server import JSON, Answer, Server, attempt, serve

GZIP = {"Content-Encoding": "gzip"}
MEBIBYTE = 1024 * 1024
# For each path that takes a body, its limit in bytes and a content type that it takes.
LIMITS = {
    "/predict": (MEBIBYTE, "application/json"),
    "/predict/batch": (16 * MEBIBYTE, "text/csv"),
    "/predict/image": (10 * MEBIBYTE, "image/png"),
    "/read": (10 * MEBIBYTE, "multipart/form-data; boundary=x"),
    "/v2/models/digits/infer": (16 * MEBIBYTE, "application/json"),
}


def draw_picture() -> bytes:
    encoded = BytesIO()
    Image.fromarray(255 - draw_one()).resize((112, 112)).save(encoded, "PNG")
    return encoded.getvalue()


def make_form() -> bytes:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="1.png"\r\nContent-Type: image/png\r\n\r\n'
    return head + draw_picture() + b"\r\n--x--\r\n"


def make_bodies() -> dict[str, tuple[str, str, bytes]]:
    pixels = draw_one().ravel().tolist()
    row = {f"pixel{place}": pixel for place, pixel in enumerate(pixels)}
    tensor = {"name": "pixels", "shape": [1, 784], "datatype": "UINT8", "data": pixels}
    form = "multipart/form-data; boundary=x"
    return {
        "row": ("/predict", JSON["Content-Type"], json.dumps(row).encode()),
        "images": ("/predict/batch", JSON["Content-Type"], json.dumps({"images": [pixels] * 3}).encode()),
        "bytes": ("/predict/batch", "application/octet-stream", bytes(pixels) * 300),
        "picture": ("/predict/image", "image/png", draw_picture()),
        "form": ("/predict/image", form, make_form()),
        "line": ("/read", "image/png", draw_picture()),
        "form with a line": ("/read", form, make_form()),
        "tensor": ("/v2/models/digits/infer", JSON["Content-Type"], json.dumps({"inputs": [tensor]}).encode()),
    }


BODIES = make_bodies()


def post_gzip(server: Server, body: bytes, path: str = "/predict", content_type: str = "application/json") -> Answer:
    return server.request("POST", path, body, {"Content-Type": content_type, **GZIP})


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_gzipped_body_is_read_as_the_plain_one(server: Server, name: str, chunked: bool) -> None:
    path, content_type, body = BODIES[name]
    plain = server.request("POST", path, body, {"Content-Type": content_type})
    zipped = gzip.compress(body)
    sent = iter([zipped[:7], zipped[7:]]) if chunked else zipped
    headers = {"Content-Type": content_type, **GZIP}
    answer = server.request("POST", path, sent, headers, encode_chunked=chunked)
    assert (answer.status, answer.body) == (200, plain.body)


def test_deflate_is_zlibs_format(server: Server, row: dict[str, Any]) -> None:
    headers, body = {**JSON, "Content-Encoding": "deflate"}, json.dumps(row).encode()
    answer = server.request("POST", "/predict", zlib.compress(body), headers)
    assert (answer.status, answer.json["digit"]) == (200, 1)
    answer = server.request("POST", "/predict", gzip.compress(body), headers)
    assert (answer.status, answer.error["code"]) == (400, "invalid_compression")
    assert answer.error["message"] == "Received a body that is no such stream, expected one whole stream of deflate."


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", " x-gzip "])
def test_gzip_is_taken_in_every_spelling(server: Server, row: dict[str, Any], encoding: str) -> None:
    headers = {**JSON, "Content-Encoding": encoding}
    answer = server.request("POST", "/predict", gzip.compress(json.dumps(row).encode()), headers)
    assert (answer.status, answer.json["digit"]) == (200, 1)


@pytest.mark.parametrize("path", LIMITS)
def test_a_body_at_the_limit_once_unpacked_is_taken_and_one_byte_more_is_413(server: Server, path: str) -> None:
    limit, content_type = LIMITS[path]
    answers = [post_gzip(server, gzip.compress(b" " * size), path, content_type) for size in (limit, limit + 1)]
    assert answers[0].status in (400, 422), "it is nothing that can be read"
    assert answers[1].status == 413
    assert f"more than {limit:,} bytes" in answers[1].body.decode()


@pytest.mark.parametrize("path", LIMITS)
def test_a_bomb_answers_413_and_takes_no_memory(server: Server, path: str) -> None:
    """Half a gigabyte in half a megabyte."""
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join([*(packer.compress(bytes(MEBIBYTE)) for _ in range(512)), packer.flush()])
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    answer = post_gzip(server, bomb, path, LIMITS[path][1])
    assert answer.status == 413
    assert process.memory_info().rss - before < 64 * MEBIBYTE


def test_a_gzipped_body_longer_than_the_limit_answers_413_whatever_is_in_it(server: Server) -> None:
    zipped = gzip.compress(os.urandom(MEBIBYTE))
    assert len(zipped) > MEBIBYTE
    assert post_gzip(server, zipped).status == 413


def test_a_gzipped_body_that_unpacks_to_nothing_and_has_no_end_answers_413(server: Server) -> None:
    head, empty_block = gzip.compress(b"")[:10], b"\x00\x00\x00\xff\xff"
    pieces = iter([head, *[empty_block * 13_000] * 17])
    answer = server.request("POST", "/predict", pieces, {**JSON, **GZIP}, encode_chunked=True)
    assert (answer.status, answer.error["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    ("damage", "received"),
    [
        (lambda zipped: b"", "a stream that is cut off"),
        (lambda zipped: zipped[:1], "a stream that is cut off"),
        (lambda zipped: zipped[:-1], "a stream that is cut off"),
        (lambda zipped: zipped[: len(zipped) // 2], "a stream that is cut off"),
        (lambda zipped: zipped + b"\0", "bytes behind the end of the stream"),
        (lambda zipped: zipped + zipped, "bytes behind the end of the stream"),
        (lambda zipped: zipped + bytes(200_000), "bytes behind the end of the stream"),
        (lambda zipped: zipped[:-8] + bytes(8), "a body that is no such stream"),
        (lambda zipped: b"{" + zipped, "a body that is no such stream"),
        (gzip.decompress, "a body that is no such stream"),
        (lambda zipped: zlib.compress(gzip.decompress(zipped)), "a body that is no such stream"),
    ],
)
def test_what_is_not_one_whole_gzip_stream_answers_400(
    server: Server, row: dict[str, Any], damage: Callable[[bytes], bytes], received: str
) -> None:
    answer = post_gzip(server, damage(gzip.compress(json.dumps(row).encode())))
    assert (answer.status, answer.error["code"]) == (400, "invalid_compression")
    assert answer.error["message"] == f"Received {received}, expected one whole stream of gzip."


def test_unpacked_bytes_count_among_those_in_flight(tmp_path: Path, row: dict[str, Any]) -> None:
    """Otherwise a thousandfold more than the limit could be held by bodies that came small."""
    limit = 200_000
    plain = json.dumps(row).encode()
    large, small = gzip.compress(plain.ljust(limit // 5)), gzip.compress(plain)
    assert len(large) < 4096
    head = f"POST /predict/batch HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: {limit}\r\n\r\n"
    with serve(tmp_path, DIGITS_MAX_IN_FLIGHT_BYTES=str(limit)) as server:
        for _ in attempt():
            with socket.create_connection(("127.0.0.1", server.port)) as held:
                # Nine tenths of the limit, and a rest that does not come. Whose bytes pass the limit is refused: the
                # large one's, unless it comes before all of these are read.
                held.sendall(head.encode() + b" " * (limit * 9 // 10))
                answer = post_gzip(server, large)
                if answer.status != 200:
                    assert (answer.status, answer.error["code"]) == (503, "overloaded")
                    assert post_gzip(server, small).status == 200, "what was refused is no longer counted"
                    return
        raise TimeoutError(server.log)
