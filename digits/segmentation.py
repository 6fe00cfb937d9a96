"""A drawing of several digits -> the digits, left to right.

The ink is cut into more pieces than there are digits (`digits.pieces`). Neighbouring pieces together are candidates,
all candidates are classified in one batch, and of all ways to read the line from left to right the most probable one
is taken, by dynamic programming (Fujisawa, Nakano and Kurino, "Segmentation methods for character recognition",
Proceedings of the IEEE 80(7), 1992). Candidates of an odd size, and cuts through much ink, lower the probability.

Drawings of one line are read. Two lines above each other are read as one, from left to right.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from digits.images import make_batch
from digits.normalisation import Ink, extract_ink, normalise_ink
from digits.pieces import Pieces, find_pieces

Compute = Callable[[NDArray[np.float32]], NDArray[np.float32]]
Accept = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32] | None]


@dataclass(frozen=True)
class Weights:
    """What speaks against a candidate, in nats; chosen on lines put together from MNIST's training digits."""

    probability: float = 1.0
    acceptance: float = 1.0
    cut: float = 1.0  # For each stroke that was cut.
    gap: float = 12.0  # Between pieces of one digit, for a gap as wide as the line is high.
    low: float = 6.0  # For a digit half as high as the line, from 0.75 on.
    wide: float = 6.0  # For a digit twice as wide as the line is high, from once on.
    skip: float = 12.0  # For a piece as high as the line that belongs to no digit.
    skip_cut: float = 3.0
    skip_least: float = 0.3


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
class Candidate:
    """Neighbouring pieces that may be one digit: those from `first` to the one before `end`."""

    first: int
    end: int
    box: tuple[int, int, int, int]
    geometry: float


_MAX_PIECES_IN_DIGIT = 6
_MAX_WIDTH = 1.8  # Of the line's height.
_MAX_CANDIDATES = 300


def read_number(
    drawing: NDArray[np.uint8], compute: Compute, accept: Accept | None = None, weights: Weights | None = None
) -> list[ReadDigit]:
    """Read the digits of a drawing from left to right.

    Args:
        drawing: uint8 `(height, width)`, luminance, dark ink on light paper or the reverse.
        compute: float32 `(n, 28, 28, 1)` in [0, 1] to probabilities, float32 `(n, 10)`.
        accept: The same and the probabilities to float32 `(n,)` in [0, 1], near 1 for digits, or to None.
        weights: Other than the usual ones.

    Returns:
        The digits; none if there is no ink. Stops, commas and dashes are left out.
    """
    weights = weights or Weights()
    ink = extract_ink(drawing)
    pieces = find_pieces(ink)
    candidates = list_candidates(pieces, weights)
    if not candidates:
        return []
    images = np.stack([cut_out(ink, pieces.labels, candidate) for candidate in candidates])
    batch = make_batch(images)
    probabilities = compute(batch)
    costs = np.array([candidate.geometry for candidate in candidates])
    costs -= weights.probability * np.log(probabilities.max(axis=1) + 1e-6)
    acceptance = accept(batch, probabilities) if accept else None
    if acceptance is not None:
        costs -= weights.acceptance * np.log(acceptance + 1e-4)
    path = find_path(candidates, costs, weigh_skipping(pieces, weights))
    return [_make_digit(candidates[index], images[index], probabilities[index]) for index in path]


def list_candidates(pieces: Pieces, weights: Weights) -> list[Candidate]:
    """Put neighbouring pieces together; at most a few hundred ways."""
    candidates = []
    for first in range(len(pieces.boxes)):
        for end in range(first + 1, min(first + _MAX_PIECES_IN_DIGIT, len(pieces.boxes)) + 1):
            boxes = pieces.boxes[first:end]
            left, top = boxes[:, :2].min(axis=0).tolist()
            right, bottom = boxes[:, 2:].max(axis=0).tolist()
            if end > first + 1 and right - left > _MAX_WIDTH * pieces.line_height:
                continue
            geometry = _weigh_geometry(pieces, first, end, (left, top, right, bottom), weights)
            candidates.append(Candidate(first, end, (left, top, right - left, bottom - top), geometry))
    return candidates[:_MAX_CANDIDATES]


def _weigh_geometry(pieces: Pieces, first: int, end: int, box: tuple[int, int, int, int], weights: Weights) -> float:
    left, top, right, bottom = box
    height, width = (bottom - top) / pieces.line_height, (right - left) / pieces.line_height
    low = weights.low * max(0.0, 0.75 / height - 1)
    wide = weights.wide * max(0.0, width - 1)
    boxes = pieces.boxes[first:end]
    order = np.argsort(boxes[:, 0], kind="stable")
    reach = np.maximum.accumulate(boxes[order, 2])
    gaps = np.maximum(boxes[order[1:], 0] - reach[:-1], 0).sum() / pieces.line_height
    cut = 0.0
    for index in range(len(pieces.boxes)):
        if pieces.cuts[index] <= 0:
            continue
        later = np.flatnonzero(pieces.components[index + 1 :] == pieces.components[index])
        if len(later) and (first <= index < end) != (first <= index + 1 + later[0] < end):
            cut += pieces.cuts[index] / 2
    return float(low + wide + weights.gap * gaps + weights.cut * cut)


def weigh_skipping(pieces: Pieces, weights: Weights) -> NDArray[np.float64]:
    """Return what it costs to leave out each piece: little for a stop, much for a stroke."""
    heights = (pieces.boxes[:, 3] - pieces.boxes[:, 1]) / pieces.line_height
    costs: NDArray[np.float64] = weights.skip_least + weights.skip * heights**2
    return costs


def find_path(candidates: list[Candidate], costs: NDArray[np.float64], skipping: NDArray[np.float64]) -> list[int]:
    """Return which candidates together cost least, each piece being in one of them or left out."""
    num_pieces = len(skipping)
    best = np.full(num_pieces + 1, np.inf)
    best[0] = 0
    came: list[int | None] = [None] * (num_pieces + 1)
    starting: dict[int, list[int]] = {}
    for index, candidate in enumerate(candidates):
        starting.setdefault(candidate.first, []).append(index)
    for place in range(num_pieces):
        if best[place] + skipping[place] < best[place + 1]:
            best[place + 1], came[place + 1] = best[place] + skipping[place], None
        for index in starting.get(place, ()):
            end = candidates[index].end
            if best[place] + costs[index] < best[end]:
                best[end], came[end] = best[place] + costs[index], index
    path, place = [], num_pieces
    while place:
        chosen = came[place]
        if chosen is None:
            place -= 1
        else:
            path.append(chosen)
            place = candidates[chosen].first
    return path[::-1]


def cut_out(ink: Ink, labels: NDArray[np.int32], candidate: Candidate) -> NDArray[np.uint8]:
    """Bring one candidate into MNIST's form, alone.

    Returns:
        uint8 `(28, 28)`.
    """
    left, top, width, height = candidate.box
    top, left = max(top - 1, 0), max(left - 1, 0)
    window = np.s_[top : top + height + 2, left : left + width + 2]
    own = (labels[window] > candidate.first) & (labels[window] <= candidate.end)
    other = (labels[window] > 0) & ~own
    padded = np.pad(own, 1)
    # The soft edge of a stroke lies just outside of it.
    near = padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:] | own
    return normalise_ink(np.where(near & ~other, ink[window], 0).astype(np.float32))


def _make_digit(candidate: Candidate, image: NDArray[np.uint8], probabilities: NDArray[np.float32]) -> ReadDigit:
    return ReadDigit(image, candidate.box, probabilities)
