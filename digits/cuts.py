"""Where touching digits might be parted: paths from top to bottom through as little ink as possible.

A path moves one row at a time, straight or by one column to either side, and pays for the ink that it crosses, so it
slides down the valley between two digits before it goes through what joins them, whatever their slant.
"""

import numpy as np
from numpy.typing import NDArray

from digits.components import Mask

_PAPER_COST = 0.02  # Of a pixel of paper; ink costs 1, so a detour of fifty pixels saves one of ink.
_SIDE_STEP_COST = 0.03


def find_cuts(mask: Mask, spacing: int, max_cost: float) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Find the paths that part one piece of ink.

    Args:
        mask: bool `(height, width)`, the piece alone.
        spacing: The least distance between two paths, and between a path and the piece's ends, in pixels.
        max_cost: Paths through more pixels of ink than this are left out.

    Returns:
        Paths from left to right, int `(n, height)`, the first column right of the path in each row; and the pixels of
        ink that each crosses, `(n,)`.
    """
    height, width = mask.shape
    price = np.where(mask, 1.0, _PAPER_COST)
    down = _accumulate(price)
    up = _accumulate(price[::-1])[::-1]
    middle = height // 2
    totals = (down + up - price)[middle]
    chosen: list[int] = []
    for column in np.argsort(totals, kind="stable").tolist():
        if spacing <= column < width - spacing and all(abs(column - other) >= spacing for other in chosen):
            chosen.append(column)
    paths = _trace(down, up, np.sort(np.array(chosen, np.intp)))
    costs = mask[np.arange(height), paths].sum(axis=1)
    kept = (costs > 0) & (costs <= max_cost)
    return paths[kept], costs[kept].astype(np.float64)


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
