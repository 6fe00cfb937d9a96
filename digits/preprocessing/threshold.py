"""Histograms of grey levels: their quantiles and their threshold."""

import numpy as np
from numpy.typing import NDArray

from digits.data.images import MAX_PIXEL


def count_levels(values: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return how often each of the 256 levels occurs, int `(256,)`."""
    return np.bincount(values.ravel(), minlength=MAX_PIXEL + 1)


def find_level(counts: NDArray[np.intp], share: float) -> int:
    """Return the smallest level at or below which this share of the values lies."""
    return find_levels(counts, share)[0]


def find_levels(counts: NDArray[np.intp], *shares: float) -> list[int]:
    """Return `find_level` of each share."""
    below = counts.cumsum()
    levels: list[int] = below.searchsorted(np.array(shares) * below[-1]).tolist()
    return levels


def find_threshold(counts: NDArray[np.intp]) -> int:
    """Return Otsu's threshold (IEEE Transactions on Systems, Man, and Cybernetics 9(1), 1979)."""
    below = counts.cumsum().astype(np.float64)
    sums = (counts * np.arange(len(counts))).cumsum()
    above = below[-1] - below
    between = (sums * below[-1] - sums[-1] * below) ** 2 / np.maximum(below * above, 1)
    return int(between.argmax())
