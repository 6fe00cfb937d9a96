"""Cut a line out of a page and straighten it: its slope, its bend, and digits that grow along it."""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digits.data.images import MAX_PIXEL
from digits.inference.page_detector import FoundDigits
from digits.preprocessing.components import label_components
from digits.preprocessing.morphology import dilate, erode

DIGIT_HEIGHT = 48
"""Pixels of a straightened digit."""
_ABOVE = 0.75  # A strip reaches so many heights beyond the digits' middles, up and down,
_BEYOND = 0.9  # and so many beyond the first and the last digit's edge.
_LONGEST = 6_000  # Pixels.
_STEEPNESS = 4.0  # Where a quarter of the ink is a digit's, the contrast counts in full.
_SIDE_INK = 0.8  # The sides of cells have more than this share of the digits' contrast,
_SIDE_REACH = 29  # and are more than twice so many pixels high;
_SURE_SIDE = 0.5  # the network is less sure than this that they are digits' ink.


@dataclass(frozen=True)
class Strip:
    """A straightened line.

    Attributes:
        picture: uint8 `(height, width)`, luminance.
        middles: float64 `(width, 2)`, x and y in the drawing of what lies in the middle row.
        down: float64 `(width, 2)`, the step in the drawing from one row to the next.
        angle: The line's slope in radians, positive if it falls to the right.
    """

    picture: NDArray[np.uint8]
    middles: NDArray[np.float64]
    down: NDArray[np.float64]
    angle: float

    def locate(self, columns: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where points of the strip lie in the drawing, float64 `(n, 2)`, x and y."""
        nearest = np.clip(np.rint(columns), 0, len(self.middles) - 1).astype(int)
        beside = (columns - nearest)[:, None] * (self.middles[-1] - self.middles[0]) / max(len(self.middles) - 1, 1)
        place: NDArray[np.float64] = (
            self.middles[nearest] + beside + (rows - (len(self.picture) - 1) / 2)[:, None] * self.down[nearest]
        )
        return place


def straighten(drawing: NDArray[np.uint8], line: FoundDigits, slope: float = 0.0) -> Strip:
    """Cut out a line of digits.

    Args:
        drawing: uint8 `(height, width)`, luminance.
        line: The line's digits from left to right.
        slope: The slope in radians, where one digit does not tell it.
    """
    num = len(line)
    if num > 1:
        first, last = line.middles[0], line.middles[-1]
        slope = float(np.arctan2(*(last - first)[::-1]))
    along = np.array([np.cos(slope), np.sin(slope)])
    aside = np.array([-along[1], along[0]])
    s, t = line.middles @ along, line.middles @ aside
    heights = line.sizes[:, 1]
    # Levels and heights of single digits differ; a line bends and grows evenly.
    bend = np.polyfit(s, t, 0 if num < 3 else 1 if num < 6 else 2)
    growth = np.polyfit(s, heights, 0 if num < 4 else 1) if num > 1 else np.array([heights[0]])
    usual = float(np.median(heights))

    def measure_height(where: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.clip(np.polyval(growth, where), 0.5 * usual, 2 * usual)

    start = s[0] - line.sizes[0, 0] / 2 - _BEYOND * heights[0]
    end = s[-1] + line.sizes[-1, 0] / 2 + _BEYOND * heights[-1]
    # The step is a column of the strip, which is as wide as the digits are high there.
    places = np.linspace(start, end, 200)
    columns = np.concatenate(
        [[0], np.cumsum(np.diff(places) * DIGIT_HEIGHT / measure_height((places[1:] + places[:-1]) / 2))]
    )
    width = min(max(ceil(columns[-1]), 8), _LONGEST)
    where = np.interp(np.linspace(0, columns[-1], width), columns, places)
    middles = where[:, None] * along + np.polyval(bend, where)[:, None] * aside
    spread = max(float(np.ptp(t - np.polyval(bend, s))) / usual, 0.0) / 2
    rows = round(2 * (_ABOVE + min(spread, 0.6)) * DIGIT_HEIGHT)
    down = measure_height(where)[:, None] / DIGIT_HEIGHT * aside
    return Strip(_sample(drawing, middles, down, rows), middles, down, slope)


def measure_contrast(picture: NDArray[np.uint8], ink: NDArray[np.float32]) -> tuple[NDArray[np.float32], bool]:
    """Measure how much darker than the paper around it each pixel of a digit is, or lighter where light ink was used.

    Args:
        picture: uint8 `(height, width)`, luminance.
        ink: The share of digits' ink, float32 of half the height and width, rounded up to a multiple of the stride.

    Returns:
        float32 `(height, width)` in [0, 1], a share of the paper's brightness; 0 where there is surely no digit. And
        whether there are sides of cells.
    """
    height, width = picture.shape
    size = 2 * ink.shape[1], 2 * ink.shape[0]
    share = np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.BILINEAR))[:height, :width]
    levels = picture.astype(np.float32)
    bare = np.maximum(1 - _blur(np.minimum(3 * share, 1), 2), 1e-3)
    paper = _blur(levels * bare, DIGIT_HEIGHT // 4) / _blur(bare, DIGIT_HEIGHT // 4)
    darker = paper - levels
    if float((darker * share).sum()) < 0:
        darker, paper = -darker, MAX_PIXEL - paper
    contrast: NDArray[np.float32] = (darker / np.maximum(paper, 1)).clip(0, 1)
    sides = _find_sides(contrast, share)
    contrast *= (_STEEPNESS * _blur(share, 1)).clip(0, 1) * ~sides
    return contrast, bool(sides.any())


def _find_sides(contrast: NDArray[np.float32], share: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return where the sides of cells are: upright lines, higher than digits, that are not surely a digit's ink."""
    usual = float((contrast * share).sum()) / max(float(share.sum()), 1e-6)
    mask = dilate(contrast > _SIDE_INK * usual, 1, (1,))
    upright = dilate(erode(mask, _SIDE_REACH, (0,)), _SIDE_REACH, (0,)) & mask
    labels, count = label_components(upright)
    pixels = np.maximum(np.bincount(labels.ravel(), minlength=count + 1), 1)
    mean = np.bincount(labels.ravel(), share.ravel(), minlength=count + 1) / pixels
    is_side = mean < _SURE_SIDE
    is_side[0] = False
    return dilate(is_side[labels], 2, (1,))


def _blur(values: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    """Return the mean of the square around each pixel, which reaches so many pixels to each side."""
    side = 2 * reach + 1
    for axis in (0, 1):
        pads = [(reach + 1, reach) if axis == other else (0, 0) for other in (0, 1)]
        total = np.cumsum(np.pad(values, pads, "edge"), axis=axis, dtype=np.float64)
        later, earlier = np.split(total, [side], axis)[1], np.split(total, [-side], axis)[0]
        values = ((later - earlier) / side).astype(np.float32)
    return values


def _sample(
    drawing: NDArray[np.uint8], middles: NDArray[np.float64], down: NDArray[np.float64], rows: int
) -> NDArray[np.uint8]:
    """Sample the drawing, bilinearly, after it was reduced to about the size of the strip."""
    factor = max(int(np.median(np.hypot(*down.T))), 1)
    offsets = np.arange(rows) - (rows - 1) / 2
    where = middles[None] + offsets[:, None, None] * down[None]
    low = np.floor(where.min(axis=(0, 1))).astype(int) - 2
    high = np.ceil(where.max(axis=(0, 1))).astype(int) + 3
    low, high = np.clip(low, 0, np.array(drawing.shape[::-1]) - 1), np.clip(high, 1, drawing.shape[::-1])
    low = np.minimum(low, high - 1)
    part = Image.fromarray(drawing[low[1] : high[1], low[0] : high[0]])
    small = np.asarray(part.reduce(factor), np.float32)
    x, y = ((where[..., axis] - low[axis] + 0.5) / factor - 0.5 for axis in (0, 1))
    x, y = x.clip(0, small.shape[1] - 1), y.clip(0, small.shape[0] - 1)
    left, top = x.astype(int), y.astype(int)
    right, bottom = np.minimum(left + 1, small.shape[1] - 1), np.minimum(top + 1, small.shape[0] - 1)
    x, y = x - left, y - top
    upper = small[top, left] * (1 - x) + small[top, right] * x
    lower = small[bottom, left] * (1 - x) + small[bottom, right] * x
    sampled: NDArray[np.uint8] = np.rint(upper * (1 - y) + lower * y).astype(np.uint8)
    return sampled
