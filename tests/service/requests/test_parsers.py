"""What holds for anything that parsers can be given, by Hypothesis.

In the long run, 100,000 cases in all: PARSER_CASES=10000 python -m pytest tests/service/requests/test_parsers.py
"""

import base64
import json
import os
from contextlib import suppress
from functools import partial
from io import BytesIO
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from app.errors.refusals import ServiceError
from app.requests.images import choose_parser, parse_csv_images, parse_json_images
from app.requests.picture import FORM, unpack_picture
from app.requests.tensors import DTYPES, Inference
from digits.data.image_file import decode_picture
from digits.data.images import MAX_PIXEL, NUM_PIXELS, PIXEL_NAMES
from digits.data.kaggle_csv import parse_table
from digits.data.pixel_json import parse_images, parse_row, read_row_text, unpack_images
from digits.errors import DrawingError, PixelError

fuzz = settings(
    max_examples=int(os.environ.get("PARSER_CASES", "60")),
    # The same cases each time, but other ones in the long run.
    derandomize="PARSER_CASES" not in os.environ,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
JSON_VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
)
SEEDS = st.integers(0, 2**32 - 1)
# Where a piece is replaced, measured from the front in millionths, how much of it, and by what.
PIECES = st.sampled_from([b"", b"0", b"7", b"12", b"999", b",", b":", b'"', b" ", b"."]) | st.binary(max_size=8)
CHANGES = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 2) | st.integers(0, 40), PIECES), max_size=4)


def change(body: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    for place, length, replacement in changes:
        start = len(body) * place // 10**6
        body = body[:start] + replacement + body[start + length :]
    return body


def make_pixels(seed: int, num_images: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (num_images, NUM_PIXELS), np.uint8)


def check_pixels(pixels: np.ndarray) -> None:
    assert pixels.ndim == 1 or pixels.shape[1:] == (NUM_PIXELS,)
    assert ((pixels >= 0) & (pixels <= MAX_PIXEL)).all()


@fuzz
@given(seed=SEEDS, names=st.dictionaries(st.sampled_from(PIXEL_NAMES) | st.text(max_size=9), LEAVES, max_size=4))
def test_parse_row_reads_what_was_sent_or_raises_its_error(seed: int, names: dict[str, Any]) -> None:
    row = {**dict(zip(PIXEL_NAMES, make_pixels(seed)[0].tolist(), strict=True)), **names}
    with suppress(PixelError):
        pixels = parse_row(row)
        check_pixels(pixels)
        assert np.array_equal(pixels, np.array([row[name] for name in PIXEL_NAMES], np.float32))


@fuzz
@given(anything=JSON_VALUES)
def test_parse_row_and_parse_images_of_anything_raise_their_error(anything: Any) -> None:
    if not (isinstance(anything, list) and not anything):
        with pytest.raises(PixelError):
            parse_images(anything)
    with pytest.raises(PixelError):
        parse_row(anything)


@fuzz
@given(seed=SEEDS, num_images=st.integers(0, 3), pixel=LEAVES, is_nested=st.booleans())
def test_parse_images_reads_what_was_sent_or_names_the_pixel(
    seed: int, num_images: int, pixel: Any, is_nested: bool
) -> None:
    sent = make_pixels(seed, num_images).tolist()
    if sent:
        sent[-1][seed % NUM_PIXELS] = pixel
    listed = [np.reshape(np.array(one, object), (28, 28)).tolist() for one in sent] if is_nested else sent
    is_pixel = type(pixel) in (int, float) and 0 <= pixel <= MAX_PIXEL
    if is_pixel or not sent:
        assert np.array_equal(parse_images(listed), np.array(sent, np.float32).reshape(-1, NUM_PIXELS))
    else:
        with pytest.raises(PixelError) as caught:
            parse_images(listed)
        assert caught.value.field == f"images[{num_images - 1}].pixel{seed % NUM_PIXELS}"


@fuzz
@given(content=st.binary(max_size=20), num_images=st.integers(0, 3))
def test_unpack_images_gives_the_bytes_back_or_raises_its_error(content: bytes, num_images: int) -> None:
    body = bytes(NUM_PIXELS * num_images) + content
    try:
        assert unpack_images(body).tobytes() == body
    except PixelError:
        assert content


@fuzz
@given(seed=SEEDS, changes=CHANGES, separators=st.sampled_from([(", ", ": "), (",", ":"), (" ,", ":")]))
def test_read_row_text_reads_only_what_parse_row_reads(seed: int, changes: Any, separators: tuple[str, str]) -> None:
    pixels = dict(zip(PIXEL_NAMES, make_pixels(seed)[0].tolist(), strict=True))
    body = change(json.dumps(pixels, separators=separators).encode(), changes)
    read = read_row_text(body)
    if read is not None:
        assert np.array_equal(read, parse_row(orjson.loads(body)))


@fuzz
@given(seed=SEEDS, changes=CHANGES, content_type=st.sampled_from(["text/csv", "application/json"]))
def test_batch_parsers_of_damaged_bodies_raise_their_errors(seed: int, changes: Any, content_type: str) -> None:
    pixels = make_pixels(seed, 2).tolist()
    table = "\n".join([",".join(PIXEL_NAMES), *(",".join(map(str, row)) for row in pixels)])
    body = table.encode() if content_type == "text/csv" else orjson.dumps({"images": pixels})
    with suppress(PixelError, ServiceError):
        check_pixels(choose_parser(content_type)(bytearray(change(body, changes)), 1000))


@fuzz
@given(text=st.text(st.sampled_from('pixel0123,"\n\r label.'), max_size=60) | st.text(max_size=60), raw=st.binary())
def test_parsers_of_any_text_raise_their_errors(text: str, raw: bytes) -> None:
    with suppress(PixelError):
        check_pixels(parse_table(text))
    for parse in (parse_csv_images, partial(parse_json_images, max_images=1000)):
        with suppress(PixelError, ServiceError):
            check_pixels(parse(raw))


@fuzz
@given(
    seed=SEEDS,
    datatype=st.sampled_from(sorted(DTYPES)),
    members=st.dictionaries(st.sampled_from(["id", "outputs", "parameters", "inputs"]), JSON_VALUES, max_size=2),
    tensor=st.dictionaries(
        st.sampled_from(["name", "shape", "datatype", "data", "parameters"]), JSON_VALUES, max_size=2
    ),
    is_binary=st.booleans(),
    changes=CHANGES,
)
def test_tensors_of_anything_are_pixels_or_raise_their_errors(
    seed: int, datatype: str, members: Any, tensor: Any, is_binary: bool, changes: Any
) -> None:
    blob = make_pixels(seed).astype(DTYPES[datatype]).tobytes()
    shown = {"parameters": {"binary_data_size": len(blob)}} if is_binary else {"data": make_pixels(seed)[0].tolist()}
    described = {"name": "pixels", "shape": [1, NUM_PIXELS], "datatype": datatype, **shown, **tensor}
    head = json.dumps({"inputs": [described], **members}).encode()
    body = change(head + blob * is_binary, changes)
    with suppress(PixelError, ServiceError):
        inference = Inference(body, str(len(head)) if is_binary else None, 1000)
        check_pixels(inference.parse())
        inference.pack("digits", np.full((1, 10), 0.1, np.float32))


@fuzz
@given(
    seed=SEEDS,
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    mode=st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"]),
    file_format=st.sampled_from(FORMATS),
    changes=CHANGES,
)
def test_decode_picture_of_damaged_files_raises_nothing_but_its_error(
    seed: int, size: tuple[int, int], mode: str, file_format: str, changes: Any
) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0]), np.uint8)
    file = BytesIO()
    try:
        Image.fromarray(pixels).convert(mode).save(file, file_format)
    except (OSError, ValueError):
        return  # Not every format writes every mode.
    assert decode_picture(file.getvalue()).luminance.shape == size[::-1]
    with suppress(DrawingError):
        drawing = decode_picture(change(file.getvalue(), changes), max_pixels=10_000).luminance
        assert drawing.dtype == np.uint8
        assert 1 <= drawing.size <= 10_000


@fuzz
@given(content=st.binary(min_size=1), start=st.sampled_from(["", "data:image/png;base64,"]), changes=CHANGES)
def test_unpack_picture_of_text_gives_the_file_back_or_raises_its_error(
    content: bytes, start: str, changes: Any
) -> None:
    text = f"{start}{base64.b64encode(content).decode()}"
    for media_type, body in (("text/plain", text), ("application/json", json.dumps({"image": text}))):
        assert unpack_picture(media_type, body.encode()) == content
        with suppress(ServiceError):
            unpack_picture(media_type, change(body.encode(), changes))


@fuzz
@given(anything=JSON_VALUES)
def test_unpack_picture_of_any_json_raises_its_error(anything: Any) -> None:
    with pytest.raises(ServiceError):
        unpack_picture("application/json", json.dumps({"image": anything, "more": 1}).encode())
    with suppress(ServiceError):
        unpack_picture("application/json", json.dumps(anything).encode())


@fuzz
@given(
    name=st.binary(max_size=9),
    content=st.binary(),
    changes=CHANGES,
    boundary=st.text(st.characters(max_codepoint=255), max_size=9),
)
def test_unpack_picture_gives_the_file_back_or_raises_its_error(
    name: bytes, content: bytes, changes: Any, boundary: str
) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a%s"\r\n\r\n%s\r\n--x--\r\n' % (name, content)
    with suppress(ServiceError):
        unpack_picture(f"{FORM}; boundary={boundary}", body)
    with suppress(ServiceError):
        unpack_picture(f"{FORM}; boundary=x", change(body, changes))
    if b"--x" not in content and name.isalnum():
        assert unpack_picture(f"{FORM}; boundary=x", body) == content
