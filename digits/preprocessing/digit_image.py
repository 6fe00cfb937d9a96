"""From a drawing of any size, polarity and light to an image in MNIST's form.

The ink's bounding box is resampled by area to 20x20 and pasted into 28x28 with its centre of mass in the centre
(LeCun's page on MNIST; Yadav and Bottou, "Cold Case: The Lost MNIST Digits", arXiv 1905.10498). On MNIST's own images
this, and finding their ink, is nearly the identity.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digits.data.images import MAX_PIXEL, SIZE
from digits.preprocessing.binarise import Ink, extract_ink
from digits.preprocessing.morphology import dilate, dilate_to_neighbours, measure_stroke_width

_DIGIT_SIDE = 20  # Pixels of 28 that the digit's longer side fills in MNIST.
_WORKING_SIDE = 256  # Pixels of the longer side; a larger drawing is reduced first.
_MIN_PEN = 1.3  # Pixels of the 20. One in 200 of MNIST's digits is written with a thinner pen.
_PEN = 2.0  # Pixels of the 20 to which a thinner pen is widened.
_FAINTEST = 0.02  # A share of full ink. A resampled edge leaves less than this where MNIST has paper.


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


def normalise_ink(ink: Ink) -> NDArray[np.uint8]:
    """Bring ink into MNIST's form, as its makers did with scanned digits.

    Args:
        ink: float32 `(height, width)` in [0, 1].

    Returns:
        uint8 `(28, 28)`; all 0 if there is no ink.
    """
    digit = _crop(ink, _FAINTEST)
    return fit_ink(_widen_thin_pen(digit) if digit.size else digit)


def fit_ink(ink: Ink) -> NDArray[np.uint8]:
    """Scale ink to MNIST's 20x20 and centre it in 28x28, without widening the pen.

    Args:
        ink: float32 `(height, width)` in [0, 1].

    Returns:
        uint8 `(28, 28)`; all 0 if there is no ink.
    """
    image = np.zeros((SIZE, SIZE), np.uint8)
    digit = _crop(ink)
    if not digit.size:
        return image
    height, width = (max(1, round(side * _DIGIT_SIDE / max(digit.shape))) for side in digit.shape)
    digit = _resample(digit, height, width)
    top, left = (_place(digit.sum(axis=1 - axis)) for axis in (0, 1))
    image[top : top + height, left : left + width] = np.rint(digit * MAX_PIXEL).astype(np.uint8)
    return image


def _crop(ink: Ink, faintest: float = 0.0) -> Ink:
    """Cut out the bounding box of the pixels with more than the faintest ink."""
    is_inked = ink > faintest
    rows, columns = (np.flatnonzero(is_inked.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return ink[:0]
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _widen_thin_pen(digit: Ink) -> Ink:
    """Widen a pen that would be grey instead of full ink on 20 pixels."""
    scale = max(digit.shape) / _DIGIT_SIDE
    pen = float(measure_stroke_width(digit)) / scale
    if pen >= _MIN_PEN:
        return digit
    num_pixels = round((_PEN - pen) / 2 * scale)
    wide = np.pad(digit, num_pixels)
    for step in range(num_pixels):
        # Four neighbours and eight in turn make an octagon of a dot.
        wide = dilate(wide) if step % 2 else dilate_to_neighbours(wide)
    return wide


def _resample(digit: Ink, height: int, width: int) -> Ink:
    method = Image.Resampling.BOX if max(digit.shape) >= _DIGIT_SIDE else Image.Resampling.LANCZOS
    resampled = Image.fromarray(np.ascontiguousarray(digit)).resize((width, height), method)
    return np.asarray(resampled).clip(0, 1)


def _place(mass: NDArray[np.float32]) -> int:
    """Return the pixel at which `mass` starts so that its centre falls on the centre of 28 pixels."""
    centre = float(mass @ np.arange(len(mass))) / float(mass.sum())
    start = round(SIZE / 2 - centre)
    return min(max(start, 0), SIZE - len(mass))
