"""Pieces of ink -> candidates for digits, and the best way through them from left to right.

All weights are in nats, so that they add up with the network's log-probabilities.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from digits.pieces import Pieces

# Width by height of MNIST's training digits: the mean and the deviation of its logarithm, for each digit.
_ASPECT_MEANS = np.log([0.89, 0.39, 0.93, 0.78, 0.78, 0.93, 0.71, 0.76, 0.75, 0.66])
_ASPECT_DEVIATIONS = np.array([0.21, 0.48, 0.24, 0.22, 0.22, 0.28, 0.23, 0.22, 0.23, 0.21])
_MAX_PIECES_IN_DIGIT = 12
_MAX_WIDTH = 2.0  # Of the line's height.
_MAX_CANDIDATES = 300
_MAX_COST = 20.0


@dataclass(frozen=True)
class Weights:
    """What speaks against a candidate; chosen on lines put together from MNIST's training digits."""

    probability: float = 6.6
    acceptance: float = 1.9  # Halves of digits are no digits, however sure the network is of them.
    cut: float = 1.0  # For each stroke that was cut.
    gap: float = 25.0  # Between pieces of one digit, for a gap as wide as the line is high.
    low: float = 8.0  # For a digit 3/8 as high as the line.
    apart: float = 5.5  # For a second piece as high as the line, beside the first and not touching it.
    aspect: float = 0.56
    digit: float = -0.25
    skip: float = 19.0  # For a piece as high as the line that belongs to no digit.
    skip_least: float = 0.5


@dataclass(frozen=True)
class Candidates:
    """Neighbouring pieces that may be one digit.

    Attributes:
        spans: int `(n, 2)`, the first piece and the one after the last.
        boxes: int `(n, 4)`: left, top, and right and bottom, which lie outside.
        oddities: float `(n, 4)`, what `Weights` calls cut, gap, low and apart.
    """

    spans: NDArray[np.intp]
    boxes: NDArray[np.intp]
    oddities: NDArray[np.float64]


def list_candidates(pieces: Pieces) -> Candidates:
    """Put neighbouring pieces together, at most a few hundred ways: the least likely ones are left out."""
    count = len(pieces.boxes)
    spans, boxes, oddities = [], [], []
    for first in range(count):
        left, top, right, bottom = pieces.boxes[first].tolist()
        for end in range(first + 1, min(first + _MAX_PIECES_IN_DIGIT, count) + 1):
            box = pieces.boxes[end - 1].tolist()
            left, top = min(left, box[0]), min(top, box[1])
            right, bottom = max(right, box[2]), max(bottom, box[3])
            if right - left > _MAX_WIDTH * pieces.line_height and end > first + 1:
                break
            spans.append((first, end))
            boxes.append((left, top, right, bottom))
            low = max(0.0, 0.75 * pieces.line_height / (bottom - top) - 1)
            oddities.append((_count_cuts(pieces, first, end), *_measure_gaps(pieces, first, end), low))
    found = np.array(oddities, np.float64).reshape(-1, 4)[:, [0, 1, 3, 2]]
    costs = weigh_candidates(found, Weights())
    kept = np.sort(np.argsort(costs, kind="stable")[:_MAX_CANDIDATES])
    kept = kept[costs[kept] < _MAX_COST]
    return Candidates(
        np.array(spans, np.intp).reshape(-1, 2)[kept], np.array(boxes, np.intp).reshape(-1, 4)[kept], found[kept]
    )


def weigh_candidates(oddities: NDArray[np.float64], weights: Weights) -> NDArray[np.float64]:
    """Return what speaks against candidates before they are read, float `(n,)`."""
    costs: NDArray[np.float64] = weights.digit + oddities @ np.array(
        [weights.cut, weights.gap, weights.low, weights.apart]
    )
    return costs


def _count_cuts(pieces: Pieces, first: int, end: int) -> float:
    """Return the strokes that were cut around a candidate, half of them: the other half is its neighbour's."""
    inside = (pieces.cuts >= first) & (pieces.cuts < end)
    return float(pieces.cut_costs[inside[:, 0] != inside[:, 1]].sum()) / 2


def _measure_gaps(pieces: Pieces, first: int, end: int) -> tuple[float, float]:
    """Return the paper between the columns of a candidate's pieces, and the height of what stands apart."""
    if end == first + 1:
        return 0.0, 0.0
    inside = (pieces.cuts >= first) & (pieces.cuts < end)
    joined = set(pieces.cuts[inside.all(axis=1), 1].tolist())
    spans: list[list[int]] = []
    for index in range(first, end):
        left, top, right, bottom = pieces.boxes[index].tolist()
        if index in joined and spans:
            last = spans[-1]
            spans[-1] = [min(left, last[0]), min(top, last[1]), max(right, last[2]), max(bottom, last[3])]
        else:
            spans.append([left, top, right, bottom])
    spans.sort()
    reach, gap, apart = spans[0][2], 0, 0.0
    for before, (left, top, right, bottom) in pairwise(spans):
        gap += max(left - reach, 0)
        overlap = max(0.0, min(reach, right) - left) / max(min(right - left, before[2] - before[0]), 1)
        apart += (1 - min(overlap, 1)) * min(bottom - top, before[3] - before[1])
        reach = max(reach, right)
    return gap / pieces.line_height, apart / pieces.line_height


def weigh_aspects(boxes: NDArray[np.intp], digits: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return how odd each candidate's width is for its height, being that digit: half of the squared deviation."""
    sides = boxes[:, 2:] - boxes[:, :2]
    deviations = (np.log(sides[:, 0] / sides[:, 1]) - _ASPECT_MEANS[digits]) / _ASPECT_DEVIATIONS[digits]
    # A one may be a thin upright stroke, and none is too thin.
    deviations = np.where(digits == 1, np.maximum(deviations, 0), deviations)
    # MNIST's writers are not all writers: up to one deviation and a half is nothing odd.
    odd: NDArray[np.float64] = np.maximum(np.abs(deviations) - 1.5, 0) ** 2 / 2
    return odd.clip(0, 12)


def weigh_skipping(pieces: Pieces, weights: Weights) -> NDArray[np.float64]:
    """Return what it costs to leave out each piece: little for a stop, much for a stroke."""
    heights = (pieces.boxes[:, 3] - pieces.boxes[:, 1]) / pieces.line_height
    costs: NDArray[np.float64] = weights.skip_least + weights.skip * heights**2
    for side in (0, 1):
        np.add.at(costs, pieces.cuts[:, side], weights.cut * pieces.cut_costs / 2)
    return costs


def find_path(spans: NDArray[np.intp], costs: NDArray[np.float64], skipping: NDArray[np.float64]) -> list[int]:
    """Return which candidates together cost least, each piece being in one of them or left out.

    Args:
        spans: int `(n, 2)`, the first piece of each candidate and the one after its last.
        costs: float `(n,)`.
        skipping: float, one for each piece.
    """
    best = np.full(len(skipping) + 1, np.inf)
    best[0] = 0
    chosen: list[int | None] = [None] * len(best)
    by_end: dict[int, list[int]] = {}
    for index, end in enumerate(spans[:, 1].tolist()):
        by_end.setdefault(end, []).append(index)
    for place in range(1, len(best)):
        best[place] = best[place - 1] + skipping[place - 1]
        for index in by_end.get(place, ()):
            cost = best[spans[index, 0]] + costs[index]
            if cost < best[place]:
                best[place], chosen[place] = cost, index
    path, place = [], len(skipping)
    while place:
        index_here = chosen[place]
        if index_here is None:
            place -= 1
        else:
            path.append(index_here)
            place = int(spans[index_here, 0])
    return path[::-1]
