"""A row of 784 whole numbers, read from its JSON text without making a dictionary of it.

This is how nearly every client writes a row. Anything else, right or wrong, is for `images.parse_row` to judge: what is
read here is read there to the same pixels.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from digits.data.images import PIXEL_NAMES

# No field of it is a container, so the garbage collector has nothing to follow.
_Row = msgspec.defstruct("_Row", [(name, int) for name in PIXEL_NAMES], forbid_unknown_fields=True, gc=False)
_decoder = msgspec.json.Decoder(_Row)


def read_row_text(body: bytes | bytearray) -> NDArray[np.uint8] | None:
    """Read a row.

    Args:
        body: JSON.

    Returns:
        uint8 `(784,)`, 0-255; None if the body is anything but an object of the 784 pixels, in any order, each a whole
        number 0-255.
    """
    try:
        return np.frombuffer(bytes(msgspec.structs.astuple(_decoder.decode(body))), np.uint8)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        return None
