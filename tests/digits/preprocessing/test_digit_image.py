"""Ink found and brought into MNIST's form: on real digits, and on drawings of them."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from digits.data.dataset import LabelledImages
from digits.data.images import make_batch
from digits.inference.classifier import Classifier, load_classifier
from digits.preprocessing.digit_image import extract_ink, normalise_drawing, normalise_ink
from tests.conftest import ROOT

CANVAS = 200

Drawing = NDArray[np.uint8]


@pytest.fixture(scope="module")
def shipped() -> Classifier:
    return load_classifier(ROOT / "models/digits.h5")


def enlarge(image: Drawing, size: int = 150, row: int = 25, column: int = 25) -> NDArray[np.float32]:
    """Put a digit on a larger sheet; float32 `(200, 200)` in [0, 1], 1 is ink."""
    soft = np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC), np.float32) / 255
    sheet = np.zeros((CANVAS, CANVAS), np.float32)
    sheet[row : row + size, column : column + size] = np.clip((soft - 0.5) * 3 + 0.5, 0, 1)
    return sheet


def finish(brightness: NDArray[np.floating]) -> Drawing:
    return (np.clip(brightness, 0, 1) * 255).astype(np.uint8)


def shade() -> NDArray[np.floating]:
    """Light that falls to a third from left to right, with a shadow's edge in the middle."""
    columns = np.linspace(0, 1, CANVAS)
    return np.tile((1 - 0.5 * columns) * (1 - 0.3 / (1 + np.exp((0.5 - columns) * 40))), (CANVAS, 1))


def rule() -> NDArray[np.floating]:
    rows = np.ones((CANVAS, CANVAS))
    rows[10::25] = 0.65
    return rows


def print_beside(brightness: NDArray[np.floating], level: float, *places: tuple[slice, slice]) -> NDArray[np.floating]:
    """Print bars or dots over a drawing."""
    printed = brightness.copy()
    for place in places:
        printed[place] = level
    return printed


ALL = slice(None)
FRAME = [(slice(8, 192), slice(x, x + 2)) for x in (8, 190)] + [(slice(y, y + 2), slice(8, 192)) for y in (8, 190)]
EDGES = [(ALL, slice(0, 5)), (ALL, slice(195, 200)), (slice(0, 5), ALL), (slice(195, 200), ALL)]
NOISE = np.random.default_rng(0).normal(0, 0.03, (CANVAS, CANVAS))
SHEETS = {
    "dark on light": lambda ink: finish(1 - ink),
    "light on dark": finish,
    "grey on grey": lambda ink: finish(0.7 - 0.2 * ink),
    "chalk": lambda ink: finish(0.2 + 0.5 * ink + NOISE),
    "uneven light": lambda ink: finish(shade() * (1 - 0.9 * ink)),
    "light ink, uneven light": lambda ink: finish(shade() * (0.3 + 0.7 * ink)),
    "noise": lambda ink: finish(0.8 - 0.6 * ink + NOISE),
    "lined paper": lambda ink: finish(rule() * (1 - 0.9 * ink)),
    "a margin's line": lambda ink: finish(print_beside(1 - ink, 0.4, (ALL, slice(12, 15)))),
    "the sheet's edge": lambda ink: finish(print_beside(1 - ink, 0.2, (ALL, slice(0, 8)))),
    "a frame": lambda ink: finish(print_beside(1 - ink, 0.3, *FRAME)),
    "an outline along the edge": lambda ink: finish(print_beside(1 - ink, 0, *EDGES)),
    "light on dark, outlined": lambda ink: finish(print_beside(ink, 0.9, *EDGES)),
    "pencil and a black dot": lambda ink: finish(print_beside(1 - 0.3 * ink, 0, (slice(5, 14), slice(5, 14)))),
    "lined paper, uneven light, noise": lambda ink: finish(shade() * rule() * (1 - 0.9 * ink) + NOISE / 2),
}


def test_normalise_drawing_of_mnist_is_nearly_the_identity(small_digits: LabelledImages) -> None:
    normalised = np.stack([normalise_drawing(image) for image in small_digits.images])
    differences = np.abs(normalised.astype(int) - small_digits.images)
    assert differences.mean() < 1
    assert np.median(differences.max(axis=(1, 2))) < 20


def test_normalise_drawing_of_mnist_changes_no_answer(small_digits: LabelledImages, shipped: Classifier) -> None:
    normalised = np.stack([normalise_drawing(image) for image in small_digits.images])
    before, after = (shipped.predict(make_batch(images)).argmax(axis=1) for images in (small_digits.images, normalised))
    np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("make_sheet", SHEETS.values(), ids=SHEETS)
def test_normalise_drawing_on_any_sheet_is_read(
    make_sheet: Callable[[NDArray[np.float32]], Drawing], small_digits: LabelledImages, shipped: Classifier
) -> None:
    images = np.stack([normalise_drawing(make_sheet(enlarge(image))) for image in small_digits.images[:40]])
    right = shipped.predict(make_batch(images)).argmax(axis=1) == small_digits.labels[:40]
    assert right.sum() >= 39


@pytest.mark.parametrize(("size", "row", "column"), [(60, 0, 0), (60, 135, 100), (200, 0, 0)])
def test_normalise_drawing_of_any_size_and_place_is_read(
    size: int, row: int, column: int, small_digits: LabelledImages, shipped: Classifier
) -> None:
    images = np.stack(
        [normalise_drawing(finish(1 - enlarge(image, size, row, column))) for image in small_digits.images[:50]]
    )
    right = shipped.predict(make_batch(images)).argmax(axis=1) == small_digits.labels[:50]
    assert right.sum() >= 49


@pytest.mark.parametrize("noise", [0, 3])
@pytest.mark.parametrize("is_light", [True, False])
def test_normalise_drawing_of_little_ink_on_a_large_sheet_is_read(
    is_light: bool, noise: float, small_digits: LabelledImages, shipped: Classifier
) -> None:
    ink = np.zeros((800, 1000), np.float32)
    random = np.random.default_rng(0)
    images = []
    for image in small_digits.images[:20]:
        ink[300:500, 400:600] = enlarge(image, 84, 58, 58)  # Less than a hundredth of the sheet.
        levels = (40 + 180 * ink if is_light else 220 - 180 * ink) + random.normal(0, noise, ink.shape)
        images.append(normalise_drawing(levels.astype(np.uint8)))
    right = shipped.predict(make_batch(np.stack(images))).argmax(axis=1) == small_digits.labels[:20]
    assert right.sum() >= 19


def test_normalise_drawing_of_a_bold_digit_keeps_its_margin_for_paper() -> None:
    rows, columns = np.indices((100, 60))
    distance = np.hypot((rows - 49.5) / 48, (columns - 29.5) / 28)
    ink = extract_ink(np.where((distance < 1) & (distance > 0.2), 0, 255).astype(np.uint8))
    assert ink[50, 10] == 1
    assert ink[50, 30] == ink[0].max() == ink[:, 0].max() == 0


def test_normalise_drawing_of_a_thin_one_leaves_out_the_lines_of_the_paper(shipped: Classifier) -> None:
    ink = np.zeros((CANVAS, CANVAS), np.float32)
    ink[80:140, 98:102] = 1  # Less of it than of the lines.
    paper = (rule() + np.roll(rule(), 1, axis=0)) / 2
    image = normalise_drawing(finish(shade() * paper * (1 - 0.7 * ink) + NOISE / 2))
    assert np.ptp(np.flatnonzero(image.any(axis=0))) < 6
    assert shipped.predict(make_batch(image[None])).argmax() == 1


BLANKS = {
    "white": np.ones((CANVAS, CANVAS)),
    "black": np.zeros((CANVAS, CANVAS)),
    "one pixel": np.ones((1, 1)),
    "one row": np.ones((1, 700)),
    "noise": 0.7 + NOISE,
    "shadow": shade(),
    "shadow and noise": shade() + NOISE / 2,
    "lined paper": rule(),
}


@pytest.mark.parametrize("sheet", BLANKS.values(), ids=BLANKS)
def test_normalise_drawing_without_ink_is_all_zero(sheet: NDArray[np.floating]) -> None:
    image = normalise_drawing(finish(sheet))
    assert (image.dtype, image.shape, image.sum()) == (np.uint8, (28, 28), 0)


@pytest.mark.parametrize("shape", [(3, 900), (900, 3), (1, 2), (5, 5), (2000, 1500)])
def test_normalise_drawing_of_odd_shapes_gives_an_image(shape: tuple[int, int]) -> None:
    drawing = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    assert normalise_drawing(drawing).shape == (28, 28)


def test_extract_ink_keeps_the_drawings_shape(small_digits: LabelledImages) -> None:
    ink = extract_ink(finish(1 - enlarge(small_digits.images[0])))
    assert (ink.dtype, ink.shape) == (np.float32, (CANVAS, CANVAS))
    assert (ink.min(), ink.max()) == (0, 1)


def test_extract_ink_drops_specks(small_digits: LabelledImages) -> None:
    clean = finish(1 - enlarge(small_digits.images[0]))
    specked = clean.copy()
    specked[[3, 190, 100], [5, 195, 3]] = 0
    np.testing.assert_array_equal(extract_ink(specked), extract_ink(clean))


def test_normalise_ink_fills_20_pixels_and_centres_the_mass() -> None:
    ink = np.zeros((300, 200), np.float32)
    ink[20:120, 10:40] = 1  # A tall bar with a foot to the right.
    ink[100:120, 40:110] = 1
    image = normalise_ink(ink).astype(float)
    assert (image.any(axis=1).sum(), image.any(axis=0).sum()) == (20, 20)
    rows, columns = np.indices(image.shape)
    centre = [(places * image).sum() / image.sum() for places in (rows, columns)]
    np.testing.assert_allclose(centre, 14, atol=0.5)


def test_normalise_ink_of_a_thin_pen_is_as_dark_as_mnists() -> None:
    rows, columns = np.indices((250, 250))
    distance = np.abs(np.hypot(rows - 125, columns - 125) - 100)
    image = normalise_ink(np.clip(1.5 - distance, 0, 1).astype(np.float32))
    assert np.percentile(image[image > 0], 75) > 180
