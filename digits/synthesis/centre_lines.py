"""Find the centre lines of handwritten digits, so that a pen of any width can write them anew.

The ink is thinned to lines of one pixel (Zhang and Suen, "A Fast Parallel Algorithm for Thinning Digital Patterns",
CACM 1984), which are smoothed and drawn as short segments.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from digits.data.images import SIZE

_INK = 110  # Pixels above this level belong to a stroke.
_SCALE = 2  # The ink is thinned at twice its size, so that the small loop of an 8 stays open.
_REACH = 2  # A point moves to the mean of the line's points within so many pixels.
# The eight neighbours of a pixel, clockwise from above: rows and columns.
_AROUND = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))


def find_centre_lines(images: NDArray[np.uint8]) -> list[NDArray[np.float64]]:
    """Find the centre line of each digit.

    Args:
        images: uint8 `(n, 28, 28)`, in MNIST's form.

    Returns:
        For each image the segments of its line, float64 `(m, 2, 2)`: both ends, x and y in pixels of the image.
    """
    masks = _thin(_enlarge(images) > _INK)
    return [_find_segments(mask) for mask in masks]


def _enlarge(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the images at twice their size, linearly interpolated."""
    wide = images.astype(np.float32)
    for axis in (1, 2):
        before, after = (np.roll(wide, shift, axis) for shift in (1, -1))
        wide = np.stack([(3 * wide + before) / 4, (3 * wide + after) / 4], axis + 1)
        wide = wide.reshape(
            [SIZE * _SCALE if place == axis else wide.shape[0] if place == 0 else -1 for place in range(3)]
        )
    return wide


@cache
def _list_removable() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """For both halves of a step, tell by the ink around a pixel, one bit for each neighbour, whether the pixel goes."""
    around = (np.arange(256)[:, None] >> np.arange(8)) & 1 == 1
    count = around.sum(axis=1)
    changes = (~around & np.roll(around, -1, axis=1)).sum(axis=1)
    above, right, below, left = around[:, 0::2].T
    is_loose = (count >= 2) & (count <= 6) & (changes == 1)
    first = is_loose & ~(above & right & below) & ~(right & below & left)
    second = is_loose & ~(above & right & left) & ~(above & below & left)
    return first, second


def _thin(masks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    masks = np.pad(masks, ((0, 0), (1, 1), (1, 1)))
    num_before = -1
    while (num := int(masks.sum())) != num_before:
        num_before = num
        for removable in _list_removable():
            inner = masks.view(np.uint8)
            height, width = masks.shape[1] - 2, masks.shape[2] - 2
            around = sum(
                inner[:, 1 + row : 1 + row + height, 1 + column : 1 + column + width] << bit
                for bit, (row, column) in enumerate(_AROUND)
            )
            masks[:, 1:-1, 1:-1] &= ~removable[around]
    return masks[:, 1:-1, 1:-1]


def _find_segments(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    rows, columns = np.nonzero(mask)
    points = np.stack([columns, rows], 1)
    index = np.full((mask.shape[0] + 2, mask.shape[1] + 2), -1)
    index[rows + 1, columns + 1] = np.arange(len(points))
    steps = range(-_REACH, _REACH + 1)
    padded = np.pad(mask, _REACH)
    weights = np.stack([padded[rows + _REACH + y, columns + _REACH + x] for y in steps for x in steps], 1)
    offsets = np.array([[x, y] for y in steps for x in steps])
    smooth = (points + weights @ offsets / weights.sum(axis=1, keepdims=True) + 0.5) / _SCALE
    pairs = []
    for row, column in _AROUND[1:5]:
        other = index[rows + 1 + row, columns + 1 + column]
        pairs.append(np.stack([np.flatnonzero(other >= 0), other[other >= 0]], 1))
    ends: NDArray[np.float64] = smooth[np.concatenate(pairs)] if len(points) else np.zeros((0, 2, 2))
    return ends
