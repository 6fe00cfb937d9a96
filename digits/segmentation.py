"""A drawing of several digits -> the digits, left to right.

The ink is cut into more pieces than there are digits (`digits.pieces`). Neighbouring pieces together are candidates,
all candidates are classified in one batch, and of all ways to read the line from left to right the most probable one
is taken, by dynamic programming (Fujisawa, Nakano and Kurino, "Segmentation methods for character recognition",
Proceedings of the IEEE 80(7), 1992). Candidates of an odd size, and cuts through much ink, lower the probability.

Drawings of one line are read. Two lines above each other are read as one, from left to right.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digits.images import NUM_CLASSES, SIZE, make_batch
from digits.ink import Ink, Mask
from digits.lattice import (
    Candidates,
    Weights,
    find_path,
    list_candidates,
    weigh_aspects,
    weigh_candidates,
    weigh_skipping,
)
from digits.line_ink import extract_line_ink
from digits.normalisation import normalise_ink
from digits.pieces import Pieces, find_pieces

Compute = Callable[[NDArray[np.float32]], NDArray[np.float32]]
Accept = Callable[[NDArray[np.float32]], NDArray[np.float32] | None]

_WORKING_PIXELS = 500_000  # A larger drawing is reduced first: what is written on it is large, too.


@dataclass(frozen=True)
class ReadDigit:
    """One digit of a drawing.

    Attributes:
        image: uint8 `(28, 28)`, as the network saw it.
        box: Left, top, width and height, in pixels of the drawing.
        probabilities: float32 `(10,)`.
    """

    image: NDArray[np.uint8]
    box: tuple[int, int, int, int]
    probabilities: NDArray[np.float32]

    @property
    def digit(self) -> int:
        """The most probable digit."""
        return int(self.probabilities.argmax())


@dataclass(frozen=True)
class Line:
    """All candidates of a line, read.

    Attributes:
        pieces: What they are put together from.
        candidates: n ways to do so.
        images: uint8 `(n, 28, 28)`.
        probabilities: float32 `(n, 10)`.
        acceptance: float32 `(n,)`, near 1 for digits, or None.
    """

    pieces: Pieces
    candidates: Candidates
    images: NDArray[np.uint8]
    probabilities: NDArray[np.float32]
    acceptance: NDArray[np.float32] | None


def read_number(drawing: NDArray[np.uint8], compute: Compute, accept: Accept | None = None) -> list[ReadDigit]:
    """Read the digits of a drawing from left to right.

    Args:
        drawing: uint8 `(height, width)`, luminance, dark ink on light paper or the reverse.
        compute: float32 `(n, 28, 28, 1)` in [0, 1] to probabilities, float32 `(n, 10)`.
        accept: The same batch to float32 `(n,)` in [0, 1], near 1 for digits, or to None.

    Returns:
        The digits; none if there is no ink. Stops, commas and dashes are left out.
    """
    factor = ceil(sqrt(drawing.size / _WORKING_PIXELS))
    if factor <= 1:
        return choose_digits(read_candidates(drawing, compute, accept), Weights())
    reduced = np.asarray(Image.fromarray(drawing).reduce(factor))
    digits = choose_digits(read_candidates(reduced, compute, accept), Weights())
    return [replace(digit, box=_enlarge(digit.box, factor, drawing.shape)) for digit in digits]


def _enlarge(box: tuple[int, int, int, int], factor: int, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    left, top, width, height = (side * factor for side in box)
    # The last column and row of a reduced drawing may stand for fewer pixels.
    return left, top, min(width, shape[1] - left), min(height, shape[0] - top)


def read_candidates(drawing: NDArray[np.uint8], compute: Compute, accept: Accept | None = None) -> Line:
    """Read everything that may be a digit, in one batch."""
    ink = extract_line_ink(drawing)
    pieces = find_pieces(ink)
    candidates = list_candidates(pieces)
    images = np.zeros((len(candidates.spans), SIZE, SIZE), np.uint8)
    for index, ((first, end), box) in enumerate(zip(candidates.spans.tolist(), candidates.boxes.tolist(), strict=True)):
        images[index] = cut_out(ink, pieces.labels, first, end, box)
    if not len(images):
        return Line(pieces, candidates, images, np.zeros((0, NUM_CLASSES), np.float32), None)
    batch = make_batch(images)
    probabilities = compute(batch)
    return Line(pieces, candidates, images, probabilities, accept(batch) if accept else None)


def choose_digits(line: Line, weights: Weights) -> list[ReadDigit]:
    """Take the candidates that together are the most probable."""
    spans, boxes = line.candidates.spans, line.candidates.boxes
    costs = weigh_candidates(line.candidates.oddities, weights)
    costs += weights.aspect * weigh_aspects(boxes, line.probabilities.argmax(axis=1))
    costs -= weights.probability * np.log(line.probabilities.max(axis=1, initial=1e-6))
    if line.acceptance is not None:
        costs -= weights.acceptance * np.log(line.acceptance + 1e-4)
    digits = []
    for index in find_path(spans, costs, weigh_skipping(line.pieces, weights)):
        left, top, right, bottom = boxes[index].tolist()
        digits.append(ReadDigit(line.images[index], (left, top, right - left, bottom - top), line.probabilities[index]))
    return digits


def cut_out(ink: Ink, labels: NDArray[np.int32], first: int, end: int, box: list[int]) -> NDArray[np.uint8]:
    """Bring the pieces from `first` to the one before `end` into MNIST's form, alone.

    Returns:
        uint8 `(28, 28)`.
    """
    left, top, right, bottom = box
    window = np.s_[max(top - 2, 0) : bottom + 2, max(left - 2, 0) : right + 2]
    nearby = labels[window]
    own = (nearby > first) & (nearby <= end)
    # Where a stroke was cut along, both digits have a share in it.
    own = _widen(own) & (nearby > 0)
    # The soft edge of a stroke lies just outside of it.
    return normalise_ink(np.where(_widen(own) & (own | (nearby == 0)), ink[window], np.float32(0)))


def _widen(mask: Mask) -> Mask:
    """Add the four neighbours of each pixel."""
    wide = mask.copy()
    wide[1:] |= mask[:-1]
    wide[:-1] |= mask[1:]
    wide[:, 1:] |= mask[:, :-1]
    wide[:, :-1] |= mask[:, 1:]
    return wide
