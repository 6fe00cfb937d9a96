"""Connected components of ink, in NumPy alone, because the serving image has no SciPy."""

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Labels = NDArray[np.int32]


def label_components(mask: Mask, joins_corners: bool = True) -> tuple[Labels, int]:
    """Label the connected components.

    Rows are cut into runs of ink, and runs that touch from one row to the next are joined until nothing changes, each
    round over all of them at once: a page of noise takes a few dozen milliseconds, not a loop over its pixels.

    Args:
        mask: bool `(height, width)`, True is ink.
        joins_corners: Pixels that touch by a corner belong to one component, too.

    Returns:
        int32 `(height, width)`, 0 is paper and 1 to n are the components; and n.
    """
    height, width = mask.shape
    stride = width + 2  # Two columns of paper between rows, so that no run reaches into the next.
    flat = np.zeros(height * stride + 1, bool)
    flat[:-1].reshape(height, stride)[:, 1:-1] = mask
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    starts, ends = edges[::2], edges[1::2]
    roots = _join(len(starts), *_find_touching(starts, ends, stride, joins_corners))
    is_first = roots == np.arange(len(roots))
    labels = np.zeros(mask.shape, np.int32)
    labels[mask] = np.repeat(is_first.cumsum()[roots], ends - starts)
    return labels, int(is_first.sum())


def measure_components(labels: Labels, count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Measure each component.

    Args:
        labels: int32 `(height, width)`, 0 is paper and 1 to `count` are the components.
        count: The number of components.

    Returns:
        Boxes, int `(count, 4)`: left, top, and right and bottom, which lie outside; and the pixels in each, `(count,)`.
    """
    rows, columns = np.nonzero(labels)
    numbers = labels[rows, columns] - 1
    boxes = np.empty((count, 4), np.intp)
    boxes[:, :2] = max(labels.shape)
    boxes[:, 2:] = 0
    for side, places in enumerate((columns, rows)):
        np.minimum.at(boxes[:, side], numbers, places)
        np.maximum.at(boxes[:, side + 2], numbers, places + 1)
    return boxes, np.bincount(numbers, minlength=count)


def _find_touching(
    starts: NDArray[np.intp], ends: NDArray[np.intp], stride: int, joins_corners: bool
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return pairs of runs that touch: each run with those of the row above it."""
    first = np.searchsorted(ends + stride, starts, "left" if joins_corners else "right")
    last = np.searchsorted(starts + stride, ends, "right" if joins_corners else "left")
    counts = np.maximum(last - first, 0)
    below = np.repeat(np.arange(len(starts)), counts)
    offsets = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts)
    return below, np.repeat(first, counts) + offsets


def _join(count: int, left: NDArray[np.intp], right: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return for each of `count` runs the smallest one that it is connected to."""
    roots = np.arange(count)
    while True:
        low, high = np.minimum(roots[left], roots[right]), np.maximum(roots[left], roots[right])
        if not (low < high).any():
            return roots
        np.minimum.at(roots, high, low)
        while (roots[roots] != roots).any():
            roots = roots[roots]
