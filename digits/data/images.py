"""The 28x28 contract: what a pixel, an image and a batch are.

A pixel is an integer 0-255, where 0 is paper and 255 is ink. An image is uint8 `(28, 28)`; pixel x of a row of 784
stands at row x // 28, column x % 28. A batch is float32 `(n, 28, 28, 1)` in [0, 1].
"""

import numpy as np
from numpy.typing import NDArray

from digits.errors import PixelError

SIZE = 28
NUM_PIXELS = SIZE * SIZE
MAX_PIXEL = 255
NUM_CLASSES = 10
BATCH_SHAPE = (SIZE, SIZE, 1)
PIXEL_NAMES = tuple(f"pixel{index}" for index in range(NUM_PIXELS))


def make_batch(images: NDArray[np.integer] | NDArray[np.floating]) -> NDArray[np.float32]:
    """Scale pixels to the network's input.

    Args:
        images: numbers 0-255, `(n, 28, 28)` or `(n, 784)`.

    Returns:
        float32 `(n, 28, 28, 1)` in [0, 1].

    Raises:
        PixelError: If the images are not 28x28.
    """
    if images.ndim < 2 or images.shape[1:] not in ((SIZE, SIZE), (NUM_PIXELS,)):
        raise PixelError(
            f"Received images of shape {images.shape}, expected (n, {SIZE}, {SIZE}) or (n, {NUM_PIXELS}).",
            code="wrong_shape",
            hint="Reshape or resize them to 28x28.",
        )
    return scale_pixels(images).reshape(-1, *BATCH_SHAPE)


def scale_pixels(pixels: NDArray[np.integer] | NDArray[np.floating]) -> NDArray[np.float32]:
    """Scale numbers 0-255 to float32 in [0, 1]; training and serving call this, so that they agree to the last bit.

    It divides, because multiplying by 1/255 rounds 126 of the 256 levels to another float32.
    """
    scaled: NDArray[np.float32] = np.divide(pixels, np.float32(MAX_PIXEL), dtype=np.float32)
    return scaled


def draw_one() -> NDArray[np.uint8]:
    """Draw a plain 1, a stroke with soft edges, as a known digit for readiness checks and examples.

    Returns:
        uint8 `(28, 28)`.
    """
    image = np.zeros((SIZE, SIZE), np.uint8)
    image[5:23, 12:16] = MAX_PIXEL // 2
    image[4:24, 13:15] = MAX_PIXEL
    return image
