"""Read the digits of a page, line by line.

The page network finds the digits, which are grouped into lines. Each line is straightened and looked at once more,
which tells its ink from all else on the paper. The line network and the classifier then read that ink.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from digits.inference.classifier import Classifier
from digits.inference.line_reader import LineReader, ReadDigit, read_ink, read_number, spell_number
from digits.inference.page_detector import FoundDigits, PageDetector, find_digits, measure_ink
from digits.inference.page_lines import group_lines
from digits.inference.segmentation import Box
from digits.inference.strip import Strip, measure_contrast, straighten

Orientation = Literal[0, 90, 180, 270]
EmptyReason = Literal["blank", "no_digits", "too_small"]
Corners = NDArray[np.float64]


@dataclass(frozen=True)
class ReadLine:
    """A line of a page.

    Attributes:
        digits: From left to right; at least one.
        box: Left, top, width and height, in pixels of the page, before it is turned by `angle` about its middle.
        angle: The line's slope in degrees, positive if it falls to the right.
        accepted: Whether the whole line may be relied on.
    """

    digits: list[ReadDigit]
    box: Box
    angle: float
    accepted: bool

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
    found = find_digits(drawing, reader.detector)
    lines = []
    for members in group_lines(found):
        line = _read_line(drawing, found.take(np.array(members)), reader)
        if line is not None:
            lines.append(line)
    return PageReading(lines, None if lines else "blank", 0)


def read_line(drawing: NDArray[np.uint8], reader: PageReader) -> PageReading:
    """Read all digits of a drawing as one line, without the page network; arguments and answer as of `read_page`."""
    digits = read_number(drawing, reader.line_reader, reader.classifier)
    if not spell_number(digits):
        return PageReading([], "no_digits" if digits else "blank", 0)
    accepted = all(one.reason is None for one in digits)
    return PageReading([ReadLine(digits, _surround(digits), 0.0, accepted)], None, 0)


def _surround(digits: Sequence[ReadDigit]) -> Box:
    boxes = np.array([one.box for one in digits])
    left, top = boxes[:, :2].min(axis=0).tolist()
    right, bottom = (boxes[:, :2] + boxes[:, 2:]).max(axis=0).tolist()
    return left, top, right - left, bottom - top


def _read_line(drawing: NDArray[np.uint8], found: FoundDigits, reader: PageReader) -> ReadLine | None:
    strip = straighten(drawing, found)
    ink = measure_ink(reader.detector.look(strip.picture))
    digits = read_ink(measure_contrast(strip.picture, ink), reader.line_reader, reader.classifier)
    if not spell_number(digits):
        return None
    seen = "".join(map(str, found.probabilities.argmax(axis=1)))
    accepted = all(one.reason is None for one in digits) and spell_number(digits) == seen
    corners = _find_corners(strip, _surround(digits))
    placed = [replace(one, box=_bound(_find_corners(strip, one.box), drawing.shape)) for one in digits]
    return ReadLine(placed, *_fit_box(corners), accepted)


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
