import json
import math

import numpy as np
import pytest

from digits.data.images import MAX_PIXEL, NUM_PIXELS, PIXEL_NAMES, draw_one, make_batch
from digits.data.pixel_json import check_images, parse_images, parse_row, unpack_images
from digits.errors import PixelError


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
        (-0.001, "-0.001"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (2**64, "1.84467e+19"),
        pytest.param(10**5000, "a huge integer", id="huge"),
    ],
)
@pytest.mark.parametrize("other", [0, 0.5], ids=["integers", "fractions"])
def test_parse_row_out_of_range_names_pixel_and_value(value: float, received: str, other: float) -> None:
    with pytest.raises(PixelError) as caught:
        parse_row(make_row(pixel12=value, pixel0=other))
    assert caught.value.message == f"Received {received} for pixel12, expected a number 0-255."
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
    with pytest.raises(PixelError) as caught:
        parse_row(make_row(pixel12=value))
    assert caught.value.message == f"Received {received} for pixel12, expected a number 0-255."
    assert (caught.value.code, caught.value.field) == ("not_a_number", "pixel12")


def test_parse_row_with_several_faults_names_the_first_pixel() -> None:
    with pytest.raises(PixelError, match="for pixel3,"):
        parse_row(make_row(pixel700=-1, pixel3=None))


@pytest.mark.parametrize(
    ("row", "message", "code", "field"),
    [
        (without("pixel12"), "Received 783 pixels, expected 784; missing: pixel12.", "missing_pixel", "pixel12"),
        (
            {},
            "Received 0 pixels, expected 784; missing: pixel0, pixel1, pixel2, pixel3, pixel4 and 779 more.",
            "missing_pixel",
            "pixel0",
        ),
        (
            without("pixel783") | {"pixel784": 0},
            "Received 783 pixels, expected 784; missing: pixel783; unknown: pixel784.",
            "missing_pixel",
            "pixel783",
        ),
        (
            make_row(label=1),
            "Received 784 pixels, expected 784 and nothing else; unknown: label.",
            "unknown_field",
            "label",
        ),
        (
            make_row(pixel00=0),
            "Received 784 pixels, expected 784 and nothing else; unknown: pixel00.",
            "unknown_field",
            "pixel00",
        ),
    ],
)
def test_parse_row_wrong_names_counts_and_names_them(
    row: dict[str, object], message: str, code: str, field: str
) -> None:
    with pytest.raises(PixelError) as caught:
        parse_row(row)
    assert (caught.value.message, caught.value.code, caught.value.field) == (message, code, field)


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
    with pytest.raises(PixelError, match=f"^Received {received}, expected one JSON object") as caught:
        parse_row(json.loads(text))
    assert (caught.value.code, caught.value.field) == ("not_an_object", None)


def test_pixel_error_carries_the_mend_in_its_text() -> None:
    with pytest.raises(PixelError) as caught:
        parse_row(make_row(pixel12=256))
    assert caught.value.hint == "Scale grey levels to 0-255, where 0 is paper and 255 is ink."
    assert str(caught.value) == f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(2, 28, 28), (2, 784)])
def test_make_batch_scales_any_number_type_and_layout(shape: tuple[int, ...], dtype: type) -> None:
    images = (np.arange(2 * NUM_PIXELS) % (MAX_PIXEL + 1)).astype(dtype).reshape(shape)
    batch = make_batch(images)
    assert (batch.shape, batch.dtype) == ((2, 28, 28, 1), np.float32)
    assert (batch.min(), batch.max()) == (0, 1)
    np.testing.assert_allclose(batch.ravel(), images.ravel() / MAX_PIXEL, rtol=1e-6)


def test_make_batch_leaves_its_input_alone() -> None:
    images = draw_one()[np.newaxis].astype(np.float32)
    make_batch(images)
    np.testing.assert_array_equal(images[0], draw_one())


@pytest.mark.parametrize("shape", [(784,), (28, 28), (2, 27, 28), (2, 28, 28, 1), (2, 783), (0,)])
def test_make_batch_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(PixelError, match=r"^Received images of shape .* Reshape or resize them to 28x28\.$") as caught:
        make_batch(np.zeros(shape, np.uint8))
    assert caught.value.code == "wrong_shape"


def test_draw_one_is_an_upright_stroke_with_a_margin() -> None:
    image = draw_one()
    rows, columns = np.nonzero(image)
    assert (image.shape, image.dtype, image.max()) == ((28, 28), np.uint8, MAX_PIXEL)
    assert np.ptp(rows) > 3 * np.ptp(columns)
    assert min(rows.min(), columns.min(), 27 - rows.max(), 27 - columns.max()) >= 4


@pytest.mark.parametrize("value", [0, 0.5, 255])
def test_parse_images_reads_flat_and_nested_alike(value: float) -> None:
    flat = [index % 256 for index in range(NUM_PIXELS - 1)] + [value]
    nested = [flat[start : start + 28] for start in range(0, NUM_PIXELS, 28)]
    images = parse_images([flat, nested])
    assert images.dtype == np.float32
    assert images.tolist() == [flat, flat]


def test_parse_images_names_image_and_pixel() -> None:
    with pytest.raises(PixelError, match=r"^Received -1 for images\[1\]\.pixel3, expected a number 0-255\.") as caught:
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
    with pytest.raises(PixelError, match=r"for images\[1\]\.pixel7, expected a number 0-255\."):
        check_images(images)


def test_unpack_images_reads_image_after_image() -> None:
    images = unpack_images(bytes([1] * NUM_PIXELS + [2] * NUM_PIXELS))
    assert images.tolist() == [[1] * NUM_PIXELS, [2] * NUM_PIXELS]
