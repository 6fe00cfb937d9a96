"""A line of digits, one of which nobody can tell."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from server import ROOT

from digits.dataset import read_labelled_images
from digits.images import MAX_PIXEL


def paint_doubtful_line() -> Image.Image:
    """Paint a 7, what is half a 4 and half a 9, and a 0, dark on white."""
    digits = read_labelled_images(ROOT / "data" / "test.csv.gz").images
    blended = ((digits[6251].astype(int) + digits[5262]) // 2).astype(np.uint8)
    return Image.fromarray(np.concatenate([_enlarge(one) for one in (digits[0], blended, digits[3])], axis=1))


def _enlarge(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    large = Image.fromarray(MAX_PIXEL - image).resize((112, 112), Image.Resampling.BICUBIC)
    return np.pad(np.asarray(large), ((30, 30), (12, 12)), constant_values=MAX_PIXEL)
