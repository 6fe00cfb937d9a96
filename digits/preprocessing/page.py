"""A sheet of light paper on a darker desk: what lies beside it is no ink.

Where a photo shows more than the sheet, the desk is as dark as ink, or the sheet itself looks like light ink.
"""

from math import ceil

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from digits.preprocessing.components import Mask, label_components
from digits.preprocessing.morphology import erode
from digits.preprocessing.threshold import count_levels, find_threshold

_SIDE = 128  # The sheet is looked for on so many pixels.
_LEAST_PAPER = 0.25  # Of the picture, is bare paper;
_LEAST_BARE = 0.75  # and of the sheet. The rest is ink; a light digit on a board leaves more.
_LEAST_BESIDE = 0.02  # Of the picture, is desk;
_LEAST_DARK = 0.9  # and of what lies beside the sheet.
_MOST_LIGHT = 0.8  # Of the paper's brightness, has the desk.
_EDGE_SHARE = 0.02  # Of the longer side: the sheet's edge with its shadow, and the tip of a wedge of desk.


def replace_background(drawing: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Put paper in place of the desk around a sheet.

    A shadow's edge may be taken for the sheet's: only for what cannot be read as it is.

    Args:
        drawing: uint8 `(height, width)`, luminance.

    Returns:
        uint8 `(height, width)`; None if no sheet can be told from a desk.
    """
    height, width = drawing.shape
    factor = ceil(max(height, width) / _SIDE)
    small = np.asarray(Image.fromarray(drawing).reduce(factor))
    is_light = small > find_threshold(count_levels(small))
    paper = _keep_largest(is_light)
    if paper.mean() < _LEAST_PAPER:
        return None
    sheet = _fill_hull(paper)
    if paper.sum() < _LEAST_BARE * sheet.sum() or 1 - sheet.mean() < _LEAST_BESIDE:
        return None
    level = float(np.median(small[paper]))
    desk = small[~sheet]
    if is_light[~sheet].mean() > 1 - _LEAST_DARK or float(np.median(desk)) > _MOST_LIGHT * level:
        return None
    inside = _shrink(sheet, ceil(_EDGE_SHARE * max(small.shape)))
    inside = inside.repeat(factor, axis=0).repeat(factor, axis=1)[:height, :width]
    return np.where(inside, drawing, np.uint8(level))


def _keep_largest(mask: Mask) -> Mask:
    labels, num_pieces = label_components(mask, joins_corners=False)
    areas = np.bincount(labels.ravel(), minlength=num_pieces + 1)
    areas[0] = 0
    largest: Mask = (labels == areas.argmax()) & mask
    return largest


def _fill_hull(mask: Mask) -> Mask:
    """Return the convex hull of a mask that is not empty, filled (Andrew's monotone chain)."""
    rows = np.flatnonzero(mask.any(axis=1)).tolist()
    points = sorted((column, row) for row in rows for column in np.flatnonzero(mask[row])[[0, -1]].tolist())
    hull = Image.new("1", mask.shape[::-1])
    ImageDraw.Draw(hull).polygon(_chain(points) + _chain(points[::-1]), fill=1, outline=1)
    return np.asarray(hull)


def _chain(points: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the points, of those sorted, that turn one way only."""
    chain: list[tuple[int, int]] = []
    for x, y in points:
        while len(chain) > 1:
            (x1, y1), (x2, y2) = chain[-2:]
            if (x2 - x1) * (y - y1) > (y2 - y1) * (x - x1):
                break
            chain.pop()
        chain.append((x, y))
    return chain


def _shrink(mask: Mask, num_pixels: int) -> Mask:
    """Take away what lies near to its edge, or to the picture's: there the tip of a wedge is too thin to be seen."""
    return erode(np.pad(mask, num_pixels), num_pixels)[num_pixels:-num_pixels, num_pixels:-num_pixels]
