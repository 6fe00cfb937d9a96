"""What the page network tells of each place: its channels, and what their numbers mean."""

from collections.abc import Callable
from math import log
from typing import Any

STRIDE = 4
"""Pixels of the page from one place to the next, each way."""
CENTRE = slice(0, 1)
"""Whether the middle of a digit is there."""
SIZES = slice(1, 3)
"""That digit's width and height, as shares of the logarithm."""
INK = slice(3, 7)
"""Whether there is ink of a digit, in the place's upper left, upper right, lower left and lower right quarter."""
CLASSES = slice(7, 17)
"""The probabilities of the digit's labels."""
NUM_CHANNELS = 17
_LEAST, _MOST = 2.0, 512.0  # Pixels.


def to_shares(sizes: Any, logarithm: Callable[[Any], Any]) -> Any:
    """Return sizes in pixels as shares of the logarithm, in [0, 1] between 2 and 512 pixels."""
    return logarithm(sizes / _LEAST) / log(_MOST / _LEAST)


def to_pixels(shares: Any) -> Any:
    """Return the sizes in pixels that `to_shares` was given."""
    return _LEAST * (_MOST / _LEAST) ** shares
