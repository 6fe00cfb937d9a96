"""A body is refused in memory that its own size bounds, whatever it is made of."""

import json
import re
from pathlib import Path

import pytest

from digits.data.images import PIXEL_NAMES
from tests.service.server import Server

BODY_BYTES = 16 * 1024 * 1024 - 1024
INFER = "/v2/models/digits/infer"
TYPES = {"json": "application/json", "csv": "text/csv", "form": "multipart/form-data; boundary=x"}
# The body itself, its text, and what is made of it before it is refused.
MOST_BYTES = 5 * BODY_BYTES


def fill(beginning: bytes, repeated: bytes, end: bytes, num_bytes: int = BODY_BYTES) -> bytes:
    return beginning + repeated * ((num_bytes - len(beginning) - len(end)) // len(repeated)) + end


TENSOR = b'{"inputs": [{"name": "pixels", "shape": [1, 784], "datatype": "UINT8", "data": ['
HEADER = ",".join(PIXEL_NAMES).encode() + b"\n"
BODIES = {
    "objects": ("/predict/batch", "json", fill(b'{"images": [{}', b",{}", b"]}")),
    "empty arrays": ("/predict/batch", "json", fill(b'{"images": [[]', b",[]", b"]}")),
    "zeros": ("/predict/batch", "json", fill(b'{"images": [0', b",0", b"]}")),
    "zeros in one image": ("/predict/batch", "json", fill(b'{"images": [[0', b",0", b"]]}")),
    "rows of one number": ("/predict/batch", "json", fill(b'{"images": [[[0]', b",[0]", b"]]}")),
    "fractions": ("/predict/batch", "json", fill(b'{"images": [[1.5', b",1.5", b"]]}")),
    "texts": ("/predict/batch", "json", fill(b'{"images": [""', b',""', b"]}")),
    "names": ("/predict/batch", "json", fill(b'{"a":0', b',"b":0', b"}")),
    "nested": ("/predict/batch", "json", fill(b'{"images": ', b"[", b"")),
    "a row of objects": ("/predict", "json", fill(b'{"pixel0": {}', b', "a": {}', b"}", 1024 * 1024)),
    "a tensor of zeros": (INFER, "json", fill(TENSOR + b"0", b",0", b"]}]}")),
    "a tensor of objects": (INFER, "json", fill(TENSOR + b"{}", b",{}", b"]}]}")),
    "outputs": (INFER, "json", fill(b'{"outputs": [{}', b",{}", b"]}")),
    "a shape": (
        INFER,
        "json",
        fill(b'{"inputs": [{"name": "pixels", "datatype": "UINT8", "shape": [1', b",1", b"]}]}"),
    ),
    "lines": ("/predict/batch", "csv", fill(HEADER, b"a\n", b"")),
    "empty lines": ("/predict/batch", "csv", fill(HEADER, b"\n", b"")),
    "columns": ("/predict/batch", "csv", fill(b"pixel0", b",", b"")),
    "cells": ("/predict/batch", "csv", fill(HEADER, b",", b"")),
    "a form's parts": ("/read", "form", fill(b"", b"--x\r\n\r\n\r\n", b"--x--", 10_000_000)),
    "a form's headers": ("/read", "form", fill(b"--x\r\n", b"A:b\r\n", b"\r\n--x--", 10_000_000)),
    "a form's fields": (
        "/read",
        "form",
        fill(b"", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n', b"--x--", 10_000_000),
    ),
}


def measure_peak(server: Server) -> int:
    """Return the most resident bytes since the last reset."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return 1024 * int(found[1])


def reset_peak(server: Server) -> None:
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")


@pytest.mark.parametrize("name", BODIES)
def test_a_body_of_many_small_values_is_refused_in_bounded_memory(server: Server, name: str) -> None:
    path, kind, body = BODIES[name]
    assert server.request("GET", "/readyz").status == 200
    reset_peak(server)
    before = measure_peak(server)
    answer = server.request("POST", path, body, {"Content-Type": TYPES[kind]})
    assert answer.status in (400, 422)
    assert measure_peak(server) - before < MOST_BYTES


def test_an_inference_of_too_many_images_as_bytes_is_refused_before_they_are_made(server: Server) -> None:
    num_images = 20_000
    tensor = {"name": "pixels", "shape": [num_images, 784], "datatype": "INT8"}
    head = json.dumps({"inputs": [{**tensor, "parameters": {"binary_data_size": 784 * num_images}}]}).encode()
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    reset_peak(server)
    before = measure_peak(server)
    answer = server.request("POST", INFER, head + bytes(784 * num_images), headers)
    assert answer.status == 422
    assert "20,000 images" in answer.json["error"]
    assert measure_peak(server) - before < MOST_BYTES


def test_refused_bodies_do_not_pile_up(server: Server) -> None:
    path, kind, body = BODIES["zeros"]
    reset_peak(server)
    before = measure_peak(server)
    for _ in range(6):
        assert server.request("POST", path, body, {"Content-Type": TYPES[kind]}).status == 422
    assert measure_peak(server) - before < 2 * BODY_BYTES
