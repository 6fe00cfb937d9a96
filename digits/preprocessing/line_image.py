"""From a drawing of a line of digits to what the line network sees: 32 rows, and as many columns as it takes.

The digits fill 28 of the rows. Contrast to the paper is kept, faint patterns and all: the network has seen such paper,
and tells strokes from it better than a threshold does.
"""

from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digits.data.images import MAX_PIXEL, SIZE, scale_pixels
from digits.preprocessing.binarise import Ink, measure_contrast
from digits.preprocessing.rulings import keep_line_strokes

LINE_HEIGHT = 32
STRIDE = 4
"""Columns between one step of the line network and the next."""
_FILLED = 28  # The digits fill so many of the rows.
_INK = 0.2  # Paper has at most this ink, of 1.
_MARGIN = 6  # So many columns of paper are on either side.
_SINGLE_WIDTH = 40  # Columns: 28 * 28 / 20, so that 20 rows become 28, rounded up to a multiple of STRIDE.
_MAX_WIDTH = 2048  # Columns. A wider picture shows a rule and no line of digits.


@dataclass(frozen=True)
class FramedLine:
    """A line as the network sees it, and where it lies in the drawing.

    Attributes:
        image: uint8 `(32, width)`, 0 is paper and 255 is ink; the width is a multiple of 4.
        ink: float32 `(height, width)` in [0, 1], of the whole drawing.
        left: Of the image, in columns of the drawing; may lie outside of it.
        scale: Pixels of the drawing that one of the image is wide.
    """

    image: NDArray[np.uint8]
    ink: Ink
    left: float
    scale: float

    def locate(self, step: float) -> float:
        """Return the column of the drawing that is in the middle of what the network saw at this step."""
        return self.left + (step + 0.5) * STRIDE * self.scale

    def widen(self) -> "FramedLine":
        """Return the same line twice as wide."""
        height, width = self.image.shape
        wide = Image.fromarray(self.image).resize((2 * width, height), Image.Resampling.BICUBIC)
        return replace(self, image=np.asarray(wide), scale=self.scale / 2)


def frame_line(drawing: NDArray[np.uint8]) -> FramedLine | None:
    """Find the line in a drawing.

    Args:
        drawing: uint8 `(height, width)`, luminance, dark ink on light paper or the reverse.

    Returns:
        The line, or None if there is no ink.
    """
    contrast, light = measure_contrast(drawing)
    return _frame(contrast, keep_line_strokes(contrast, light))


def frame_ink(contrast: Ink) -> FramedLine | None:
    """Find the line in the contrast of its ink alone, float32 `(height, width)` in [0, 1]."""
    full = float(np.quantile(contrast[contrast > 0.05], 0.8)) if (contrast > 0.05).any() else 1.0
    return _frame(contrast, (contrast / full).clip(0, 1))


def _frame(contrast: Ink, ink: Ink) -> FramedLine | None:
    rows, columns = (np.flatnonzero((ink > _INK).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return None
    scale = float(rows[-1] + 1 - rows[0]) / _FILLED
    left, top = columns[0] - _MARGIN * scale, rows[0] - (LINE_HEIGHT - _FILLED) / 2 * scale
    width = min(ceil(((columns[-1] + 1 - columns[0]) / scale + 2 * _MARGIN) / STRIDE) * STRIDE, _MAX_WIDTH)
    levels = (contrast * MAX_PIXEL).astype(np.uint8)
    # There is paper all around, so that the frame may reach out of the drawing.
    margin = ceil(_MARGIN * scale) + ceil(STRIDE * scale)
    box = left + margin, top + margin, left + margin + width * scale, top + margin + LINE_HEIGHT * scale
    framed = Image.fromarray(np.pad(levels, margin)).resize((width, LINE_HEIGHT), Image.Resampling.BILINEAR, box)
    return FramedLine(stretch_line(np.asarray(framed)), ink, left, scale)


def frame_digits(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Show single digits about as the line network sees a line: digits that are higher than wide fill 28 of the rows.

    Args:
        images: uint8 `(n, 28, 28)`, in MNIST's form: the longer side of the ink is 20 pixels.

    Returns:
        uint8 `(n, 32, 40)`, the ink's rows in the middle.
    """
    rows = LINE_HEIGHT * SIZE / _SINGLE_WIDTH
    framed = np.zeros((len(images), LINE_HEIGHT, _SINGLE_WIDTH), np.uint8)
    for image, line in zip(images, framed, strict=True):
        inked = np.flatnonzero(image.any(axis=1))
        if len(inked):
            # There is paper above and below, so that the frame may reach out of the image.
            top = SIZE + (inked[0] + inked[-1] + 1 - rows) / 2
            padded = Image.fromarray(np.pad(image, ((SIZE, SIZE), (0, 0))))
            size, box = (_SINGLE_WIDTH, LINE_HEIGHT), (0, top, SIZE, top + rows)
            line[:] = np.asarray(padded.resize(size, Image.Resampling.BILINEAR, box))
    return framed


def make_line_batch(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Turn lines into the line network's input.

    Args:
        images: uint8 `(n, 32, width)`.

    Returns:
        float32 `(n, 32, width, 1)` in [0, 1].
    """
    return scale_pixels(images[..., None])


def stretch_line(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Bring a line's darkest strokes to full ink, and the median of its paper to none.

    Args:
        levels: uint8 `(height, width)`, contrast to the paper.
    """
    paper, full = np.quantile(levels, [0.4, 0.985])
    stretched: NDArray[np.uint8] = (
        ((levels - paper) * (MAX_PIXEL / max(full - paper, 8.0))).clip(0, MAX_PIXEL).astype(np.uint8)
    )
    return stretched
