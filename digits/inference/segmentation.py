"""Segment the ink of a line into the ink of each digit.

Two digits are separated by the cheapest path from top to bottom between them, which crosses least ink. A path moves one
row at a time, straight down or by one column to either side, and so follows the valley between two slanted digits.
Paper that ink encloses costs, too: a path through the loop of a 0 crosses little ink, but separates no digits.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from digits.preprocessing.binarise import Ink
from digits.preprocessing.components import Mask, label_components, measure_components
from digits.preprocessing.morphology import dilate_to_neighbours

Box = tuple[int, int, int, int]
STROKE_INK = 0.3
"""A stroke has more ink than this, of 1; its soft edge has less."""
# Costs of a path: a pixel of ink costs 1.
_SIDE_STEP_COST = 0.03  # A step to the side; 33 of them cost as much as a pixel of ink.
_HOLE_COST = 1.0  # A pixel of enclosed paper.
_ASIDE_COST = 0.4  # A path close to a digit, times the height of the line in pixels.
_AS_CHEAP = 0.02  # Paths within this cost of the cheapest path count as equal.
_TALL = 0.5  # A component beside a digit that is lower than this share of its height is a stop or a dash.
_SPECK = 0.1  # A component below this share of the largest one's area is a speck.


def segment_ink(ink: Ink, columns: Sequence[float]) -> list[tuple[Ink, Box]]:
    """Segment a line.

    Args:
        ink: float32 `(height, width)` in [0, 1].
        columns: The columns near which the digits stand, from the left.

    Returns:
        For each digit its ink, float32 `(height, width)`, cut out, and its box: left, top, width and height in pixels.
    """
    if not columns:
        return []
    mask = ink > STROKE_INK
    places = np.clip(np.rint(columns).astype(int), 0, ink.shape[1] - 1)
    parts = _segment(ink, mask, places)
    starts, ends = _find_runs(np.asarray(mask.any(axis=0)))
    if len(starts) == len(places) and any(digit.size == 1 for digit, _ in parts):
        # The network named a column in front of its digit. Each digit stands apart, so that the ink tells the columns.
        parts = _segment(ink, mask, places.clip(starts, ends - 1))
    return parts


def _segment(ink: Ink, mask: Mask, places: NDArray[np.intp]) -> list[tuple[Ink, Box]]:
    edges = np.pad(find_paths(mask, places), ((1, 1), (0, 0)))
    edges[-1] = ink.shape[1]
    parts = []
    for place, start, end in zip(places.tolist(), edges[:-1], edges[1:], strict=True):
        first, last = int(start.min()), max(int(end.max()), int(start.min()) + 1)
        here = np.arange(first, last)
        own = mask[:, first:last] & (here >= start[:, None]) & (here < end[:, None])
        digit, (left, top, *size) = _cut_out(ink[:, first:last], own, place - first)
        parts.append((digit, (first + left, top, size[0], size[1])))
    return parts


def _find_runs(is_inked: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the first column of each run of columns with ink, and the one behind its last."""
    edges = np.flatnonzero(np.diff(is_inked, prepend=False, append=False))
    return edges[::2], edges[1::2]


def find_paths(mask: Mask, places: NDArray[np.intp]) -> NDArray[np.intp]:
    """Find the cheapest path between each place and the next.

    Args:
        mask: bool `(height, width)`, True is ink.
        places: int `(n,)`, columns from the left.

    Returns:
        int `(n - 1, height)`, the first column right of the path in each row.
    """
    if len(places) < 2:
        return np.zeros((0, len(mask)), np.intp)
    is_inked = mask.any(axis=1)
    # Paths are found from the middle row on, upwards and downwards. Where no ink is left, they go straight on.
    middle = len(mask) // 2
    rows = [middle, *np.flatnonzero(is_inked).tolist()]
    top, bottom = min(rows), max(rows) + 1
    inked = mask[top:bottom]
    price = np.where(inked, 1.0, _HOLE_COST * find_holes(inked))
    down = _accumulate(price[: middle - top + 1])
    up = _accumulate(price[middle - top :][::-1])
    totals = down[-1] + up[-1] - price[middle - top]
    height = int(is_inked.sum())
    chosen = []
    for left, right in zip(places[:-1].tolist(), places[1:].tolist(), strict=True):
        # Two digits may have the same column, and it may be the last one.
        first = min(left + 1, mask.shape[1] - 1)
        between = totals[first : max(right, first + 1)]
        half = max(len(between) / 2, 1)
        between = between + _ASIDE_COST * height * ((np.arange(len(between)) + 0.5) / half - 1) ** 2
        # Of paths with the same cost take the one in the middle.
        cheapest = np.flatnonzero(between <= between.min() + _AS_CHEAP)
        chosen.append(first + int(cheapest[len(cheapest) // 2]))
    columns = np.array(chosen, np.intp)
    above, below = _trace(down, columns), _trace(up, columns)
    return np.pad(np.hstack([above, below[:, -2::-1]]), ((0, 0), (top, len(mask) - bottom)), "edge")


def find_holes(mask: Mask) -> Mask:
    """Find the paper that ink encloses.

    Args:
        mask: bool `(height, width)`, True is ink.

    Returns:
        bool `(height, width)`.
    """
    # Paper does not connect through a corner at which ink touches.
    paper, _ = label_components(~np.pad(mask, 1), joins_corners=False)
    holes: Mask = (paper > 0) & (paper != paper[0, 0])
    return holes[1:-1, 1:-1]


def _accumulate(price: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the least cost of a path from the first row to each pixel."""
    total = price.copy()
    for row in range(1, len(price)):
        above = total[row - 1]
        best, aside = above.copy(), above + _SIDE_STEP_COST
        np.minimum(best[1:], aside[:-1], out=best[1:])
        np.minimum(best[:-1], aside[1:], out=best[:-1])
        total[row] += best
    return total


def _trace(total: NDArray[np.float64], columns: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the column in each row of the cheapest path to each column of the last row, int `(n, height)`."""
    steps = np.array([0, -1, 1])
    costs = np.array([0, _SIDE_STEP_COST, _SIDE_STEP_COST])
    # No path leaves the picture.
    framed = np.pad(total, ((0, 0), (1, 1)), constant_values=np.inf)
    paths = np.empty((len(columns), len(total)), np.intp)
    paths[:, -1] = at = columns
    for row in range(len(total) - 2, -1, -1):
        cost = framed[row][at[:, None] + (steps + 1)] + costs
        paths[:, row] = at = at + steps[cost.argmin(axis=1)]
    return paths


def _cut_out(ink: Ink, own: Mask, place: int) -> tuple[Ink, Box]:
    """Cut the digit at a column out of the ink between its neighbours."""
    labels, count = label_components(own)
    if not count:
        return np.zeros((1, 1), np.float32), (min(max(place, 0), ink.shape[1] - 1), 0, 1, len(ink))
    boxes, areas = measure_components(labels, count)
    kept = _choose_components(boxes, areas, place)
    (left, top), (right, bottom) = boxes[kept, :2].min(axis=0), boxes[kept, 2:].max(axis=0)
    window = np.s_[max(top - 2, 0) : bottom + 2, max(left - 2, 0) : right + 2]
    chosen = np.append(False, kept)[labels[window]]
    # The soft edge of a stroke lies just outside of the mask.
    digit = np.where(dilate_to_neighbours(chosen) & (chosen | (ink[window] <= STROKE_INK)), ink[window], np.float32(0))
    return digit, (int(left), int(top), int(right - left), int(bottom - top))


def _choose_components(boxes: NDArray[np.intp], areas: NDArray[np.intp], place: int) -> Mask:
    """Choose the component at the column, and those above, below or as tall beside it; bool `(n,)`."""
    lefts, rights, heights = boxes[:, 0], boxes[:, 2], boxes[:, 3] - boxes[:, 1]
    distances = np.maximum(np.maximum(lefts - place, place - rights + 1), 0)
    is_candidate = areas >= _SPECK * areas.max()
    main = int(np.lexsort((-areas, distances, ~is_candidate))[0])
    overlaps = np.minimum(rights, rights[main]) - np.maximum(lefts, lefts[main])
    widths = np.minimum(rights - lefts, rights[main] - lefts[main])
    kept: Mask = is_candidate & ((2 * overlaps >= widths) | (heights >= _TALL * heights[main]))
    kept[main] = True
    return kept
