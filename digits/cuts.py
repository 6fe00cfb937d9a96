"""Where touching digits might be parted: paths from top to bottom through as little ink as possible.

A path moves one row at a time, straight or by one column to either side, and pays for the ink that it crosses, so it
slides down the valley between two digits before it goes through what joins them, whatever their slant. Paper that ink
encloses costs, too: a way through the loop of a 0 is no way between two digits, though it crosses little ink.
"""

import numpy as np
from numpy.typing import NDArray

from digits.components import Mask, label_components

_PAPER_COST = 0.02  # Of a pixel of paper; ink costs 1, so a detour of fifty pixels saves one of ink.
_SIDE_STEP_COST = 0.03
_HOLE_COST = 1.0


def find_cuts(mask: Mask, spacing: int, max_cost: float) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Find the paths that part one piece of ink.

    Args:
        mask: bool `(height, width)`, the piece alone.
        spacing: The least distance between two paths, and between a path and the piece's ends, in pixels.
        max_cost: Paths that cost more are left out.

    Returns:
        Paths from left to right, int `(n, height)`, the first column right of the path in each row; and what
        each costs, `(n,)`: pixels of ink, and of enclosed paper at their lower price.
    """
    height, width = mask.shape
    toll = np.where(mask, 1.0, _HOLE_COST * find_holes(mask))
    price = np.maximum(toll, _PAPER_COST)
    down = _accumulate(price)
    up = _accumulate(price[::-1])[::-1]
    middle = height // 2
    totals = (down + up - price)[middle]
    chosen: list[int] = []
    for column in np.argsort(totals, kind="stable").tolist():
        if spacing <= column < width - spacing and all(abs(column - other) >= spacing for other in chosen):
            chosen.append(column)
    paths = _trace(down, up, np.sort(np.array(chosen, np.intp)))
    costs = toll[np.arange(height), paths].sum(axis=1)
    kept = (costs > 0) & (costs <= max_cost)
    return paths[kept], costs[kept]


def find_holes(mask: Mask) -> Mask:
    """Find the paper that ink encloses.

    Args:
        mask: bool `(height, width)`, True is ink.

    Returns:
        bool `(height, width)`.
    """
    # Ink that touches by a corner lets nothing through: widened by one pixel it touches by a side.
    closed = np.pad(mask, ((1, 1), (1, 2)))
    closed[:, 1:] |= closed[:, :-1].copy()
    paper, _ = label_components(~closed)
    holes: Mask = (paper > 0) & (paper != paper[0, 0])
    return holes[1:-1, 1:-2]


def _accumulate(price: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the least cost of a path from the first row to each pixel."""
    total = price.copy()
    for row in range(1, len(price)):
        above = total[row - 1]
        best = above.copy()
        np.minimum(best[1:], above[:-1] + _SIDE_STEP_COST, out=best[1:])
        np.minimum(best[:-1], above[1:] + _SIDE_STEP_COST, out=best[:-1])
        total[row] += best
    return total


def _trace(down: NDArray[np.float64], up: NDArray[np.float64], columns: NDArray[np.intp]) -> NDArray[np.intp]:
    """Follow the cheapest path through each column of the middle row, to the top and to the bottom."""
    height, width = down.shape
    paths = np.empty((len(columns), height), np.intp)
    middle = height // 2
    paths[:, middle] = columns
    steps = np.array([0, -1, 1])
    for total, rows in ((down, range(middle - 1, -1, -1)), (up, range(middle + 1, height))):
        at = columns
        for row in rows:
            next_columns = at[:, None] + steps
            cost = total[row][next_columns.clip(0, width - 1)] + np.where(steps == 0, 0, _SIDE_STEP_COST)
            cost[(next_columns < 0) | (next_columns >= width)] = np.inf
            at = next_columns[np.arange(len(at)), cost.argmin(axis=1)]
            paths[:, row] = at
    return paths
