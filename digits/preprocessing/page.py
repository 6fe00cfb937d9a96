"""Find a sheet of light paper on a darker background, so that the background is not taken for ink.

In a photo that shows more than the sheet, the background is as dark as ink, or the sheet looks like light ink.
"""

from math import ceil

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digits.preprocessing.components import Mask, label_components
from digits.preprocessing.morphology import erode
from digits.preprocessing.threshold import count_levels, find_threshold

_SIDE = 128  # The sheet is searched on a picture whose longer side has at most so many pixels.
_LEAST_PAPER = 0.25  # Bare paper covers at least this share of the picture.
_LEAST_BARE = 0.75  # Bare paper covers at least this share of the sheet. A light digit on a board covers less.
_LEAST_BESIDE = 0.02  # The background covers at least this share of the picture.
_LEAST_DARK = 0.9  # At least this share of the background is dark.
_MOST_LIGHT = 0.8  # The background has at most this share of the paper's brightness.
_EDGE_SHARE = 0.02  # The sheet's edge and its shadow are at most this share of the longer side wide.


def replace_background(drawing: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Put paper in place of the background around a sheet.

    The edge of a shadow may be taken for the sheet's, so use it only for a picture that cannot be read as it is.

    Args:
        drawing: uint8 `(height, width)`, luminance.

    Returns:
        uint8 `(height, width)`; None if there is no sheet before a background.
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
    background = small[~sheet]
    if is_light[~sheet].mean() > 1 - _LEAST_DARK or float(np.median(background)) > _MOST_LIGHT * level:
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
    # Imported here, because it brings the drawing of text: 2 MB that most processes never need.
    from PIL import ImageDraw

    rows = np.flatnonzero(mask.any(axis=1)).tolist()
    points = sorted((column, row) for row in rows for column in np.flatnonzero(mask[row])[[0, -1]].tolist())
    hull = Image.new("1", mask.shape[::-1])
    ImageDraw.Draw(hull).polygon(_chain(points) + _chain(points[::-1]), fill=1, outline=1)
    return np.asarray(hull)


def _chain(points: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return those of the sorted points at which the outline turns one way."""
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
    """Take away what is near to the edge of the mask or of the picture, where a wedge of background is too thin."""
    return erode(np.pad(mask, num_pixels), num_pixels)[num_pixels:-num_pixels, num_pixels:-num_pixels]
