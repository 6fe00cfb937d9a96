"""Compose lines of digits from single digits: the line network learns to read them.

The digits of a line stand side by side as in handwriting. They share a slant and a pen, differ in size, and stand
apart, touch or are linked. Stops, dashes and other marks stand among them, and the paper is printed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digits.data.images import MAX_PIXEL, NUM_CLASSES, scale_pixels
from digits.preprocessing.binarise import Ink
from digits.preprocessing.line_image import LINE_HEIGHT
from digits.preprocessing.morphology import dilate, erode, measure_stroke_width
from digits.synthesis.line_marks import Marks
from digits.synthesis.line_paper import print_line

Images = NDArray[np.uint8]
LINE_WIDTH = 224
"""Pixels."""
MAX_DIGITS = 8
_LENGTH_SHARES = [0.08, 0.12, 0.16, 0.2, 0.2, 0.14, 0.07, 0.03]  # Shares of the lines with 1, 2, ... 8 digits.
_FOREIGN_SHARE = 0.06  # This share of the lines holds letters and scribbles, or nothing.
_ONE_PEN_SHARE = 0.7  # This share of the lines is written with one pen.
_NUM_CANDIDATES = 6  # With one pen, the digit with the most similar stroke width is chosen from this many.
_ONE_FORM_SHARE = 0.4  # In this share of the lines, equal digits look the same.
_BOX_LEVEL = 64  # Pixels above this level, of 255, belong to the box around a digit.


@dataclass(frozen=True)
class LineExamples:
    """Lines and their numbers.

    Attributes:
        images: uint8 `(n, 32, 224)`, as `digits.preprocessing.line_image` frames them.
        labels: int64 `(n, 8)`, digits from the left, then -1.
    """

    images: Images
    labels: NDArray[np.int64]

    def list_numbers(self) -> list[list[int]]:
        """Return the digits of each line."""
        return [line[line >= 0].tolist() for line in self.labels]


@dataclass(frozen=True)
class Handwriting:
    """How one line is written; lengths are in pixels."""

    height: float
    stretch: float
    slant: float
    gap: float
    pen: float
    """By how much the strokes are widened on either side; thinned if below 0."""
    unevenness: float
    zero_size: float
    one_size: float
    drift: float
    """By how many rows the line falls in each column."""
    is_linked: bool


def compose_lines(
    images: Images, labels: NDArray[np.int64], foreign: Images, indices: Sequence[int] | NDArray[np.int64], seed: int
) -> LineExamples:
    """Compose lines.

    Args:
        images: uint8 `(m, 28, 28)`, digits in MNIST's form.
        labels: int64 `(m,)`.
        foreign: uint8 `(k, 28, 28)`, images that are no digits.
        indices: The numbers of the lines; seed and number decide what a line looks like.
        seed: The same seed gives the same lines.
    """
    of_digit = [np.flatnonzero(labels == digit) for digit in range(NUM_CLASSES)]
    num = len(indices)
    lines = LineExamples(np.zeros((num, LINE_HEIGHT, LINE_WIDTH), np.uint8), np.full((num, MAX_DIGITS), -1, np.int64))
    for place, index in enumerate(indices):
        random = np.random.default_rng([seed, index])
        if random.random() < _FOREIGN_SHARE:
            number: list[int] = []
            shapes = list(foreign[random.integers(len(foreign), size=random.integers(0, 4))])
        else:
            number = _draw_number(random)
            shapes = _choose_shapes(images, of_digit, number, random)
        ink, num_written = _write(shapes, number, random)
        lines.images[place] = print_line(ink, random)
        written = number[:num_written]
        lines.labels[place, : len(written)] = written
    return lines


def _draw_number(random: np.random.Generator) -> list[int]:
    """Return 1 to 8 digits. Many numbers end in zeros, and some repeat one digit."""
    length = int(random.choice(np.arange(1, MAX_DIGITS + 1), p=_LENGTH_SHARES))
    number: list[int] = random.integers(0, NUM_CLASSES, length).tolist()
    if length > 1 and random.random() < 0.35:
        num_zeros = int(random.integers(1, min(length - 1, 4), endpoint=True))
        number[-num_zeros:] = [0] * num_zeros
    return [int(random.choice(number))] * length if random.random() < 0.1 else number


def _choose_shapes(
    images: Images, of_digit: list[NDArray[np.intp]], number: list[int], random: np.random.Generator
) -> list[Images]:
    """Choose an image for each digit: mostly of one pen, often the same image for equal digits."""
    num_candidates = _NUM_CANDIDATES if random.random() < _ONE_PEN_SHARE else 1
    is_repeated = random.random() < _ONE_FORM_SHARE
    pen = _measure_pen(images[random.choice(of_digit[number[0]])])
    chosen: dict[int, Images] = {}
    shapes = []
    for digit in number:
        if digit not in chosen or not is_repeated:
            candidates = images[random.choice(of_digit[digit], num_candidates)]
            chosen[digit] = candidates[np.abs(_measure_pen(candidates) - pen).argmin()]
        shapes.append(chosen[digit])
    return shapes


def _measure_pen(images: Images) -> NDArray[np.floating]:
    """Return the stroke width of each image, in pixels."""
    return measure_stroke_width(images.astype(np.float64), "taxicab")


def _choose_handwriting(random: np.random.Generator) -> Handwriting:
    has_tall_ones = random.random() < 0.12
    height = random.uniform(20, 29) if random.random() < 0.75 and not has_tall_ones else random.uniform(13, 22)
    return Handwriting(
        height=height,
        stretch=float(np.exp(random.normal(0, 0.27))),
        slant=random.normal(0.12, 0.22),
        gap=height * random.uniform(-0.18, 0.32),
        pen=random.uniform(-1.2, 0.5),
        unevenness=random.uniform(0.1, 0.3) if random.random() < 0.2 else random.uniform(0.05, 0.14),
        zero_size=random.uniform(0.4, 1) if random.random() < 0.4 else 1.0,
        one_size=random.uniform(1.1, 1.5) if has_tall_ones else 1.0,
        drift=random.normal(0, 0.02),
        is_linked=bool(random.random() < 0.35),
    )


def _write(shapes: list[Images], number: list[int], random: np.random.Generator) -> tuple[Ink, int]:
    """Write as many shapes as there is room for.

    Returns:
        Ink, float32 `(32, 224)` in [0, 1], and the number of shapes in it.
    """
    writing = _choose_handwriting(random)
    ink = np.zeros((LINE_HEIGHT, LINE_WIDTH), np.float32)
    bottom = random.uniform(min(writing.height + 1, LINE_HEIGHT - 1), LINE_HEIGHT)
    marks = Marks(ink.shape, writing.height, bottom, random)
    left = right = marks.begin(random.uniform(1, 20)) if random.random() < 0.15 else random.uniform(1, 20)
    sizes = {0: writing.zero_size, 1: writing.one_size}
    num_written = 0
    for shape in shapes:
        size = writing.height * (1 + random.uniform(-1, 0.9) * writing.unevenness)
        size *= sizes.get(number[num_written], 1.0) if number else 1.0
        drawn = _draw(shape, size, writing, random)
        if left + drawn.shape[1] > LINE_WIDTH - 2:
            break
        lift = writing.height * random.normal(0, 0.04) + (writing.height - size) * (random.random() < 0.1)
        top = round(bottom - lift + writing.drift * left) - drawn.shape[0]
        if writing.is_linked and num_written and random.random() < 0.5:
            _link(ink, drawn, round(left), top, random)
        _lay(ink, drawn, round(left), top)
        right = left + drawn.shape[1]
        left = right + writing.gap + writing.height * random.normal(0, 0.05)
        is_thousand = len(shapes) - num_written in (4, 7)
        if (is_thousand and random.random() < 0.5) or random.random() < 0.06:
            left = marks.stop(max(left, right) if writing.gap < 0 else left)
        num_written += 1
    else:
        right = max(left, right)
    if random.random() < 0.45:
        marks.end(right)
    return np.maximum(_change_pen(ink, writing.pen), marks.draw()), num_written


def _draw(shape: Images, size: float, writing: Handwriting, random: np.random.Generator) -> Ink:
    """Bring a digit to its size and slant; returns ink, float32 in [0, 1], without the paper around it."""
    cropped = _crop(shape)
    height, width = cropped.shape
    scale = max(height, width / 2) / size
    across = scale / (writing.stretch * np.exp(random.normal(0, 0.08)))
    slant = (writing.slant + random.normal(0, 0.06)) * across
    rows, columns = round(size) + 4, round(size * 2.2) + 8
    # The transform leads from the result's pixels to the digit's, and keeps the middle in the middle.
    transform = (across, slant, (width - across * columns - slant * rows) / 2, 0, scale, (height - scale * rows) / 2)
    drawn = Image.fromarray(cropped).transform(
        (columns, rows), Image.Transform.AFFINE, transform, Image.Resampling.BICUBIC
    )
    return scale_pixels(_crop(np.asarray(drawn)))


def _crop(image: Images) -> Images:
    rows, columns = (np.flatnonzero((image > _BOX_LEVEL).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return np.zeros((1, 1), np.uint8)
    return np.ascontiguousarray(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def _lay(ink: Ink, drawn: Ink, left: int, top: int) -> None:
    drawn = drawn[max(-top, 0) :, max(-left, 0) :]
    left, top = max(left, 0), max(top, 0)
    window = ink[top : top + drawn.shape[0], left : left + drawn.shape[1]]
    np.maximum(window, drawn[: window.shape[0], : window.shape[1]], out=window)


def _link(ink: Ink, drawn: Ink, left: int, top: int, random: np.random.Generator) -> None:
    """Draw a line to the digit before, as by a pen that is not lifted."""
    row = int(random.integers(len(drawn)))
    line = row + top
    if not 0 <= line < LINE_HEIGHT - 1:
        return
    before, after = np.flatnonzero(ink[line, : max(left + 4, 0)] > 0.4), np.flatnonzero(drawn[row] > 0.4)
    if len(before) and len(after) and left + after[0] - before[-1] < LINE_HEIGHT / 2:
        ink[line : line + 2, before[-1] : max(left + after[0], 0)] = 0.8


def _change_pen(ink: Ink, pen: float) -> Ink:
    """Widen the strokes by `pen` pixels on either side, or thin them if `pen` is below 0."""
    if not (ink > 0.1).any():
        return ink
    levels = (ink * MAX_PIXEL).astype(np.uint8)
    changed = dilate(levels) if pen > 0 else erode(levels)
    share = min(abs(pen), 1.0 if pen > 0 else 0.75)
    mixed = (1 - share) * ink + share * changed.astype(np.float32) / MAX_PIXEL
    # Thinning makes strokes fainter, which this takes back.
    mixed /= max(float(np.quantile(mixed[mixed > 0.1], 0.9)), 0.3) if (mixed > 0.1).any() else 1
    return mixed.astype(np.float32)
