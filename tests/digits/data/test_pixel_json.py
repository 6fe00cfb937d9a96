"""A row's text and a row's object to the same pixels, and which fault of either is named."""

import json
import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from digits.data.images import NUM_PIXELS, PIXEL_NAMES
from digits.data.pixel_json import check_images, parse_images, parse_row, read_row_text, unpack_images
from digits.errors import PixelError
from tests.wordings import wording


def draw_row(rng: random.Random) -> dict[str, Any]:
    return {name: rng.choice([0, 9, 10, 99, 100, 255]) for name in PIXEL_NAMES}


@pytest.mark.parametrize("separators", [(", ", ": "), (",", ":"), (" ,\n", "\t: ")])
@pytest.mark.parametrize("is_shuffled", [False, True])
def test_read_row_text_of_whole_pixels_reads_what_parse_row_reads(
    separators: tuple[str, str], is_shuffled: bool
) -> None:
    rng = random.Random(1)
    row = draw_row(rng)
    names = rng.sample(PIXEL_NAMES, len(PIXEL_NAMES)) if is_shuffled else PIXEL_NAMES
    pixels = read_row_text(json.dumps({name: row[name] for name in names}, separators=separators).encode() + b"\n")
    assert pixels is not None
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels, parse_row(row))


def test_read_row_text_of_a_repeated_pixel_takes_the_last_value() -> None:
    text = json.dumps(draw_row(random.Random(1))).encode().replace(b'"pixel12":', b'"pixel12": 7, "pixel12":')
    pixels = read_row_text(text)
    assert pixels is not None
    assert np.array_equal(pixels, parse_row(json.loads(text)))


@pytest.mark.parametrize("pixel", [256, 10**400, -1, -0.0, 0.5, 1e2, True, None, "1", [1], {}])
@pytest.mark.parametrize("name", ["pixel0", "pixel400", "pixel783"])
def test_read_row_text_of_anything_but_whole_pixels_is_none(name: str, pixel: object) -> None:
    row = {**draw_row(random.Random(1)), name: pixel}
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
def test_read_row_text_that_is_slightly_wrong_is_none(correct: bytes, wrong: bytes) -> None:
    text = json.dumps({**draw_row(random.Random(1)), "pixel12": 7}).encode()
    assert text.count(correct) == 1
    assert read_row_text(text) is not None
    assert read_row_text(text.replace(correct, wrong)) is None


def test_read_row_text_of_damaged_text_is_none_or_what_json_says() -> None:
    rng = random.Random(1)
    num_read = 0
    for _ in range(1500):
        text = bytearray(json.dumps(draw_row(rng)).encode())
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


def make_row(**changes: object) -> dict[str, object]:
    return {**dict.fromkeys(PIXEL_NAMES, 0), **changes}


def without(*names: str) -> dict[str, object]:
    return {name: 0 for name in PIXEL_NAMES if name not in names}


def test_parse_row_places_each_pixel_by_its_name() -> None:
    levels = [index % 256 for index in range(NUM_PIXELS)]
    pixels = parse_row(dict(zip(PIXEL_NAMES, levels, strict=True)))
    assert pixels.dtype == np.float32
    assert pixels.tolist() == levels


def test_parse_row_ignores_the_order_of_the_keys() -> None:
    levels = [index % 256 for index in range(NUM_PIXELS)]
    row = dict(zip(PIXEL_NAMES, levels, strict=True))
    assert parse_row(dict(reversed(row.items()))).tolist() == levels


def test_parse_row_keeps_fractions_beside_integers() -> None:
    pixels = parse_row(make_row(pixel0=0.5, pixel1=254.75, pixel783=255))
    assert pixels.dtype == np.float32
    assert pixels[[0, 1, 2, 783]].tolist() == [0.5, 254.75, 0.0, 255.0]


@pytest.mark.parametrize("value", [0, 255, 0.0, 255.0, -0.0])
def test_parse_row_accepts_the_ends_of_the_range(value: float) -> None:
    assert parse_row(make_row(pixel5=value))[5] == value


@pytest.mark.parametrize(
    ("value", "received"),
    [
        (256, "256"),
        (-1, "-1"),
        (255.001, "255.001"),
        (255.00000001, "255.00000001"),
        (-0.001, "-0.001"),
        (-1e-300, "-1e-300"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (2**64, "1.84467e+19"),
        pytest.param(10**5000, "a huge integer", id="huge"),
    ],
)
@pytest.mark.parametrize("other", [0, 0.5], ids=["integers", "fractions"])
def test_parse_row_out_of_range_names_pixel_and_value(value: float, received: str, other: float) -> None:
    with pytest.raises(PixelError, match=wording("pixel_out_of_range", received=received, name="pixel12")) as caught:
        parse_row(make_row(pixel12=value, pixel0=other))
    assert (caught.value.code, caught.value.field) == ("pixel_out_of_range", "pixel12")


@pytest.mark.parametrize(
    ("value", "received"),
    [
        ("0", "a string"),
        (None, "null"),
        (True, "a boolean"),
        (False, "a boolean"),
        ([0], "an array"),
        ({"pixel12": 0}, "an object"),
        (0j, "another type"),
    ],
)
def test_parse_row_not_a_number_names_pixel_and_type(value: object, received: str) -> None:
    with pytest.raises(PixelError, match=wording("pixel_not_a_number", received=received, name="pixel12")) as caught:
        parse_row(make_row(pixel12=value))
    assert (caught.value.code, caught.value.field) == ("not_a_number", "pixel12")


def test_parse_row_with_several_faults_names_the_first_pixel() -> None:
    with pytest.raises(PixelError) as caught:
        parse_row(make_row(pixel700=-1, pixel3=None))
    assert (caught.value.code, caught.value.field) == ("not_a_number", "pixel3")


@pytest.mark.parametrize(
    ("row", "kind", "num", "names", "code", "field"),
    [
        (without("pixel12"), "pixels_missing", 783, "pixel12", "missing_pixel", "pixel12"),
        (
            {},
            "pixels_missing",
            0,
            "pixel0, pixel1, pixel2, pixel3, pixel4 and 779 more",
            "missing_pixel",
            "pixel0",
        ),
        (
            without("pixel783") | {"pixel784": 0},
            "pixels_missing",
            783,
            "pixel783; unknown: pixel784",
            "missing_pixel",
            "pixel783",
        ),
        (make_row(label=1), "fields_unknown", 784, "label", "unknown_field", "label"),
        (make_row(pixel00=0), "fields_unknown", 784, "pixel00", "unknown_field", "pixel00"),
    ],
)
def test_parse_row_wrong_names_counts_and_names_them(
    row: dict[str, object], kind: str, num: int, names: str, code: str, field: str
) -> None:
    with pytest.raises(PixelError, match=wording(kind, num=num, names=names)) as caught:
        parse_row(row)
    assert (caught.value.code, caught.value.field) == (code, field)


def test_parse_row_unknown_name_of_any_length_is_shown_in_short() -> None:
    with pytest.raises(PixelError) as caught:
        parse_row(make_row(**{"x" * 10_000: 0}))
    assert caught.value.field == "x" * 32
    assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    ("text", "received"),
    [("[]", "an array"), ("null", "null"), ('"pixel0"', "a string"), ("true", "a boolean"), ("1", "a number")],
)
def test_parse_row_not_an_object_says_what_came(text: str, received: str) -> None:
    with pytest.raises(PixelError, match=wording("row_not_an_object", received=received)) as caught:
        parse_row(json.loads(text))
    assert (caught.value.code, caught.value.field) == ("not_an_object", None)


def test_pixel_error_text_is_its_message_and_its_hint() -> None:
    with pytest.raises(PixelError) as caught:
        parse_row(make_row(pixel12=256))
    assert str(caught.value) == f"{caught.value.message} {caught.value.hint}"
    assert caught.value.message.startswith("Received")
    assert caught.value.hint.startswith("Scale")


@pytest.mark.parametrize("value", [0, 0.5, 255])
def test_parse_images_reads_flat_and_nested_alike(value: float) -> None:
    flat = [index % 256 for index in range(NUM_PIXELS - 1)] + [value]
    nested = [flat[start : start + 28] for start in range(0, NUM_PIXELS, 28)]
    images = parse_images([flat, nested])
    assert images.dtype == np.float32
    assert images.tolist() == [flat, flat]


def test_parse_images_names_image_and_pixel() -> None:
    with pytest.raises(PixelError, match=wording("pixel_out_of_range", received=-1, name="images[1].pixel3")) as caught:
        parse_images([[0] * NUM_PIXELS, [0, 0, 0, -1, *[0] * 780]])
    assert caught.value.field == "images[1].pixel3"


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint64, np.float16, np.float64])
def test_check_images_takes_every_type(dtype: type) -> None:
    images = check_images(np.array([[0, 255] * 392], dtype))
    assert images.dtype == np.float32
    assert images.tolist() == [[0, 255] * 392]


@pytest.mark.parametrize("value", [-1, 256, math.nan, math.inf])
def test_check_images_names_the_first_wrong_pixel(value: float) -> None:
    images = np.zeros((3, NUM_PIXELS))
    images[1, 7] = images[2, 0] = value
    with pytest.raises(PixelError) as caught:
        check_images(images)
    assert (caught.value.code, caught.value.field) == ("pixel_out_of_range", "images[1].pixel7")


def test_unpack_images_reads_image_after_image() -> None:
    images = unpack_images(bytes([1] * NUM_PIXELS + [2] * NUM_PIXELS))
    assert images.tolist() == [[1] * NUM_PIXELS, [2] * NUM_PIXELS]


def test_parse_row_of_pixels_from_0_to_1_names_the_scale() -> None:
    row = {name: pixel / 255 for name, pixel in draw_row(random.Random(1)).items()}
    with pytest.raises(PixelError, match=wording("pixels_of_0_to_1")) as caught:
        parse_row(row)
    assert (caught.value.code, caught.value.field) == ("wrong_scale", None)


@pytest.mark.parametrize("read", [lambda images: parse_images(images.tolist()), check_images])
def test_images_from_0_to_1_are_refused_if_all_of_them_are(read: Callable[[NDArray[np.float64]], object]) -> None:
    images = np.random.default_rng(1).random((3, NUM_PIXELS))
    with pytest.raises(PixelError, match=wording("pixels_of_0_to_1")):
        read(images)
    # A resized empty sheet beside others has such pixels, too.
    images[1] *= 255
    read(images)


@pytest.mark.parametrize("pixels", [np.zeros(NUM_PIXELS), np.arange(NUM_PIXELS) % 2, np.zeros((0, NUM_PIXELS))])
def test_whole_pixels_of_0_and_1_are_an_empty_sheet(pixels: NDArray[np.float64]) -> None:
    assert check_images(pixels.reshape(-1, NUM_PIXELS)).max(initial=0) <= 1
