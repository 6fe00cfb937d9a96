"""MNIST's own files: a header of big-endian numbers, then one byte a pixel (http://yann.lecun.com/exdb/mnist/)."""

from collections.abc import Iterator
from struct import Struct
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from digits.data.images import NUM_PIXELS, SIZE
from digits.errors import ScoringError

_HEADER = Struct(">4I")
_IMAGES_OF_BYTES = 0x803  # Unsigned bytes in three dimensions.


def cut_idx(file: BinaryIO, rows_at_once: int) -> Iterator[NDArray[np.uint8]]:
    """Yield the images in order.

    Args:
        file: The bytes, unpacked.
        rows_at_once: So many images come at a time; at the end there may be fewer.

    Returns:
        uint8 `(n, 784)`, 0-255.

    Raises:
        ScoringError: If it holds anything but images of 28x28 bytes, or ends too early.
        OSError: If the file ends in the middle of its compressed bytes.
    """
    header = file.read(_HEADER.size)
    magic, num_images, *sides = _HEADER.unpack(header.ljust(_HEADER.size, b"\0"))
    if magic != _IMAGES_OF_BYTES or sides != [SIZE, SIZE]:
        raise ScoringError(
            f"Received a file that begins with {header.hex(' ', 4) or 'nothing'}, expected 00000803 and the number of "
            f"images, then twice {SIZE:08x}: IDX images of 28x28 bytes. Name the file of images, not that of labels."
        )
    for start in range(0, num_images, rows_at_once):
        num = min(rows_at_once, num_images - start)
        # What the header promises is never allocated: the file is asked for one share of it at a time.
        pixels = np.frombuffer(file.read(num * NUM_PIXELS), np.uint8)
        num_whole = len(pixels) // NUM_PIXELS
        if num_whole:
            yield pixels[: num_whole * NUM_PIXELS].reshape(num_whole, NUM_PIXELS)
        if num_whole < num:
            raise ScoringError(
                f"Received {start + num_whole:,} whole images, expected {num_images:,} as the header says. "
                "Download or copy the file again."
            )
