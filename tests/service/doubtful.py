"""A line of digits, one of which nobody can tell."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digits.data.dataset import read_labelled_images
from digits.data.images import MAX_PIXEL
from digits.inference.classifier import load_classifier
from digits.inference.line_reader import load_line_reader, read_number
from tests.service.server import ROOT


def paint_doubtful_line() -> Image.Image:
    """Paint a 7, what is part of a 4 and part of a 9, and a 0, dark on white.

    The parts are those at which the shipped models turn from one answer to the other, whatever models these are.
    """
    classifier, reader = load_classifier(ROOT / "models/digits.h5"), load_line_reader(ROOT / "models/lines.h5")
    images = read_labelled_images(ROOT / "data" / "test.csv.gz").images.astype(float)
    lower, upper = 0.0, 1.0
    for _ in range(8):
        share = (lower + upper) / 2
        line = _paint_line([images[0], (1 - share) * images[6251] + share * images[5262], images[3]])
        lower, upper = (share, upper) if read_number(line, reader, classifier)[1].digit == 4 else (lower, share)
    return Image.fromarray(line)


def _paint_line(images: list[NDArray[np.float64]]) -> NDArray[np.uint8]:
    return np.concatenate([_enlarge(one.astype(np.uint8)) for one in images], axis=1)


def _enlarge(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    large = Image.fromarray(MAX_PIXEL - image).resize((112, 112), Image.Resampling.BICUBIC)
    return np.pad(np.asarray(large), ((30, 30), (12, 12)), constant_values=MAX_PIXEL)
