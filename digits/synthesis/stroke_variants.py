"""Draw strokes that MNIST lacks onto training digits: slashed zeros, flagged ones, crossed and ticked sevens.

MNIST's writers were American. Elsewhere, and wherever 0 must not be read as O, people write these strokes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digits.data.images import MAX_PIXEL, SIZE
from digits.preprocessing.digit_image import fit_ink
from digits.preprocessing.morphology import measure_stroke_width
from digits.synthesis.pen import draw_lines

Point = NDArray[np.float64]  # Row and column.
_MARGIN = SIZE // 2  # Pixels of paper around the digit while drawing, because a slash may reach out of the image.
_INK = MAX_PIXEL // 2  # Pixels above this level belong to a stroke.


@dataclass(frozen=True)
class StrokeVariants:
    """The number of variants that are added, as a share of the digits of that label."""

    slashed_zeros: float = 0.15
    flagged_ones: float = 0.2
    crossed_sevens: float = 0.1
    ticked_sevens: float = 0.0


def draw_variants(
    images: NDArray[np.uint8], labels: NDArray[np.int64], variants: StrokeVariants, seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Draw strokes onto some of the digits.

    Args:
        images: uint8 `(n, 28, 28)`.
        labels: int64 `(n,)`.
        variants: The share of each kind.
        seed: The same seed gives the same variants.

    Returns:
        The variants alone, without the digits: uint8 `(m, 28, 28)` in MNIST's form, and their labels, int64 `(m,)`.
    """
    random = np.random.default_rng(seed)
    drawn: list[NDArray[np.uint8]] = []
    drawn_labels: list[int] = []
    for digit, share, draw, is_narrow in (
        (0, variants.slashed_zeros, _slash, False),
        (1, variants.flagged_ones, _add_flag_and_foot, False),
        (7, variants.crossed_sevens, _cross, False),
        (7, variants.ticked_sevens, _tick, True),
    ):
        candidates = np.flatnonzero(labels == digit)
        for index in random.permutation(candidates)[: round(share * len(candidates))]:
            drawn.append(_draw_variant(images[index], draw, is_narrow, random))
            drawn_labels.append(digit)
    return np.array(drawn, np.uint8).reshape(-1, SIZE, SIZE), np.array(drawn_labels, np.int64)


def _draw_variant(
    image: NDArray[np.uint8],
    draw: Callable[[NDArray[np.uint8], np.random.Generator], list[tuple[Point, Point]]],
    is_narrow: bool,
    random: np.random.Generator,
) -> NDArray[np.uint8]:
    canvas = np.pad(_narrow(image, random) if is_narrow else image, _MARGIN)
    width = float(np.clip(measure_stroke_width(image / MAX_PIXEL, "central"), 1.0, 5.0)) * random.uniform(0.8, 1.2)
    ink = canvas / MAX_PIXEL
    if (canvas > _INK).any():
        points = np.array(draw(canvas, random))[:, :, ::-1] + 0.5
        num = len(points)
        lines = draw_lines(points, np.ones((num, 1), bool), np.full((num, 1, 1), width / 2), len(canvas))
        ink = np.maximum(ink, lines.max(axis=0))
    return fit_ink(ink.astype(np.float32))


def _slash(canvas: NDArray[np.uint8], random: np.random.Generator) -> list[tuple[Point, Point]]:
    """Return a line through the bowl, which ends just inside of it or outside of it."""
    rows, columns = np.nonzero(canvas > _INK)
    middle = np.array([(rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2]) + random.normal(0, 1, 2)
    angle = np.deg2rad(random.uniform(0, 60))  # Measured from upright.
    direction = np.array([-np.cos(angle), np.sin(angle)])
    if random.random() < 0.1:
        direction[1] *= -1
    reach = float(np.abs((np.stack([rows, columns], 1) - middle) @ direction).max())
    below, above = reach * random.uniform(0.9, 1.6, 2)
    return [(middle - direction * below, middle + direction * above)]


def _add_flag_and_foot(canvas: NDArray[np.uint8], random: np.random.Generator) -> list[tuple[Point, Point]]:
    """Return a flag at the top, a bar under the stem, or both."""
    rows, columns = np.nonzero(canvas > _INK)
    height = rows.max() - rows.min() + 1
    top = np.array([rows.min() + 0.5, columns[rows <= rows.min() + 1].mean()])
    bottom = np.array([rows.max() - 0.5, columns[rows >= rows.max() - 1].mean()])
    kind = random.random()
    has_flag, has_foot = kind < 0.7, kind > 0.3
    segments = []
    if has_flag:
        # The flag points down, because a 1 with a level flag looks like MNIST's sevens, and with a foot like its twos.
        angle = np.deg2rad(random.uniform(15 if has_foot else 40, 70))
        length = height * random.uniform(0.15, 0.35 if has_foot else 0.45)
        segments.append((top, top + length * np.array([np.sin(angle), -np.cos(angle)])))
    if has_foot:
        tilt = random.normal(0, 0.12)
        along = np.array([np.sin(tilt), np.cos(tilt)])
        to_left, to_right = height * random.uniform(0.12, 0.35, 2)
        segments.append((bottom - to_left * along, bottom + to_right * along))
    return segments


def _cross(canvas: NDArray[np.uint8], random: np.random.Generator) -> list[tuple[Point, Point]]:
    """Return a short bar through the stem."""
    rows, columns = np.nonzero(canvas > _INK)
    height = rows.max() - rows.min() + 1
    row = rows.min() + height * random.uniform(0.42, 0.65)
    near = np.abs(rows - row) <= 1
    middle = np.array([row, columns[near].mean() if near.any() else columns.mean()])
    tilt = random.normal(-0.1, 0.2)
    along = np.array([np.sin(tilt), np.cos(tilt)])
    half = height * random.uniform(0.12, 0.3, 2)
    return [(middle - half[0] * along, middle + half[1] * along)]


def _narrow(image: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Return a narrower digit, because where sevens have a tick, their bar is short."""
    width = round(SIZE * random.uniform(0.55, 1))
    narrowed = Image.fromarray(image).resize((width, SIZE), Image.Resampling.BILINEAR)
    before = (SIZE - width) // 2
    return np.pad(np.asarray(narrowed), ((0, 0), (before, SIZE - width - before)))


def _tick(canvas: NDArray[np.uint8], random: np.random.Generator) -> list[tuple[Point, Point]]:
    """Return a tick that hangs from the left end of the bar."""
    rows, columns = np.nonzero(canvas > _INK)
    height = rows.max() - rows.min() + 1
    is_upper = rows < rows.min() + 0.4 * height
    left = columns[is_upper].argmin()
    end = np.array([rows[is_upper][left], columns[is_upper][left] + 0.5])
    angle = np.deg2rad(random.normal(5, 15))  # Measured from upright; it leans to the left.
    return [(end, end + height * random.uniform(0.08, 0.3) * np.array([np.cos(angle), -np.sin(angle)]))]
