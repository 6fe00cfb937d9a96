"""Statistics of the input: how much ink an image has, and where. They show a drift from the training digits."""

import numpy as np
from numpy.typing import NDArray

from digits.data.images import NUM_PIXELS, SIZE

# A column each for ink, ink times row, and ink times column, so that one product measures a whole batch.
_WEIGHTS = np.stack([np.ones(NUM_PIXELS), np.arange(NUM_PIXELS) // SIZE, np.arange(NUM_PIXELS) % SIZE], axis=1).astype(
    np.float32
)


def measure_moments(pixels: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the moments of order 0 and 1 of each image's ink.

    Args:
        pixels: `(n, 784)`, 0-255.

    Returns:
        float32 `(n, 3)`: the sum of the pixels, of pixel times row, of pixel times column.
    """
    moments: NDArray[np.float32] = pixels.astype(np.float32, copy=False) @ _WEIGHTS
    return moments


def measure_ink(moments: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Turn moments into mean ink and centre of mass.

    Args:
        moments: As `measure_moments` returns them.

    Returns:
        The mean pixel of each image, 0-255, and of each that is not blank the row and the column of its centre of mass,
        0-27; float32 `(n,)` and twice `(at most n,)`.
    """
    ink = moments[:, 0]
    is_drawn = ink > 0
    centres = moments[is_drawn, 1:] / ink[is_drawn, np.newaxis]
    return ink / np.float32(NUM_PIXELS), centres[:, 0], centres[:, 1]
