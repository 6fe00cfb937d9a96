"""Ink told from paper: polarity, uneven light, the paper's texture and faint lines, specks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from digits.data.images import MAX_PIXEL
from digits.preprocessing.components import label_components
from digits.preprocessing.morphology import dilate, erode
from digits.preprocessing.printed_lines import find_printed
from digits.preprocessing.threshold import count_levels, find_level, find_threshold

Ink = NDArray[np.float32]
Mask = NDArray[np.bool_]

_LIGHT_SIDE = 64  # The light on the paper is measured on this many pixels.
_STROKE_SHARE = 0.4  # Of the longer side: what is wider is no stroke, but a shadow.
_STROKE_SHARE_IN_SHADOW = 0.2
_EVEN_LEVELS = 25  # Of 255, between the darker and the lighter fifth of the border.
_OUTLINE_SHARE = 0.06  # Of the longer side, at the most, is an outline wide,
_OUTLINE_LEVELS = 100  # and differs from what is usual by more.
_EDGE_SHARE = 0.08  # Of the shorter side: rulings that lie along the edge make the paper beside them look like ink.
_MIN_CONTRAST = 0.1  # Of the paper's brightness, as yellow has on white; fainter is no ink.
_MIN_CONTRAST_IN_SHADOW = 0.22
_MIN_CONTRAST_TO_NOISE = 4.0
_STROKE_INK = 0.4  # What belongs to a stroke, beside its soft edge; lines printed on paper are fainter than a pen's.
_RULED_SHARE = 0.9  # Of columns or rows.
_PEN_SHARE = 0.03  # Of what is darker than paper, at the least; less is a speck.
_SPECK_SHARE = 0.02  # Of the largest piece's pixels.


@dataclass(frozen=True)
class Light:
    """What a drawing was seen in: a photo or scan has noise, and in shadows faint ink cannot be told."""

    is_photo: bool
    min_contrast: float


def extract_ink(drawing: NDArray[np.uint8]) -> Ink:
    """Tell ink from paper, whatever the light.

    Args:
        drawing: uint8 `(height, width)`, luminance.

    Returns:
        float32 `(height, width)` in [0, 1], 0 is paper and 1 is ink; all 0 if there is no ink.
    """
    contrast, light = measure_contrast(drawing)
    return keep_strokes(stretch_contrast(contrast, light))


def measure_contrast(drawing: NDArray[np.uint8]) -> tuple[Ink, Light]:
    """Measure how much darker than bare paper each pixel is, or lighter where light ink was used.

    Args:
        drawing: uint8 `(height, width)`, luminance.

    Returns:
        float32 `(height, width)` in [0, 1], a share of the paper's brightness; and the light that it was seen in.
    """
    drawing = _fill_outline(drawing)
    border = count_levels(np.concatenate(_list_sides(drawing)))
    # So few pixels are no photo: what varies along their border is a digit that touches it.
    is_photo = max(drawing.shape) > _LIGHT_SIDE
    is_even = not is_photo or find_level(border, 0.8) - find_level(border, 0.2) <= _EVEN_LEVELS
    if _is_lighter_than(find_level(border, 0.5), drawing) if is_even else _is_ink_light(drawing):
        drawing = MAX_PIXEL - drawing
    stroke_share, min_contrast = (
        (_STROKE_SHARE, _MIN_CONTRAST) if is_even else (_STROKE_SHARE_IN_SHADOW, _MIN_CONTRAST_IN_SHADOW)
    )
    # At least 1 for both: a drawing that is black all over has no ink, and paper cannot be divided by 0.
    contrast = 1 - np.maximum(drawing, 1) / np.maximum(_measure_light(drawing, stroke_share), 1)
    return contrast.clip(0, 1), Light(is_photo, min_contrast)


def _fill_outline(drawing: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Put paper in place of an outline along the picture's edge: a cell that was cut out, a window's border."""
    usual = find_level(count_levels(drawing), 0.5)
    height, width = drawing.shape
    most = min(max(1, round(_OUTLINE_SHARE * max(height, width))), (min(height, width) - 1) // 2)
    for wide in range(most + 1):
        inside = drawing[wide : height - wide, wide : width - wide]
        sides = np.array([count_levels(side) for side in _list_sides(inside)])
        if not all(_is_outline(side, usual) for side in sides):
            break
    # Else it is paper, round a digit that fills more than half of the picture.
    is_paper_inside = abs(find_level(sides.sum(axis=0), 0.5) - usual) <= _EVEN_LEVELS
    return np.pad(inside, wide, "edge") if wide and is_paper_inside else drawing


def _list_sides(drawing: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Return the first and last row and column."""
    return [drawing[0], drawing[-1], drawing[:, 0], drawing[:, -1]]


def _is_outline(counts: NDArray[np.intp], usual: int) -> bool:
    is_even = find_level(counts, 0.9) - find_level(counts, 0.1) <= _EVEN_LEVELS
    return is_even and abs(find_level(counts, 0.5) - usual) > _OUTLINE_LEVELS


def _is_lighter_than(paper: int, drawing: NDArray[np.uint8]) -> bool:
    """Compare paper with the darkest and the lightest that there is, or where both are rare, with all that there is."""
    counts = count_levels(drawing)
    lighter, darker = find_level(counts, 0.99) - paper, paper - find_level(counts, 0.01)
    if max(lighter, darker) > _EVEN_LEVELS:
        return lighter > darker
    return float(counts @ (np.arange(len(counts)) - paper) ** 3.0) > 0


def _is_ink_light(drawing: NDArray[np.uint8]) -> bool:
    """Compare each pixel with its surroundings: ink is little, but differs most."""
    edge = round(_EDGE_SHARE * min(drawing.shape))
    inside = drawing[edge : drawing.shape[0] - edge, edge : drawing.shape[1] - edge]
    small = Image.fromarray(inside).resize(_fit(inside.shape), Image.Resampling.BOX)
    around = np.asarray(small.filter(ImageFilter.GaussianBlur(_LIGHT_SIDE / 8)), np.float32)
    contrast = (np.asarray(small, np.float32) + 1) / (around + 1) - 1
    return float((contrast**3).sum()) > 0


def _measure_light(drawing: NDArray[np.uint8], stroke_share: float) -> Ink:
    """Return the brightness that bare paper has at each pixel: a closing wider than any stroke."""
    height, width = drawing.shape
    small = Image.fromarray(drawing).resize(_fit(drawing.shape), Image.Resampling.BOX)
    reach = max(1, round(max(small.size) * stroke_share / 2))
    paper = erode(dilate(np.asarray(small, np.float32), reach), reach)
    return np.asarray(Image.fromarray(paper).resize((width, height), Image.Resampling.BILINEAR))


def _fit(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return width and height on which the light is measured."""
    scale = min(1, _LIGHT_SIDE / max(shape))
    return max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale))


def stretch_contrast(contrast: Ink, light: Light) -> Ink:
    """Map the paper's noise to 0 and a full stroke to 1; all to 0 where what is darkest does not stand out.

    Args:
        contrast: float32 `(height, width)` in [0, 1].
        light: It was seen in.
    """
    levels = Image.fromarray((contrast * MAX_PIXEL).astype(np.uint8))
    _, usual, full, threshold = _measure_levels(np.asarray(levels))
    # Smoothing takes more from noise and fine patterns than from strokes.
    faintest, smooth_usual, smooth_full, _ = _measure_levels(np.asarray(levels.filter(ImageFilter.GaussianBlur(1))))
    is_noise = smooth_full - smooth_usual < _MIN_CONTRAST_TO_NOISE * (smooth_usual - faintest)
    if full < light.min_contrast or (light.is_photo and is_noise):
        return np.zeros_like(contrast)
    noise = min(3 * usual, threshold)
    return ((contrast - noise) / max(full - noise, 1 / MAX_PIXEL)).clip(0, 1)


def _measure_levels(levels: NDArray[np.uint8]) -> tuple[float, float, float, float]:
    """Return the faintest and the usual ink of paper, that of a full stroke, and what parts them, in [0, 1]."""
    counts = count_levels(levels)
    paper, strokes, threshold = _part_levels(counts)
    printed, pen, pen_threshold = _part_levels(strokes)
    # A thin 1 is less ink than the lines that it stands on: these were taken for the strokes, and are paper.
    is_faint = find_level(printed, 0.5) < _STROKE_INK * find_level(pen, 0.5)
    if is_faint and pen.sum() > _PEN_SHARE * strokes.sum() and _is_ruled(levels > threshold, levels > pen_threshold):
        paper, strokes, threshold = paper + printed, pen, pen_threshold
    # The median and not the deviation: a stroke's soft edge lies below the threshold, too, and is no noise.
    found = find_level(paper, 0.1), find_level(paper, 0.5), find_level(strokes, 0.9), threshold
    return found[0] / MAX_PIXEL, found[1] / MAX_PIXEL, found[2] / MAX_PIXEL, found[3] / MAX_PIXEL


def _is_ruled(inked: Mask, pen: Mask) -> bool:
    """Whether there are lines all over the width or height beside the pen's ink; a pencil's digit is in one place."""
    printed = inked & ~dilate(pen, 2)
    return max(float(printed.any(axis=axis).mean()) for axis in (0, 1)) > _RULED_SHARE


def keep_strokes(ink: Ink, stroke_ink: float = _STROKE_INK, has_frames: bool = True) -> Ink:
    """Keep what is dark, with its soft edge, and leave out specks and what is faint.

    Args:
        ink: float32 `(height, width)` in [0, 1].
        stroke_ink: What belongs to a stroke has more.
        has_frames: False where frames were erased before; then none is looked for.
    """
    mask = ink > stroke_ink
    labels, num_pieces = label_components(mask)
    areas = np.bincount(labels.ravel(), minlength=num_pieces + 1)
    areas[0] = 0
    areas[find_printed(labels, _mark_large(areas), has_frames)] = 0
    mask &= _mark_large(areas)[labels]
    edge = max(2, round(max(ink.shape) / 128))
    return np.where(dilate(mask, edge), ink, np.float32(0))


def _mark_large(areas: NDArray[np.intp]) -> Mask:
    """Mark the pieces that are no specks."""
    return areas >= max(_SPECK_SHARE * int(areas.max()), 1)


def _part_levels(counts: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp], int]:
    """Return the counts of the levels up to Otsu's threshold, those of the levels above it, and the threshold."""
    threshold = find_threshold(counts)
    below, above = counts.copy(), counts.copy()
    below[threshold + 1 :] = above[: threshold + 1] = 0
    return below, above, threshold
