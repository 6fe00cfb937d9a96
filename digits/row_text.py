"""A row of 784 whole numbers in the order of the pixels, read from its JSON text without making 784 objects of it.

This is how nearly every client writes a row. Anything else, right or wrong, is for `images.parse_row` to judge: what is
read here is read there to the same pixels.
"""

import numpy as np
from numpy.typing import NDArray

from digits.images import MAX_PIXEL, NUM_PIXELS, PIXEL_NAMES

_DIGITS = b"0123456789"
_ZERO = ord("0")
_NO_PIXEL = 1000
_NUM_DIGITS_OF_NAMES = sum(len(name) - len("pixel") for name in PIXEL_NAMES)
_COLON = np.uint8(ord(":"))


def _write_frame(between: str, colon: str) -> bytes:
    """Write a row of nothing but names, and take the digits out of them."""
    text = "{" + between.join(f'"{name}"{colon}' for name in PIXEL_NAMES) + "}"
    return text.encode().translate(None, _DIGITS)


# How Python's json and pandas write a row, and how JavaScript does; with the bytes from a colon to its value.
_FRAMES = ((_write_frame(", ", ": "), 2), (_write_frame(",", ":"), 1))
# The four bytes before a name's closing quote: no two names share them, nor does a longer number fit.
_NAME_ENDS = np.array([name[-4:].encode() for name in PIXEL_NAMES]).view("<u4")


def _tabulate() -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return, for each pair of bytes, its number where a value begins, and what it does to that two bytes later."""
    low, high = np.arange(2**16) % 256 - _ZERO, np.arange(2**16) // 256 - _ZERO
    is_low_digit, is_high_digit = ((byte >= 0) & (byte < 10) for byte in (low, high))
    first_two = np.where(is_high_digit, low * 10 + high, low)
    # No number starts without a digit, or with a 0 and another.
    first_two[~is_low_digit | ((low == 0) & is_high_digit)] = _NO_PIXEL
    times = np.where(is_low_digit, 10, 1)
    plus = np.where(is_low_digit, np.where(is_high_digit, _NO_PIXEL, low), 0)
    return first_two.astype(np.float32), times.astype(np.float32), plus.astype(np.float32)


_FIRST_TWO, _TIMES, _PLUS = _tabulate()


def read_row_text(body: bytes | bytearray) -> NDArray[np.float32] | None:
    """Read a row.

    Args:
        body: JSON.

    Returns:
        float32 `(784,)`, 0-255; None if the body is anything but a row of whole pixels in their order, written in one
        of the usual two ways.
    """
    text = body.strip(b" \t\r\n")
    frame = text.translate(None, _DIGITS)
    num_between = next((width for known, width in _FRAMES if frame == known), None)
    if num_between is None:
        return None
    # From here on all is known but the digits. Three bytes more, so that four can be taken at the last value.
    text = bytes(text) + b"   "
    colons = np.flatnonzero(np.frombuffer(text, np.uint8) == _COLON)
    # The four bytes from each place of the text on, as one number.
    fours = np.ndarray(len(text) - 3, "<u4", text, strides=(1,))
    if not (fours[colons - 5] == _NAME_ENDS).all():
        return None
    first_two, last_two = fours[colons + num_between].view("<u2").reshape(NUM_PIXELS, 2).T
    times = _TIMES[last_two]
    values: NDArray[np.float32] = _FIRST_TWO[first_two] * times + _PLUS[last_two]
    num_long = np.count_nonzero(values >= 100)
    # A third byte that is a digit belongs to a value of three, and to nothing else.
    if values.max() > MAX_PIXEL or np.count_nonzero(times > 1) != num_long:
        return None
    # One digit more, wherever it stands, is one that does not belong there.
    num_digits = _NUM_DIGITS_OF_NAMES + NUM_PIXELS + np.count_nonzero(values >= 10) + num_long
    return values if len(text) - 3 == len(frame) + num_digits else None
