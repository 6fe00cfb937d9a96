"""What was printed is told from what was written, and a digit as high as the picture is not taken for a line."""

import numpy as np
import pytest
from numpy.typing import NDArray

from digits.preprocessing.components import label_components
from digits.preprocessing.printed_lines import find_printed

Mask = NDArray[np.bool_]


def draw(*boxes: tuple[slice, slice]) -> Mask:
    """Ink in these boxes of a sheet of 100x100."""
    ink = np.zeros((100, 100), bool)
    for box in boxes:
        ink[box] = True
    return ink


def find(ink: Mask) -> Mask:
    """Return the ink that is told to be printed."""
    labels, num_pieces = label_components(ink)
    is_written = np.arange(num_pieces + 1) > 0
    return np.isin(labels, find_printed(labels, is_written))


ALL = slice(None)
DIGIT = (slice(30, 70), slice(40, 60))
SIDES = [(slice(10, 90), slice(x, x + 2)) for x in (10, 88)] + [(slice(y, y + 2), slice(10, 90)) for y in (10, 88)]


@pytest.mark.parametrize(
    "printed",
    [
        [(slice(80, 82), ALL)],
        [(ALL, slice(10, 13))],
        [(ALL, slice(0, 5))],
        [(ALL, slice(8, 10)), (ALL, slice(90, 92))],
        SIDES,
    ],
    ids=["a line below", "a margin", "the sheet's edge", "two margins", "a frame"],
)
def test_find_printed_beside_a_digit(printed: list[tuple[slice, slice]]) -> None:
    np.testing.assert_array_equal(find(draw(DIGIT, *printed)), draw(*printed))


HIGH = (ALL, slice(20, 24))


@pytest.mark.parametrize(
    "written",
    [[HIGH], [HIGH, (slice(5, 95), slice(40, 70))], SIDES],
    ids=["a 1 alone", "a 1 beside a digit as high", "a zero with corners"],
)
def test_find_printed_leaves_digits(written: list[tuple[slice, slice]]) -> None:
    assert not find(draw(*written)).any()


def test_find_printed_leaves_a_round_zero_with_a_dot() -> None:
    rows, columns = np.indices((100, 100))
    distance = np.hypot(rows - 50, (columns - 50) * 1.3)
    assert not find((np.abs(distance - 35) < 4) | (distance < 10)).any()
