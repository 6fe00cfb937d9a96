"""Find components that are printed or are the sheet's edge: lines across the picture, and frames around ink."""

import numpy as np

from digits.preprocessing.components import Labels, Mask, label_components, measure_components

# Shares of the drawing's height.
_LINE_SHARE = 0.1  # A level line spans fewer rows than this.
_MARGIN_SHARE = 0.06  # An upright line spans fewer columns than this.
_HIGHEST_BESIDE_MARGIN = 0.75  # What is written beside an upright line is lower than this.
_SIDE_SHARE = 0.06  # A frame's side lies within this share of the frame's width or height.
_SIDE_COVERED = 0.85  # A frame covers more than this share of each side; a round zero covers half.
_LEAST_PIXELS = 32  # A frame has at least so many pixels; noise has thousands of smaller components.
_FRAMED_SHARE = 0.02  # The ink inside a frame covers more than this share of the frame's box.


def find_printed(labels: Labels, is_written: Mask, has_frames: bool = True) -> list[int]:
    """Find the components that were printed. A line that a digit touches is not found.

    Args:
        labels: int32 `(height, width)`, 0 is paper and 1 to n are the components.
        is_written: bool `(n + 1,)`, False for the paper and for specks.
        has_frames: False if frames were erased before, so that none is searched.

    Returns:
        The numbers of the components.
    """
    height, turned = len(labels), labels.T
    level = [piece for piece in _list_crossing(labels) if _measure_extent(labels == piece) < _LINE_SHARE * height]
    upright = [piece for piece in _list_crossing(turned) if _measure_extent(turned == piece) < _MARGIN_SHARE * height]
    frames = _find_frames(labels, is_written) if has_frames else []
    if not upright:
        return level + frames
    # A 1 spans a picture that is cut close to its digits, and so do the others; only beside lower ink is it a line.
    rest = is_written.copy()
    rest[level + upright + frames] = False
    written = rest[labels]
    is_margin = written.any() and _measure_extent(written) < _HIGHEST_BESIDE_MARGIN * height
    return level + frames + (upright if is_margin else [])


def mark_frames(mask: Mask) -> Mask:
    """Mark the ink of frames around other ink.

    Args:
        mask: bool `(height, width)`, True is ink.
    """
    labels, num_pieces = label_components(mask)
    is_written = np.bincount(labels.ravel(), minlength=num_pieces + 1) >= _LEAST_PIXELS
    is_written[0] = False
    return np.isin(labels, _find_frames(labels, is_written))


def _find_frames(labels: Labels, is_written: Mask) -> list[int]:
    """Return the components with four straight sides and ink inside."""
    frames: list[int] = []
    if len(is_written) < 3:  # One component has no other ink inside.
        return frames
    boxes, _ = measure_components(labels, len(is_written) - 1)
    for piece in np.flatnonzero(is_written).tolist():
        left, top, right, bottom = boxes[piece - 1].tolist()
        inside = labels[top:bottom, left:right]
        framed = (inside > 0) & (inside != piece)
        if framed.mean() > _FRAMED_SHARE and min(_measure_sides(inside == piece)) > _SIDE_COVERED:
            frames.append(piece)
    return frames


def _measure_sides(mask: Mask) -> list[float]:
    """Return the share of its left, right, upper and lower side that a component covers."""
    covered = []
    for turned in (mask.T, mask):
        reach = max(1, round(_SIDE_SHARE * len(turned)))
        covered += [float(side.any(axis=0).mean()) for side in (turned[:reach], turned[-reach:])]
    return covered


def _list_crossing(labels: Labels) -> list[int]:
    """Return the components that reach from the left edge to the right edge."""
    return sorted({*labels[:, 0].tolist()} & {*labels[:, -1].tolist()} - {0})


def _measure_extent(mask: Mask) -> int:
    """Return how many rows lie between the first and the last with ink."""
    return int(np.ptp(np.flatnonzero(mask.any(axis=1))))
