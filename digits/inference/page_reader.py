"""Read the digits of a page, line by line.

The page network finds the digits, which are grouped into lines. Each line is straightened and looked at once more, which
tells its ink from all else on the paper; the line network and the classifier then read that ink.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digits.data.images import MAX_PIXEL, make_batch
from digits.inference.classifier import Classifier
from digits.inference.line_reader import LineReader, ReadDigit, read_ink
from digits.inference.page_detector import FoundDigits, PageDetector, find_digits, find_marks, measure_ink
from digits.inference.page_lines import group_lines
from digits.inference.strip import DIGIT_HEIGHT, Strip, straighten
from digits.preprocessing.binarise import Ink


@dataclass(frozen=True)
class ReadLine:
    """A line of a page."""

    digits: list[ReadDigit]
    seen: str
    """The digits by the page network alone."""
    angle: float


def read_page(
    drawing: NDArray[np.uint8], detector: PageDetector, reader: LineReader, classifier: Classifier
) -> list[ReadLine]:
    found = find_digits(drawing, detector)
    return [
        _read_line(drawing, found.take(np.array(line)), detector, reader, classifier) for line in group_lines(found)
    ]


def _read_line(drawing, line: FoundDigits, detector, reader, classifier) -> ReadLine:
    strip = straighten(drawing, line)
    contrast, seen = measure_line_ink(strip, detector)
    digits = read_ink(contrast, reader, classifier)
    return ReadLine(digits, "".join(map(str, line.probabilities.argmax(axis=1))), strip.angle)


def measure_line_ink(strip: Strip, detector: PageDetector) -> tuple[Ink, NDArray[np.float32]]:
    """Return the contrast of digits to the paper, float32 of the strip's shape in [0, 1], and what the network tells."""
    seen = detector.look(strip.picture)
    height, width = strip.picture.shape
    share = Image.fromarray(measure_ink(seen)).resize((seen.shape[1] * 4, seen.shape[0] * 4), Image.Resampling.BILINEAR)
    ink = np.asarray(share)[:height, :width]
    picture = strip.picture.astype(np.float32)
    bare = 1 - _blur(np.minimum(3 * ink, 1), 2).clip(0, 1)
    bare = np.maximum(bare, 1e-3)
    paper = _blur(picture * bare, 12) / _blur(bare, 12)
    difference = paper - picture
    is_light = (difference * ink).sum() < 0
    if is_light:
        difference, paper = -difference, MAX_PIXEL - paper
    contrast = (difference / np.maximum(paper, 1)).clip(0, 1)
    kept = (_blur(ink, 1) * 4).clip(0, 1)
    return contrast * kept, seen


def _blur(values: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    """Return the mean of the square around each pixel, which reaches so many pixels to each side."""
    for axis in (0, 1):
        pads = [(reach + 1, reach) if axis == other else (0, 0) for other in (0, 1)]
        total = np.cumsum(np.pad(values, pads, "edge"), axis=axis, dtype=np.float64)
        num = values.shape[axis]
        side = 2 * reach + 1
        values = (np.take(total, range(side, side + num), axis) - np.take(total, range(num), axis)).astype(
            np.float32
        ) / side
    return values
