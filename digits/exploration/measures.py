"""Measure digits, and a network that reads them, for the notebook."""

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances_argmin

from digits.data.images import BATCH_SHAPE, NUM_PIXELS, SIZE, make_batch
from digits.inference.onnx_session import Predict


def measure_slant(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the slant of each digit, from the second moments of its ink.

    Args:
        images: uint8 `(n, 28, 28)`, none of them blank.

    Returns:
        float64 `(n,)` in degrees; 0 is upright, and above 0 a digit leans to the right.
    """
    ink = images.reshape(-1, NUM_PIXELS).astype(np.float64)
    ink /= ink.sum(axis=1, keepdims=True)
    rows, columns = np.divmod(np.arange(NUM_PIXELS), SIZE)
    row_offsets = rows - (ink @ rows)[:, None]
    column_offsets = columns - (ink @ columns)[:, None]
    shear = (ink * row_offsets * column_offsets).sum(axis=1) / (ink * row_offsets**2).sum(axis=1)
    # Rows count downwards, so a stroke that leans to the right has smaller columns in larger rows.
    degrees: NDArray[np.float64] = np.rad2deg(np.arctan(-shear))
    return degrees


def find_nearest(images: NDArray[np.uint8], others: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find for each image the one among the others that differs least from it.

    Args:
        images: uint8 `(n, 28, 28)`.
        others: uint8 `(m, 28, 28)`.

    Returns:
        The index of the nearest, int64 `(n,)`, and the root of the mean squared difference of a pixel to it, float64
        `(n,)`, 0-255; 0 is a duplicate.
    """
    rows, candidates = (some.reshape(-1, NUM_PIXELS).astype(np.float32) for some in (images, others))
    nearest = pairwise_distances_argmin(rows, candidates)
    return nearest, np.sqrt(((rows - candidates[nearest]).astype(np.float64) ** 2).mean(axis=1))


def measure_occlusion(predict: Predict, image: NDArray[np.uint8], digit: int, patch: int = 5) -> NDArray[np.float64]:
    """Cover each patch of an image with paper, and measure the change of a digit's probability.

    Occlusion follows Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks" (arXiv 1311.2901).

    Args:
        predict: From float32 `(n, 28, 28, 1)` in [0, 1] to probabilities float32 `(n, 10)`.
        image: uint8 `(28, 28)`.
        digit: The digit, 0-9.
        patch: The side of the square patch in pixels, an odd number.

    Returns:
        float64 `(28, 28)`: the digit's log-odds before minus after, in nats, where the patch was centred. Above 0 the
        ink speaks for the digit, below 0 against it. Near 1, probabilities change too little to show this.
    """
    half = patch // 2
    covered = np.repeat(make_batch(image[np.newaxis]), NUM_PIXELS, axis=0).reshape(SIZE, SIZE, *BATCH_SHAPE)
    for row in range(SIZE):
        for column in range(SIZE):
            covered[row, column, max(row - half, 0) : row + half + 1, max(column - half, 0) : column + half + 1] = 0
    before = _measure_log_odds(predict(make_batch(image[np.newaxis])), digit)
    after = _measure_log_odds(predict(covered.reshape(-1, *BATCH_SHAPE)), digit)
    lost: NDArray[np.float64] = (before - after).reshape(SIZE, SIZE)
    return lost


def _measure_log_odds(probabilities: NDArray[np.float32], digit: int) -> NDArray[np.float64]:
    # The sum of the others is more exact than 1 - p where p is near 1.
    of_others = np.delete(probabilities, digit, axis=1).sum(axis=1, dtype=float)
    smallest = np.finfo(np.float32).tiny
    log_odds: NDArray[np.float64] = np.log(np.maximum(probabilities[:, digit].astype(float), smallest))
    log_odds -= np.log(np.maximum(of_others, smallest))
    return log_odds
