"""The ink of a whole line of digits: printed rulings taken away, and a pen that presses unevenly made even.

A line is written faster than one digit, on forms and cheques, with strokes that fade and join again. What is faint but
belongs to a stroke is as much ink as what is dark: it is measured against the darkest nearby, not in the whole line.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from digits.images import MAX_PIXEL
from digits.ink import Ink, Mask, find_threshold, keep_strokes, measure_contrast, stretch_contrast

_RULED_SHARE = 0.65  # Of the columns, at the least, are crossed by a ruling.
MAX_RULING = 0.05  # Of the drawing's height.
_LEAST_RULING = 0.03  # Of the paper's brightness.
_MAX_COLUMNS = 400
SLOPES = np.linspace(-0.05, 0.05, 11)
WIDE = 1.2  # Times as wide as high: what is narrower is one digit, and may have a bar as wide as itself.
_REACH = 3.0  # Strokes: how far around a pixel the darkest one is looked for.
_STROKE_INK = 0.25  # What belongs to a stroke; less than of one digit, since rulings are gone.
_FAINTEST = 0.4  # Of a full stroke: what is fainter stays faint, or specks of the paper would become strokes.


def extract_line_ink(drawing: NDArray[np.uint8]) -> Ink:
    """Tell the ink of a line from its paper.

    Args:
        drawing: uint8 `(height, width)`, luminance.

    Returns:
        float32 `(height, width)` in [0, 1], 0 is paper and 1 is ink; all 0 if there is no ink.
    """
    contrast, light = measure_contrast(drawing)
    ink = keep_strokes(stretch_contrast(subtract_rulings(contrast), light), _STROKE_INK)
    return even_pressure(ink)


def subtract_rulings(contrast: Ink) -> Ink:
    """Take away thin lines across the drawing; strokes that cross them, or are darker, stay.

    Args:
        contrast: float32 `(height, width)` in [0, 1].
    """
    height, width = contrast.shape
    if width < WIDE * height:
        return contrast
    thickness = max(2, round(MAX_RULING * height))
    slope, ruling = _find_ruling(contrast, thickness)
    if ruling.max() < _LEAST_RULING:
        return contrast
    # Rounded to whole rows, it may lie a row beside.
    ruling = np.lib.stride_tricks.sliding_window_view(np.pad(ruling, 1), 3).max(axis=1)
    rows = _tilt(height, np.arange(width) - width / 2, slope)
    along = np.take_along_axis(contrast, rows, 0)
    padded = np.pad(along, ((thickness + 1, thickness + 1), (0, 0)), "edge")
    crossing = np.minimum(padded[:height], padded[2 * (thickness + 1) :])
    cleaned = np.maximum(along - ruling[:, None], np.minimum(crossing, along))
    without = contrast.copy()
    np.put_along_axis(without, rows, np.where(ruling[:, None] > 0, cleaned, along).astype(np.float32), 0)
    return without


def _find_ruling(contrast: Ink, thickness: int) -> tuple[float, NDArray[np.floating]]:
    """Return the slope at which a thin line shows most, and its contrast in each row, `(height,)`."""
    height, width = contrast.shape
    columns = np.arange(0, width, max(1, width // _MAX_COLUMNS))
    best_slope, best, most = 0.0, np.zeros(height), 0.0
    for slope in SLOPES.tolist():
        rows = _tilt(height, columns - width / 2, slope)
        # What most columns have in common is printed; at the right slope nearly all have it.
        usual, least = np.quantile(contrast[rows, columns], (1 - _RULED_SHARE, 0.1), axis=1)
        ruling = usual - _flatten(usual, thickness)
        if (ruling + least).max() > most:
            best_slope, best, most = slope, ruling, float((ruling + least).max())
    return best_slope, best


def _tilt(height: int, columns: NDArray[np.float64], slope: float) -> NDArray[np.intp]:
    """Return the rows that a line of this slope passes, `(height, columns)`."""
    return (np.arange(height)[:, None] + np.rint(slope * columns).astype(np.intp)).clip(0, height - 1)


def _flatten(profile: NDArray[np.floating], thickness: int) -> NDArray[np.floating]:
    """Take away peaks that are no wider than `thickness`: an opening."""
    reach = thickness // 2 + 1
    for choose in (np.min, np.max):
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(profile, reach, "edge"), 2 * reach + 1)
        profile = choose(windows, axis=1)
    return profile


def even_pressure(ink: Ink) -> Ink:
    """Bring faint strokes to full ink: each pixel is measured against the darkest nearby.

    Args:
        ink: float32 `(height, width)` in [0, 1].
    """
    levels = Image.fromarray((ink * MAX_PIXEL).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.7))
    smooth = np.asarray(levels)
    if not smooth.any():
        return ink
    strokes = smooth > find_threshold(np.bincount(smooth[smooth > 0], minlength=MAX_PIXEL + 1))
    reach = max(2.0, _REACH * measure_stroke(strokes))
    # Wide strokes are measured on fewer pixels, so that no drawing takes long.
    factor = max(1, int(reach / 4))
    darkest = levels.reduce(factor)
    for _ in range(round(reach / factor)):
        darkest = darkest.filter(ImageFilter.MaxFilter(3))
    darkest = darkest.filter(ImageFilter.GaussianBlur(reach / factor / 2)).resize(
        levels.size, Image.Resampling.BILINEAR
    )
    faintest = _FAINTEST * float(np.quantile(smooth[strokes], 0.8)) if strokes.any() else float(MAX_PIXEL)
    return (ink * MAX_PIXEL / np.maximum(np.asarray(darkest, np.float32), faintest)).clip(0, 1).astype(np.float32)


def measure_stroke(mask: Mask) -> float:
    """Return the width of the strokes: their area by half of their outline."""
    padded = np.pad(mask, 1)
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    outline = int((mask & ~inside).sum())
    return max(2 * float(mask.sum()) / max(outline, 1), 1.0)
