"""Morphology of ink: dilation, erosion and opening, and the width of strokes.

The window is a square, or a line where one axis is named. It ends at the picture's edge.
"""

from collections.abc import Sequence
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

Values = TypeVar("Values", bound=NDArray[Any])


def dilate(values: Values, reach: int = 1, axes: Sequence[int] = (0, 1)) -> Values:
    """Give each pixel the largest value in the window that reaches `reach` pixels from it along each axis.

    Args:
        values: Any type that has an order, `(height, width)` or `(n,)`.
        reach: In pixels, 0 or more.
        axes: The axes of the window.
    """
    return _spread(values, reach, axes, np.maximum)


def erode(values: Values, reach: int = 1, axes: Sequence[int] = (0, 1)) -> Values:
    """Give each pixel the smallest value in the window; otherwise as `dilate`."""
    return _spread(values, reach, axes, np.minimum)


def dilate_to_neighbours(values: Values) -> Values:
    """Give each pixel the largest value of itself and its four neighbours, `(height, width)`."""
    spread: Values = np.maximum(dilate(values, axes=(0,)), dilate(values, axes=(1,)))
    return spread


def _spread(values: Values, reach: int, axes: Sequence[int], choose: np.ufunc) -> Values:
    spread: Any = values
    for axis in axes:
        # A large window comes from smaller ones that overlap, so the cost grows with the logarithm of the reach. A step
        # of at most one pixel more than was reached leaves no pixel out, also where a window ends at the edge.
        reached = 0
        while reached < reach:
            step = min(reached + 1, reach - reached)
            spread = _join_neighbours(spread, step, axis, choose)
            reached += step
    return spread if reach else values.copy()


def _join_neighbours(values: NDArray[Any], step: int, axis: int, choose: np.ufunc) -> NDArray[Any]:
    """Give each pixel what `choose` makes of it and the two that are `step` pixels before and after it."""
    before = (slice(None),) * axis + (slice(None, -step),)
    after = (slice(None),) * axis + (slice(step, None),)
    joined = values.copy()
    choose(joined[after], values[before], out=joined[after])
    choose(joined[before], values[after], out=joined[before])
    return joined


Outline = Literal["forward", "central", "taxicab"]


def measure_stroke_width(ink: NDArray[np.floating], outline: Outline = "forward") -> NDArray[np.floating]:
    """Measure the mean width of strokes: twice their area over the length of their outline.

    The outline's length is the sum of the ink's slopes, since each outline is one step from paper to ink. The shipped
    models were trained on strokes that three estimates of the slope had measured, so all three are kept.

    Args:
        ink: `(..., height, width)`, 0 is paper.
        outline: `forward`, differences to the next pixel, with paper around; `central`, differences across a pixel;
            `taxicab`, forward differences whose two directions are added and not squared.

    Returns:
        In pixels, `(...)`. Of ink with an outline shorter than a pixel of full ink, twice its area.
    """
    if outline == "forward":
        padded = np.pad(ink, 1)
        here = padded[..., 1:, 1:]
        length = np.hypot(here - padded[..., :-1, 1:], here - padded[..., 1:, :-1]).sum(axis=(-2, -1))
    elif outline == "central":
        down, across = np.gradient(ink, axis=(-2, -1))
        length = np.hypot(down, across).sum(axis=(-2, -1))
    else:
        length = sum(np.abs(np.diff(ink, axis=axis)).sum(axis=(-2, -1)) for axis in (-2, -1))
    area = ink.sum(axis=(-2, -1)).astype(np.float64)
    width: NDArray[np.floating] = 2 * area / np.maximum(length, 1)
    return width
