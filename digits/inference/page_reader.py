"""Read the digits of a page, line by line.

The page network finds the digits, which are grouped into lines. Each line is straightened and looked at once more,
which tells its ink from all else on the paper. The line network and the classifier then read that ink.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digits.inference.classifier import Classifier
from digits.inference.line_reader import LineReader, ReadDigit, read_ink, read_number, spell_number
from digits.inference.page_detector import (
    SURE,
    FoundDigits,
    PageDetector,
    find_digits,
    find_marks,
    glance,
    measure_ink,
    resize,
    weigh_glance,
)
from digits.inference.page_lines import group_lines
from digits.inference.segmentation import Box
from digits.inference.strip import Strip, measure_contrast, straighten
from digits.preprocessing.binarise import extract_ink

Orientation = Literal[0, 90, 180, 270]
_ORIENTATIONS: tuple[Orientation, ...] = (0, 270, 180, 90)  # Clockwise, by the quarter turns counterclockwise.
_MORE = 1.1  # The picture is turned if a glance tells so many times as many digits then,
_LEAST_GLANCE = 1.5  # and at least so many,
_CLEARLY = 3.0  # and its lines have so many times the agreement.
# What is not sheared has this confidence, and so has the only line of a picture of which the page network is not sure.
_LEAST_LONE = 0.93
_TOO_SMALL = 7.0  # Pixels: lower digits cannot be read.
# The side of a cell passes for a 1 in the second look. A 1 that the first look did not see within so many heights is
# erased if the second one is less sure of it than this.
_NEAR, _SURE_OF_MORE = 0.3, 0.55
_DISAGREED = 1e-4  # What a look agrees that counts other digits.
# A line is read again sheared to either side, which changes most mistakes. Of 549 made-up lines of training digits that
# were read right, 95 % are read alike and have this confidence; of 32 that were read wrong, 56 % pass as well.
_ACCEPTED, _SHEARS = 0.8, (0.15, -0.15)
_CERTAIN = 0.8  # If every line has this agreement, the picture is not looked at from its other sides.
_MOST_LINES = 100  # A sheet of more is a texture; each line takes some 30 ms.
_SIDE = 512  # Ink is searched on a picture of so many pixels.
EmptyReason = Literal["blank", "no_digits", "too_small"]
Corners = NDArray[np.float64]


@dataclass(frozen=True)
class ReadLine:
    """A line of a page.

    Attributes:
        digits: From left to right; at least one.
        box: Left, top, width and height, in pixels of the page, before it is turned by `angle` about its middle.
        angle: The line's slope in degrees, positive if it falls to the right.
        agreement: How far the page network names the same digits, in [0, 1]; 1 where it was not asked.
        is_stable: Whether it is sure enough and was read the same when it was sheared; None where that was not tried.
    """

    digits: list[ReadDigit]
    box: Box
    angle: float
    agreement: float
    is_stable: bool | None

    @property
    def confidence(self) -> float:
        """The confidence of the least certain digit."""
        return min(float(one.probabilities.max()) for one in self.digits)

    @property
    def accepted(self) -> bool:
        """Whether the whole line may be relied on."""
        is_certain = self.confidence >= _LEAST_LONE if self.is_stable is None else self.is_stable
        return is_certain and all(one.reason is None for one in self.digits)

    @property
    def number(self) -> str:
        """The digits as one number."""
        return spell_number(self.digits)


@dataclass(frozen=True)
class PageReading:
    """What a page says.

    Attributes:
        lines: From top to bottom, and from left to right at one height.
        reason: Why there is no line, if there is none.
        orientation: By how many degrees the picture must be turned clockwise to be upright; boxes are of the picture as
            it came.
    """

    lines: list[ReadLine]
    reason: EmptyReason | None
    orientation: Orientation


@dataclass(frozen=True)
class PageReader:
    """The three networks that read a page together."""

    detector: PageDetector
    line_reader: LineReader
    classifier: Classifier


def read_page(drawing: NDArray[np.uint8], reader: PageReader) -> PageReading:
    """Read a page.

    Args:
        drawing: uint8 `(height, width)`, luminance, dark ink on light paper or the reverse.
        reader: The networks.
    """
    seen = glance(drawing, reader.detector)
    page = _read_upright(drawing, seen, reader)
    if page.reason in ("blank", "too_small") or (page.lines and all(line.agreement >= _CERTAIN for line in page.lines)):
        return page
    # The picture may lie on its side, or stand on its head.
    glances = [seen, *(glance(np.rot90(drawing, turns), reader.detector) for turns in (1, 2, 3))]
    weights = [weigh_glance(one) for one in glances]
    turns = int(np.argmax(weights))
    if weights[turns] < max(_MORE * weights[0], _LEAST_GLANCE):
        return page
    turned = _read_upright(np.ascontiguousarray(np.rot90(drawing, turns)), glances[turns], reader)
    if _sum_agreement(turned) <= _CLEARLY * _sum_agreement(page):
        return page
    lines = [_turn_back(line, turns, drawing.shape) for line in turned.lines]
    return PageReading(lines, None, _ORIENTATIONS[turns])


def _sum_agreement(page: PageReading) -> float:
    return sum(line.agreement * len(line.digits) for line in page.lines)


def _read_upright(drawing: NDArray[np.uint8], seen: FoundDigits, reader: PageReader) -> PageReading:
    found = find_digits(drawing, seen, reader.detector)
    grouped = [found.take(np.array(line)) for line in group_lines(found)]
    large = [line for line in grouped if float(np.median(line.sizes[:, 1])) >= _TOO_SMALL]
    sure = [line for line in large if float(line.scores.mean()) >= SURE]
    likely = (sure or (large if len(large) == 1 else []))[:_MOST_LINES]
    read = [_read_line(drawing, digits, reader, is_alone=len(likely) == 1) for digits in likely]
    lines = [line for line in read if line is not None and (sure or line.confidence >= _LEAST_LONE)]
    if lines:
        return PageReading(lines, None, 0)
    if grouped and not large:
        return PageReading([], "too_small", 0)
    has_ink = extract_ink(resize(drawing, min(_SIDE / max(drawing.shape), 1))).any()
    return PageReading([], "no_digits" if has_ink else "blank", 0)


def _turn_back(line: ReadLine, turns: int, shape: tuple[int, ...]) -> ReadLine:
    """Return a line of a picture that was turned counterclockwise so many times, as it lies in the picture before."""
    digits = [replace(one, box=_turn_box(one.box, turns, shape, is_turned=True)) for one in line.digits]
    angle = (line.angle + 90 * turns + 180) % 360 - 180
    return replace(line, digits=digits, box=_turn_box(line.box, turns, shape, is_turned=False), angle=angle)


def _turn_box(box: Box, turns: int, shape: tuple[int, ...], *, is_turned: bool) -> Box:
    """Return where a box lies after its middle was turned back; `is_turned` tells whether its sides turn, too."""
    left, top, width, height = box
    x, y = left + width / 2, top + height / 2
    # The picture's width before each turn back, from the last one.
    sides = [shape[(1 + turn) % 2] for turn in range(turns)][::-1]
    for side in sides:
        x, y = side - y, x
        if is_turned:
            width, height = height, width
    left, top = round(x - width / 2), round(y - height / 2)
    return (max(left, 0), max(top, 0), width, height) if is_turned else (left, top, width, height)


def read_line(drawing: NDArray[np.uint8], reader: PageReader) -> PageReading:
    """Read all digits of a drawing as one line, without the page network; arguments and answer as of `read_page`."""
    digits = read_number(drawing, reader.line_reader, reader.classifier)
    if not spell_number(digits):
        return PageReading([], "no_digits" if digits else "blank", 0)
    return PageReading([ReadLine(digits, _surround(digits), 0.0, agreement=1.0, is_stable=None)], None, 0)


def _surround(digits: Sequence[ReadDigit]) -> Box:
    boxes = np.array([one.box for one in digits])
    left, top = boxes[:, :2].min(axis=0).tolist()
    right, bottom = (boxes[:, :2] + boxes[:, 2:]).max(axis=0).tolist()
    return left, top, right - left, bottom - top


def _read_line(
    drawing: NDArray[np.uint8], found: FoundDigits, reader: PageReader, *, is_alone: bool
) -> ReadLine | None:
    strip = straighten(drawing, found)
    seen = reader.detector.look(strip.picture)
    marks = find_marks(seen)
    named = [found.probabilities, marks.probabilities[np.argsort(marks.middles[:, 0])]]
    contrast, has_sides = measure_contrast(strip.picture, measure_ink(seen))
    if has_sides:
        _erase(contrast, _find_doubtful_ones(marks, strip, found))
    digits = read_ink(contrast, reader.line_reader, reader.classifier)
    agreement = _measure_agreement(digits, named)
    placed = [replace(one, box=_bound(_find_corners(strip, one.box), drawing.shape)) for one in digits]
    box, angle = _fit_box(_find_corners(strip, _surround(digits))) if digits else ((0, 0, 1, 1), 0.0)
    if is_alone:
        # The rules for a picture of one line see what the network may have missed.
        others = read_number(drawing, reader.line_reader, reader.classifier)
        if (others_agreement := _measure_agreement(others, named)) > agreement:
            placed, agreement, box, angle = others, others_agreement, _surround(others), 0.0
    line = ReadLine(placed, box, angle, agreement, is_stable=False)
    if not line.number:
        return None
    is_stable = line.confidence >= _ACCEPTED and _is_read_alike(contrast, line.number, reader)
    return replace(line, is_stable=is_stable)


def _is_read_alike(contrast: NDArray[np.float32], number: str, reader: PageReader) -> bool:
    """Return whether the sheared line is read as the same number."""
    return all(
        spell_number(read_ink(_shear(contrast, shear), reader.line_reader, reader.classifier)) == number
        for shear in _SHEARS
    )


def _shear(contrast: NDArray[np.float32], shear: float) -> NDArray[np.float32]:
    """Move each row to the side by its distance from the middle row, times `shear`."""
    height, width = contrast.shape
    margin = ceil(abs(shear) * height / 2)
    transform = (1, shear, -margin - shear * height / 2, 0, 1, 0)
    sheared = Image.fromarray(contrast).transform(
        (width + 2 * margin, height), Image.Transform.AFFINE, transform, Image.Resampling.BILINEAR
    )
    return np.array(sheared)


def _find_doubtful_ones(marks: FoundDigits, strip: Strip, found: FoundDigits) -> FoundDigits:
    """Return the ones that the second look is not sure of and the first one did not see."""
    where = strip.locate(marks.middles[:, 0], marks.middles[:, 1])
    away = np.linalg.norm(where[:, None] - found.middles[None], axis=2) / found.sizes[None, :, 1]
    is_one = marks.probabilities.argmax(axis=1) == 1
    return marks.take(np.flatnonzero(is_one & (away.min(axis=1) > _NEAR) & (marks.scores < _SURE_OF_MORE)))


def _erase(contrast: NDArray[np.float32], marks: FoundDigits) -> None:
    for (x, y), (width, height) in zip(marks.middles, marks.sizes, strict=True):
        left, right = max(round(x - width / 2), 0), max(round(x + width / 2) + 1, 0)
        contrast[max(round(y - height / 2), 0) : max(round(y + height / 2) + 1, 0), left:right] = 0


def _measure_agreement(digits: Sequence[ReadDigit], named: Sequence[NDArray[np.floating]]) -> float:
    """Return how far two networks and the page network agree on a line, in [0, 1].

    Args:
        digits: The line as two networks read it.
        named: The probabilities of its digits by the page network, `(n, 10)`, from one look or more.
    """
    kept = [one for one in digits if one.reason in (None, "ambiguous")]
    if not kept:
        return 0.0
    least = min(float(one.probabilities.max()) for one in kept) / (1 + len(digits) - len(kept))
    labels = [one.digit for one in kept]
    agreed = [float(one[np.arange(len(labels)), labels].min()) for one in named if len(one) == len(labels)]
    return float(least * max([_DISAGREED, *agreed]) ** 0.5)


def _fit_box(corners: Corners) -> tuple[Box, float]:
    """Return a box and the angle by which it is turned, of about these corners."""
    across, down = corners[1] + corners[2] - corners[0] - corners[3], corners[2] + corners[3] - corners[0] - corners[1]
    size = np.array([np.hypot(*across), np.hypot(*down)]) / 2
    left, top = np.rint(corners.mean(axis=0) - size / 2).astype(int).tolist()
    width, height = np.maximum(np.rint(size), 1).astype(int).tolist()
    return (left, top, width, height), float(np.degrees(np.arctan2(across[1], across[0])))


def _find_corners(strip: Strip, box: Box) -> Corners:
    """Return where a box of the strip lies on the page, float64 `(4, 2)`: x and y from the upper left clockwise."""
    left, top, width, height = box
    columns, rows = np.array([0.0, width, width, 0.0]) + left, np.array([0.0, 0.0, height, height]) + top
    return strip.locate(columns, rows)


def _bound(corners: Corners, shape: tuple[int, ...]) -> Box:
    """Return the upright box around corners: left, top, width and height, inside of the page."""
    limits = np.array(shape[1::-1])
    low = np.clip(np.floor(corners.min(axis=0)), 0, limits - 1).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0)), low + 1, limits).astype(int)
    (left, top), (width, height) = low.tolist(), (high - low).tolist()
    return left, top, width, height
