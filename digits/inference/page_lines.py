"""Group the digits of a page into lines, and order the lines as they are read."""

from collections.abc import Sequence
from math import atan2

import numpy as np
from numpy.typing import NDArray

from digits.inference.page_detector import FoundDigits

_FARTHEST = 4.5  # Two digits of one line are at most so many heights apart, less if one is higher;
_STEEPEST = np.deg2rad(42)  # a line falls or rises by at most this angle;
_MOST_ASIDE = 0.55  # and its next digit lies at most so many heights above or below its slope.
_ALIKE = 1.5  # Neighbours whose heights differ less may stand far apart and aside.
_MOST_UNLIKE = 2.6  # One of two neighbours is at most so many times as high as the other.
_ASIDE_COST = 4.0  # A step aside counts as so many steps along.
_ROUNDS = 3


def group_lines(found: FoundDigits) -> list[list[int]]:
    """Group digits into lines.

    Returns:
        For each line the numbers of its digits from left to right; lines from top to bottom, and of those at one height
        the left one first.
    """
    if not len(found):
        return []
    slope = 0.0
    steps = _measure_steps(found)
    for _ in range(_ROUNDS):
        following = _link(found, steps, slope)
        angles = [atan2(*steps[one, other, ::-1]) for one, other in following.items()]
        slope = float(np.median(angles)) if angles else 0.0
    lines = _chain(following, len(found))
    turned = _turn(found.middles, -slope)
    return _order(lines, turned, found.sizes[:, 1])


def _measure_steps(found: FoundDigits) -> NDArray[np.float64]:
    return found.middles[None] - found.middles[:, None]


def _link(found: FoundDigits, steps: NDArray[np.float64], slope: float) -> dict[int, int]:
    """Return for digits the next one of their line."""
    turned = _turn(steps, -slope)
    along, aside = turned[..., 0], np.abs(turned[..., 1])
    heights = found.sizes[:, 1]
    mean = (heights[:, None] + heights[None]) / 2
    unlike = np.maximum(heights[:, None] / heights[None], heights[None] / heights[:, None])
    is_alike = unlike < _ALIKE
    allowed = (along > 0.15 * mean) & (along < _FARTHEST * mean / np.where(is_alike, 1, unlike))
    allowed &= aside < np.where(is_alike, _MOST_ASIDE, _MOST_ASIDE / 2) * mean + 0.1 * along
    allowed &= (unlike < _MOST_UNLIKE) & (np.abs(np.arctan2(turned[..., 1], along)) < _STEEPEST)
    cost = np.where(allowed, along + _ASIDE_COST * aside, np.inf)
    following: dict[int, int] = {}
    nearest, nearest_before = cost.argmin(axis=1), cost.argmin(axis=0)
    for one, other in enumerate(nearest.tolist()):
        if np.isfinite(cost[one, other]) and nearest_before[other] == one:
            following[one] = other
    return following


def _chain(following: dict[int, int], num: int) -> list[list[int]]:
    firsts = sorted(set(range(num)) - set(following.values()))
    lines = []
    for first in firsts:
        line = [first]
        while line[-1] in following:
            line.append(following[line[-1]])
        lines.append(line)
    return lines


def _turn(points: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    turned: NDArray[np.float64] = points @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return turned


def _order(lines: Sequence[list[int]], turned: NDArray[np.float64], heights: NDArray[np.float64]) -> list[list[int]]:
    """Order lines from top to bottom, those of one row from left to right."""
    rows: list[list[list[int]]] = []
    middle = {id(line): float(turned[line, 1].mean()) for line in lines}
    for line in sorted(lines, key=lambda one: middle[id(one)]):
        height = float(heights[line].mean())
        if rows and abs(middle[id(line)] - np.mean([middle[id(one)] for one in rows[-1]])) < 0.5 * height:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=lambda one: float(turned[one, 0].min()))]
