"""The ink of a line of digits, without the cells and rulings that are printed on forms and cheques."""

import numpy as np
from numpy.typing import NDArray

from digits.preprocessing.binarise import Ink, Light, Mask, keep_strokes, stretch_contrast
from digits.preprocessing.morphology import dilate, erode
from digits.preprocessing.printed_lines import mark_frames

_RULED_SHARE = 0.65  # A ruling crosses at least this share of the columns.
_MAX_RULING = 0.05  # No ruling is thicker than this share of the drawing's height.
_LEAST_RULING = 0.03  # The contrast of the faintest ruling, a share of the paper's brightness.
_MAX_COLUMNS = 400  # The ruling is searched on so many columns.
_SLOPES = np.linspace(-0.05, 0.05, 11)  # In rows a column.
_WIDE = 1.2  # A line is wider than so many times its height; a single digit may have a bar as wide as itself.
_STROKE_INK = 0.25  # A stroke has more ink than this, of 1. It is less than for one digit, because rulings are gone.


def keep_line_strokes(contrast: Ink, light: Light) -> Ink:
    """Separate the ink of a line from its paper.

    Args:
        contrast: float32 `(height, width)` in [0, 1], as `binarise.measure_contrast` returns it.
        light: How the drawing was taken.

    Returns:
        float32 `(height, width)` in [0, 1], 0 is paper and 1 is ink; all 0 if there is no ink.
    """
    unframed = _erase_frames(contrast, stretch_contrast(contrast, light) > _STROKE_INK)
    return keep_strokes(stretch_contrast(subtract_rulings(unframed), light), _STROKE_INK, has_frames=False)


def _erase_frames(contrast: Ink, mask: Mask) -> Ink:
    """Take away the cells of a form first, because without their upper and lower sides they would be a row of bars."""
    return np.where(dilate(mark_frames(mask), 2), np.float32(0), contrast)


def subtract_rulings(contrast: Ink) -> Ink:
    """Take away thin lines across the drawing. Strokes that cross them or are darker stay.

    Args:
        contrast: float32 `(height, width)` in [0, 1].
    """
    height, width = contrast.shape
    if width < _WIDE * height:
        return contrast
    thickness = max(2, round(_MAX_RULING * height))
    slope, ruling = _find_ruling(contrast, thickness)
    if ruling.max() < _LEAST_RULING:
        return contrast
    # A slope is rounded to whole rows, so the ruling may lie in the next one.
    ruling = dilate(ruling, axes=(0,))
    rows = _tilt(height, np.arange(width) - width / 2, slope)
    along = np.take_along_axis(contrast, rows, 0)
    padded = np.pad(along, ((thickness + 1, thickness + 1), (0, 0)), "edge")
    crossing = np.minimum(padded[:height], padded[2 * (thickness + 1) :])
    cleaned = np.maximum(along - ruling[:, None], np.minimum(crossing, along))
    without = contrast.copy()
    np.put_along_axis(without, rows, np.where(ruling[:, None] > 0, cleaned, along).astype(np.float32), 0)
    return without


def _find_ruling(contrast: Ink, thickness: int) -> tuple[float, NDArray[np.floating]]:
    """Return the slope at which a thin line has most contrast, and its contrast in each row, `(height,)`."""
    height, width = contrast.shape
    columns = np.arange(0, width, max(1, width // _MAX_COLUMNS))
    # An opening takes away peaks that are no wider than a ruling.
    reach = thickness // 2 + 1
    best_slope, best, most = 0.0, np.zeros(height), 0.0
    for slope in _SLOPES.tolist():
        rows = _tilt(height, columns - width / 2, slope)
        # Most columns share the ink of a ruling; at the right slope nearly all of them do.
        shared, least = np.quantile(contrast[rows, columns], (1 - _RULED_SHARE, 0.1), axis=1)
        ruling = shared - dilate(erode(shared, reach, (0,)), reach, (0,))
        if (ruling + least).max() > most:
            best_slope, best, most = slope, ruling, float((ruling + least).max())
    return best_slope, best


def _tilt(height: int, columns: NDArray[np.float64], slope: float) -> NDArray[np.intp]:
    """Return the row at each column of the line that starts at each row, int `(height, columns)`."""
    return (np.arange(height)[:, None] + np.rint(slope * columns).astype(np.intp)).clip(0, height - 1)
