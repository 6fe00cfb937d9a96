"""A drawing of any size, polarity and light -> an image as MNIST's were made.

`extract_ink` finds what is ink, `normalise_ink` brings it into MNIST's form: the ink's bounding box resampled by area
to 20x20, pasted into 28x28 with its centre of mass in the centre (LeCun's page on MNIST; Yadav and Bottou, "Cold Case:
The Lost MNIST Digits", arXiv 1905.10498). On MNIST's own images both together are nearly the identity.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digits.images import MAX_PIXEL, SIZE

Ink = NDArray[np.float32]

_DIGIT_SIDE = 20  # Of 28: what the digit's longer side fills in MNIST.
_WORKING_SIDE = 512
_LIGHT_SIDE = 64  # The light on the paper is measured on this many pixels.
_STROKE_SHARE = 0.4  # Of the longer side: anything wider than this is no stroke, but a shadow.
_MIN_CONTRAST = 0.06  # Of the paper's brightness; fainter is no ink.


def normalise_drawing(drawing: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Bring a drawing of one digit into MNIST's form.

    Args:
        drawing: uint8 `(height, width)`, luminance, dark ink on light paper or the reverse.

    Returns:
        uint8 `(28, 28)`, 0 is paper and 255 is ink; all 0 if there is no ink.
    """
    factor = -(-max(drawing.shape) // _WORKING_SIDE)
    if factor > 1:
        drawing = np.asarray(Image.fromarray(drawing).reduce(factor))
    return normalise_ink(extract_ink(drawing))


def extract_ink(drawing: NDArray[np.uint8]) -> Ink:
    """Tell ink from paper, whatever the light.

    Args:
        drawing: uint8 `(height, width)`, luminance.

    Returns:
        float32 `(height, width)` in [0, 1], 0 is paper and 1 is ink; all 0 if there is no ink.
    """
    brightness = drawing.astype(np.float32)
    if _is_ink_light(drawing):
        brightness = MAX_PIXEL - brightness
    brightness = np.maximum(brightness, 1)
    ink = np.clip(1 - brightness / _measure_light(brightness), 0, 1)
    return _stretch_contrast(ink)


def normalise_ink(ink: Ink) -> NDArray[np.uint8]:
    """Do what MNIST's makers did with scanned digits.

    Args:
        ink: float32 `(height, width)` in [0, 1].

    Returns:
        uint8 `(28, 28)`; all 0 if there is no ink.
    """
    rows, columns = np.flatnonzero(ink.max(axis=1) > 0), np.flatnonzero(ink.max(axis=0) > 0)
    image = np.zeros((SIZE, SIZE), np.uint8)
    if not len(rows):
        return image
    digit = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = (max(1, round(side * _DIGIT_SIDE / max(digit.shape))) for side in digit.shape)
    digit = _resample(digit, height, width)
    top, left = (_place(digit.sum(axis=1 - axis)) for axis in (0, 1))
    image[top : top + height, left : left + width] = np.rint(digit * MAX_PIXEL).astype(np.uint8)
    return image


def _place(mass: NDArray[np.float32]) -> int:
    """Return where `mass` along an axis starts so that its centre falls on the centre of 28 pixels."""
    centre = float(mass @ np.arange(len(mass))) / float(mass.sum())
    start = int(np.rint(SIZE / 2 - centre))
    return min(max(start, 0), SIZE - len(mass))


def _resample(digit: Ink, height: int, width: int) -> Ink:
    method = Image.Resampling.BOX if max(digit.shape) >= _DIGIT_SIDE else Image.Resampling.BICUBIC
    resampled = Image.fromarray(digit).resize((width, height), method)
    return np.asarray(resampled).clip(0, 1)


def _is_ink_light(drawing: NDArray[np.uint8]) -> bool:
    """Compare the border, which is paper, with the darkest and the lightest that there is."""
    border = np.concatenate([drawing[0], drawing[-1], drawing[:, 0], drawing[:, -1]])
    paper = float(np.median(border))
    darkest, lightest = np.percentile(drawing, (1, 99))
    return bool(lightest - paper > paper - darkest)


def _measure_light(brightness: Ink) -> Ink:
    """Return the brightness that the bare paper has at each pixel: a closing wider than any stroke."""
    height, width = brightness.shape
    scale = min(1, _LIGHT_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    paper = np.asarray(Image.fromarray(brightness).resize(size, Image.Resampling.BOX))
    reach = max(1, round(max(size) * _STROKE_SHARE / 2))
    for axis in (0, 1):
        paper = _spread(paper, reach, axis, np.maximum)
    for axis in (0, 1):
        paper = _spread(paper, reach, axis, np.minimum)
    return np.asarray(Image.fromarray(paper).resize((width, height), Image.Resampling.BILINEAR))


def _spread(values: Ink, reach: int, axis: int, choose: np.ufunc) -> Ink:
    """Give each pixel the extreme of those at most `reach` away along an axis."""
    pads = [(reach, reach) if axis == side else (0, 0) for side in (0, 1)]
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, pads, "edge"), 2 * reach + 1, axis)
    spread: Ink = choose.reduce(windows, axis=-1)
    return spread


def _stretch_contrast(ink: Ink) -> Ink:
    """Map the paper's noise to 0 and a full stroke to 1."""
    threshold = _find_threshold(ink)
    strokes = ink[ink > threshold]
    full = float(np.percentile(strokes, 90)) if len(strokes) else 0.0
    if full < _MIN_CONTRAST:
        return np.zeros_like(ink)
    paper = ink[ink <= threshold]
    # The median and not the deviation: a stroke's soft edge lies below the threshold, too, and is no noise.
    noise = min(3 * float(np.median(paper)), threshold) if len(paper) else 0.0
    stretched: Ink = np.clip((ink - noise) / max(full - noise, 1e-6), 0, 1)
    return stretched


def _find_threshold(ink: Ink) -> float:
    """Return Otsu's threshold (IEEE Transactions on Systems, Man, and Cybernetics 9(1), 1979)."""
    counts, edges = np.histogram(ink, 64, (0, 1))
    levels = (edges[:-1] + edges[1:]) / 2
    below = counts.cumsum()
    above = below[-1] - below
    sums = (counts * levels).cumsum()
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(edges[1:][np.nanargmax(np.nan_to_num(variance))])
