"""Pieces of ink that nobody wrote: lines printed from edge to edge, the edge of the sheet, frames round digits."""

import numpy as np

from digits.preprocessing.components import Labels, Mask, label_components, measure_components

_LINE_SHARE = 0.1  # Of the drawing's height: what a level line takes at the most.
_MARGIN_SHARE = 0.06  # Likewise, one that stands upright.
_HIGHEST_BESIDE_MARGIN = 0.75  # Likewise, what is written beside such a line.
_SIDE_SHARE = 0.06  # Of a frame's width or height: where its sides lie.
_SIDE_COVERED = 0.85  # Of each side, by a frame; of a round zero half.
_LEAST_PIXELS = 32  # Of a frame; noise has thousands of pieces that are smaller.
_FRAMED_SHARE = 0.02  # Of a frame's box, by the ink in it.


def find_printed(labels: Labels, is_written: Mask, has_frames: bool = True) -> list[int]:
    """Tell what was printed from what was written. A line that a digit touches is not told apart.

    Args:
        labels: int32 `(height, width)`, 0 is paper and 1 to n are connected pieces of ink.
        is_written: bool `(n + 1,)`, False for the paper and for specks.
        has_frames: False where frames were erased before; then none is looked for.

    Returns:
        The numbers of the pieces.
    """
    height, turned = len(labels), labels.T
    level = [piece for piece in _list_crossing(labels) if _measure_extent(labels == piece) < _LINE_SHARE * height]
    upright = [piece for piece in _list_crossing(turned) if _measure_extent(turned == piece) < _MARGIN_SHARE * height]
    frames = _find_frames(labels, is_written) if has_frames else []
    # In a picture cut close to its digits a 1 is as high as the picture, and so is what stands beside it.
    rest = is_written.copy()
    rest[level + upright + frames] = False
    written = rest[labels]
    is_margin = written.any() and _measure_extent(written) < _HIGHEST_BESIDE_MARGIN * height
    return level + frames + (upright if is_margin else [])


def mark_frames(mask: Mask) -> Mask:
    """Mark what of the ink is frames round other ink.

    Args:
        mask: bool `(height, width)`, True is ink.
    """
    labels, num_pieces = label_components(mask)
    is_written = np.bincount(labels.ravel(), minlength=num_pieces + 1) >= _LEAST_PIXELS
    is_written[0] = False
    return np.isin(labels, _find_frames(labels, is_written))


def _find_frames(labels: Labels, is_written: Mask) -> list[int]:
    """Return the pieces with four straight sides and something in between."""
    boxes, _ = measure_components(labels, len(is_written) - 1)
    frames = []
    for piece in np.flatnonzero(is_written).tolist():
        left, top, right, bottom = boxes[piece - 1].tolist()
        inside = labels[top:bottom, left:right]
        framed = (inside > 0) & (inside != piece)
        if framed.mean() > _FRAMED_SHARE and min(_measure_sides(inside == piece)) > _SIDE_COVERED:
            frames.append(piece)
    return frames


def _measure_sides(mask: Mask) -> list[float]:
    """Return how much of its left, right, upper and lower side a piece covers."""
    covered = []
    for turned in (mask.T, mask):
        reach = max(1, round(_SIDE_SHARE * len(turned)))
        covered += [float(side.any(axis=0).mean()) for side in (turned[:reach], turned[-reach:])]
    return covered


def _list_crossing(labels: Labels) -> list[int]:
    """Return the pieces that reach from the left edge to the right one."""
    return [int(piece) for piece in np.intersect1d(labels[:, 0], labels[:, -1]) if piece]


def _measure_extent(mask: Mask) -> int:
    """Return how many rows lie between the first and the last that are inked."""
    return int(np.ptp(np.flatnonzero(mask.any(axis=1))))
