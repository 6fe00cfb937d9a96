"""Counting that a request does not feel: prometheus_client's own histogram takes several times as long.

Not for threads: everything is counted on the event loop.
"""

from bisect import bisect_left
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray


class Distribution:
    """How often values fell between bounds, their sum and their number: what Prometheus calls a histogram.

    Attributes:
        total: The sum of all values.
    """

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, *bounds: float) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    def add_all(self, values: NDArray[np.floating]) -> None:
        """Count many values, `(n,)`."""
        counts = np.bincount(np.searchsorted(self._bounds, values), minlength=len(self._counts))
        self._counts = [old + new for old, new in zip(self._counts, counts.tolist(), strict=True)]
        self.total += float(values.sum(dtype=np.float64))

    def list_buckets(self) -> list[tuple[str, float]]:
        """Return each bound with the number of values up to it."""
        names = [*map(repr, map(float, self._bounds)), "+Inf"]
        return list(zip(names, map(float, accumulate(self._counts)), strict=True))


class Mean:
    """A sum and a number, from which a mean over any stretch of time can be told.

    Attributes:
        count: How many values there were.
        total: Their sum.
    """

    __slots__ = ("count", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0

    def add_all(self, values: NDArray[np.floating]) -> None:
        """Count values, `(n,)`."""
        self.count += len(values)
        self.total += float(values.sum(dtype=np.float64))
