"""Separate ink from paper, whatever its polarity, the light, the paper's texture, its rulings and specks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from digits.data.images import MAX_PIXEL
from digits.preprocessing.components import label_components
from digits.preprocessing.morphology import dilate, erode
from digits.preprocessing.printed_lines import find_printed
from digits.preprocessing.threshold import count_levels, find_level, find_levels, find_threshold

Ink = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Lengths are shares of the picture's longer side, levels are grey levels 0-255, contrasts are shares of the paper's
# brightness.
_LIGHT_SIDE = 64  # The light is measured on a picture whose longer side has this many pixels.
_STROKE_SHARE = 0.4  # No stroke is wider than this length; a shadow is.
_STROKE_SHARE_IN_SHADOW = 0.2  # The same where the light is uneven.
_EVEN_LEVELS = 25  # The light is even if the border's darkest and lightest fifth differ by at most so many levels.
_OUTLINE_SHARE = 0.06  # No outline along the picture's edge is wider than this length.
_OUTLINE_LEVELS = 100  # An outline differs from the picture's median by more levels.
_EDGE_SHARE = (
    0.08  # This share of the shorter side is cut off, because rulings along the edge make paper look like ink.
)
_MIN_CONTRAST = 0.1  # The contrast of the faintest ink, such as yellow on white.
_MIN_CONTRAST_IN_SHADOW = 0.22  # The same where the light is uneven.
_MIN_CONTRAST_TO_NOISE = 4.0  # Ink stands out from the median of the paper by so many times the paper's own spread.
_SMOOTHING_REACH = 3  # Pixels: Pillow's blur of radius 1 is three means of three pixels.
_STROKE_INK = 0.4  # A stroke has more ink than this, of 1; printed lines have less.
_RULED_SHARE = 0.9  # Rulings cross more than this share of the columns or of the rows.
_PEN_SHARE = 0.03  # A pen covers more than this share of the dark pixels; less is a speck.
_SPECK_SHARE = 0.02  # A speck is smaller than this share of the largest component.


@dataclass(frozen=True)
class Light:
    """How a drawing was taken.

    Attributes:
        is_photo: It is a photo or a scan, and so has noise.
        min_contrast: Fainter ink cannot be told from a shadow; a share of the paper's brightness.
    """

    is_photo: bool
    min_contrast: float


def extract_ink(drawing: NDArray[np.uint8]) -> Ink:
    """Separate ink from paper, whatever the light.

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
        float32 `(height, width)` in [0, 1], a share of the paper's brightness; and how the drawing was taken.
    """
    drawing, counts = _fill_outline(drawing)
    darkest, paper, lightest = find_levels(count_levels(np.concatenate(_list_sides(drawing))), 0.2, 0.5, 0.8)
    # So few pixels are no photo: if their border varies, a digit touches it.
    is_photo = max(drawing.shape) > _LIGHT_SIDE
    is_even = not is_photo or lightest - darkest <= _EVEN_LEVELS
    if _is_lighter_than(paper, counts) if is_even else _is_ink_light(drawing):
        drawing = MAX_PIXEL - drawing
    stroke_share, min_contrast = (
        (_STROKE_SHARE, _MIN_CONTRAST) if is_even else (_STROKE_SHARE_IN_SHADOW, _MIN_CONTRAST_IN_SHADOW)
    )
    # Both are at least 1: a drawing that is black all over has no ink, and nothing is divided by 0.
    brightness = np.maximum(drawing, 1) / np.maximum(_measure_light(drawing, stroke_share), 1)
    contrast = np.subtract(1, brightness, out=brightness)
    return contrast.clip(0, 1, out=contrast), Light(is_photo, min_contrast)


def _fill_outline(drawing: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
    """Put paper in place of an outline along the picture's edge, such as the sides of a cell or a window's border.

    Returns:
        The picture, and the counts of its levels.
    """
    counts = count_levels(drawing)
    median = find_level(counts, 0.5)
    height, width = drawing.shape
    most = min(max(1, round(_OUTLINE_SHARE * max(height, width))), (min(height, width) - 1) // 2)
    for width_outside in range(most + 1):
        inside = drawing[width_outside : height - width_outside, width_outside : width - width_outside]
        sides = _list_sides(inside)
        if not all(_is_outline(count_levels(side), median) for side in sides):
            break
    # If the inside differs from the median, the outline is the paper around a large digit, and stays.
    if not width_outside or abs(find_level(count_levels(np.concatenate(sides)), 0.5) - median) > _EVEN_LEVELS:
        return drawing, counts
    filled = np.pad(inside, width_outside, "edge")
    return filled, count_levels(filled)


def _list_sides(drawing: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Return the first and last row and column."""
    return [drawing[0], drawing[-1], drawing[:, 0], drawing[:, -1]]


def _is_outline(counts: NDArray[np.intp], median: int) -> bool:
    darkest, usual, lightest = find_levels(counts, 0.1, 0.5, 0.9)
    return lightest - darkest <= _EVEN_LEVELS and abs(usual - median) > _OUTLINE_LEVELS


def _is_lighter_than(paper: int, counts: NDArray[np.intp]) -> bool:
    """Whether the ink is lighter than paper: its extremes tell, or where both are near, the skewness of all levels."""
    darkest, lightest = find_levels(counts, 0.01, 0.99)
    lighter, darker = lightest - paper, paper - darkest
    if max(lighter, darker) > _EVEN_LEVELS:
        return lighter > darker
    return float(counts @ (np.arange(len(counts)) - paper) ** 3.0) > 0


def _is_ink_light(drawing: NDArray[np.uint8]) -> bool:
    """Whether the ink is light: of the contrasts of pixels to their surroundings, the skewness tells."""
    edge = round(_EDGE_SHARE * min(drawing.shape))
    inside = drawing[edge : drawing.shape[0] - edge, edge : drawing.shape[1] - edge]
    small = Image.fromarray(inside).resize(_fit(inside.shape), Image.Resampling.BOX)
    around = np.asarray(small.filter(ImageFilter.GaussianBlur(_LIGHT_SIDE / 8)), np.float32)
    contrast = (np.asarray(small, np.float32) + 1) / (around + 1) - 1
    return float((contrast**3).sum()) > 0


def _measure_light(drawing: NDArray[np.uint8], stroke_share: float) -> Ink:
    """Return the brightness of bare paper at each pixel, by a closing that is wider than any stroke."""
    height, width = drawing.shape
    small = Image.fromarray(drawing).resize(_fit(drawing.shape), Image.Resampling.BOX)
    reach = max(1, round(max(small.size) * stroke_share / 2))
    paper = erode(dilate(np.asarray(small), reach), reach).astype(np.float32)
    return np.asarray(Image.fromarray(paper).resize((width, height), Image.Resampling.BILINEAR))


def _fit(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the width and the height at which the light is measured."""
    scale = min(1, _LIGHT_SIDE / max(shape))
    return max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale))


def stretch_contrast(contrast: Ink, light: Light) -> Ink:
    """Map the paper's noise to 0 and a full stroke to 1, or everything to 0 if no stroke stands out.

    Args:
        contrast: float32 `(height, width)` in [0, 1].
        light: How the drawing was taken.
    """
    levels = (contrast * MAX_PIXEL).astype(np.uint8)
    _, usual, full, threshold = _measure_levels(levels)
    # Smoothing reaches this far, and leaves the paper of a drawing bare.
    is_bare = usual == 0 and 2 * np.count_nonzero(dilate(levels > 0, _SMOOTHING_REACH)) < levels.size
    if full < light.min_contrast or (light.is_photo and not is_bare and _is_noise(levels)):
        return np.zeros_like(contrast)
    noise = min(3 * usual, threshold)
    ink = contrast - noise
    ink /= max(full - noise, 1 / MAX_PIXEL)
    return ink.clip(0, 1, out=ink)


def _is_noise(levels: NDArray[np.uint8]) -> bool:
    """Whether no stroke stands out. Smoothing takes more from noise and fine patterns than from strokes."""
    smooth = Image.fromarray(levels).filter(ImageFilter.GaussianBlur(1))
    faintest, usual, full, _ = _measure_levels(np.asarray(smooth))
    return full - usual < _MIN_CONTRAST_TO_NOISE * (usual - faintest)


def _measure_levels(levels: NDArray[np.uint8]) -> tuple[float, float, float, float]:
    """Return the paper's 10th percentile and median, the strokes' 90th percentile, and the threshold, in [0, 1]."""
    counts = count_levels(levels)
    paper, strokes, threshold = _part_levels(counts)
    printed, pen, pen_threshold = _part_levels(strokes)
    # A thin 1 has less ink than the rulings under it. These were taken for strokes then, and are paper.
    is_faint = find_level(printed, 0.5) < _STROKE_INK * find_level(pen, 0.5)
    if is_faint and pen.sum() > _PEN_SHARE * strokes.sum() and _is_ruled(levels > threshold, levels > pen_threshold):
        paper, strokes, threshold = paper + printed, pen, pen_threshold
    # The median and not the deviation, because the soft edges of strokes lie below the threshold, too.
    faintest, usual = find_levels(paper, 0.1, 0.5)
    full = find_level(strokes, 0.9)
    return faintest / MAX_PIXEL, usual / MAX_PIXEL, full / MAX_PIXEL, threshold / MAX_PIXEL


def _is_ruled(inked: Mask, pen: Mask) -> bool:
    """Whether lines beside the pen's ink cross the whole width or height. A digit in pencil is in one place."""
    printed = inked & ~dilate(pen, 2)
    return max(float(printed.any(axis=axis).mean()) for axis in (0, 1)) > _RULED_SHARE


def keep_strokes(ink: Ink, stroke_ink: float = _STROKE_INK, has_frames: bool = True) -> Ink:
    """Keep dark strokes with their soft edges; leave out specks, printed lines and faint ink.

    Args:
        ink: float32 `(height, width)` in [0, 1].
        stroke_ink: Strokes have more ink than this.
        has_frames: False if frames were erased before, so that none is searched.
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
    """Mark the components that are no specks, bool `(n,)`."""
    return areas >= max(_SPECK_SHARE * int(areas.max()), 1)


def _part_levels(counts: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp], int]:
    """Split the counts of levels at Otsu's threshold; return the lower, the higher and the threshold."""
    threshold = find_threshold(counts)
    below, above = counts.copy(), counts.copy()
    below[threshold + 1 :] = above[: threshold + 1] = 0
    return below, above, threshold
