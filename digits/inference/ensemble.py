"""Two networks, or two readings of one picture, become one answer."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from digits.preprocessing.page import replace_background

Drawing = NDArray[np.uint8]
Reading = TypeVar("Reading")


def combine_networks(
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    weights: NDArray[np.floating],
    doubt: float,
    *,
    is_mean: bool,
) -> NDArray[np.float32]:
    """Multiply the probabilities of two networks, the second raised to the power of its weight.

    Args:
        first: `(n, 10)`, rows sum to 1.
        second: The same of the other network.
        weights: `(n, 1)`, what the second counts beside the first.
        doubt: Added to every probability, so that neither network can rule a digit out.
        is_mean: Return the weighted geometric mean. If false, return the product, whose probabilities are more extreme.

    Returns:
        float32 `(n, 10)`, rows sum to 1.
    """
    logarithms = np.log(first + doubt) + weights * np.log(second + doubt)
    if is_mean:
        logarithms = logarithms / (1 + weights)
    combined = np.exp(logarithms - logarithms.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float32] = (combined / combined.sum(axis=1, keepdims=True)).astype(np.float32)
    return probabilities


def read_without_doubt(
    read: Callable[[Drawing], Reading], drawing: Drawing, measure_certainty: Callable[[Reading], float], certain: float
) -> Reading:
    """Read a drawing, and where the reading is doubtful once more without what lies beside the sheet.

    Args:
        read: Reads a drawing, uint8 `(height, width)`.
        drawing: The drawing.
        measure_certainty: Of a reading, in [0, 1].
        certain: At this certainty or above, the first reading stands.

    Returns:
        The reading of greater certainty.
    """
    found = read(drawing)
    if measure_certainty(found) >= certain or (sheet := replace_background(drawing)) is None:
        return found
    return max(found, read(sheet), key=measure_certainty)
