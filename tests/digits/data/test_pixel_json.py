import json
import random
from typing import Any

import numpy as np
import pytest

from digits.data.images import PIXEL_NAMES
from digits.data.pixel_json import parse_row, read_row_text
from digits.errors import PixelError


def make_row(rng: random.Random) -> dict[str, Any]:
    return {name: rng.choice([0, 9, 10, 99, 100, 255]) for name in PIXEL_NAMES}


@pytest.mark.parametrize("separators", [(", ", ": "), (",", ":"), (" ,\n", "\t: ")])
@pytest.mark.parametrize("is_shuffled", [False, True])
def test_a_row_of_whole_pixels_is_read_to_the_same_pixels(separators: tuple[str, str], is_shuffled: bool) -> None:
    rng = random.Random(1)
    row = make_row(rng)
    names = rng.sample(PIXEL_NAMES, len(PIXEL_NAMES)) if is_shuffled else PIXEL_NAMES
    pixels = read_row_text(json.dumps({name: row[name] for name in names}, separators=separators).encode() + b"\n")
    assert pixels is not None
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels, parse_row(row))


def test_of_a_repeated_pixel_the_last_value_counts() -> None:
    text = json.dumps(make_row(random.Random(1))).encode().replace(b'"pixel12":', b'"pixel12": 7, "pixel12":')
    pixels = read_row_text(text)
    assert pixels is not None
    assert np.array_equal(pixels, parse_row(json.loads(text)))


@pytest.mark.parametrize("pixel", [256, 10**400, -1, -0.0, 0.5, 1e2, True, None, "1", [1], {}])
@pytest.mark.parametrize("name", ["pixel0", "pixel400", "pixel783"])
def test_a_row_with_anything_but_whole_pixels_is_left_to_others(name: str, pixel: object) -> None:
    row = {**make_row(random.Random(1)), name: pixel}
    assert read_row_text(json.dumps(row).encode()) is None


@pytest.mark.parametrize(
    ("correct", "wrong"),
    [
        (b'"pixel12": 7', b'"pixel12": 07'),
        (b'"pixel12": 7', b'"pixel12": '),
        (b'"pixel12": 7', b'"pixel13": 7'),
        (b'"pixel12": 7', b'"pixel012": 7'),
        (b'"pixel12": 7', b'"pi\xffxel12": 7'),
        (b'"pixel12": 7', b'3"pixel12": 7'),
        (b'"pixel12": 7', b'"pixel12": 7, "pixel784": 7'),
        (b"}", b""),
        (b"}", b",}"),
        (b"}", b"}5"),
        (b"{", b"{3"),
        (b"{", b"[" * 100_000),
    ],
)
def test_text_that_is_slightly_wrong_is_left_to_others(correct: bytes, wrong: bytes) -> None:
    text = json.dumps({**make_row(random.Random(1)), "pixel12": 7}).encode()
    assert text.count(correct) == 1
    assert read_row_text(text) is not None
    assert read_row_text(text.replace(correct, wrong)) is None


def test_whatever_is_read_of_damaged_text_is_what_json_says() -> None:
    rng = random.Random(1)
    num_read = 0
    for _ in range(1500):
        text = bytearray(json.dumps(make_row(rng)).encode())
        for _ in range(rng.randrange(3)):
            damage(text, rng)
        pixels = read_row_text(text)
        if pixels is not None:
            num_read += 1
            assert np.array_equal(pixels, parse_as_json(text))
    assert num_read > 500


def damage(text: bytearray, rng: random.Random) -> None:
    place, byte = rng.randrange(len(text)), rng.choice(b'0123456789,:{}" .-e')
    text[place : place + rng.randrange(2)] = rng.choice([b"", bytes([byte])])


def parse_as_json(text: bytearray) -> np.ndarray | None:
    try:
        return parse_row(json.loads(text))
    except (json.JSONDecodeError, PixelError):
        return None
