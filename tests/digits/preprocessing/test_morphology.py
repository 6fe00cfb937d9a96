"""Dilation and erosion, beside SciPy's."""

import numpy as np
import pytest
from scipy import ndimage

from digits.preprocessing.morphology import dilate, dilate_to_neighbours, erode


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (5, 5), (28, 20)])
@pytest.mark.parametrize("reach", [0, 1, 2, 5, 8, 40])
@pytest.mark.parametrize("axes", [(0, 1), (0,), (1,)])
def test_dilate_and_erode_give_what_scipys_filters_give(
    shape: tuple[int, int], reach: int, axes: tuple[int, ...]
) -> None:
    values = np.random.default_rng(reach).integers(0, 256, shape).astype(np.uint8)
    size = [2 * reach + 1 if axis in axes else 1 for axis in (0, 1)]
    # SciPy repeats the last pixel beyond the edge, which changes no largest and no smallest value.
    np.testing.assert_array_equal(dilate(values, reach, axes), ndimage.maximum_filter(values, size, mode="nearest"))
    np.testing.assert_array_equal(erode(values, reach, axes), ndimage.minimum_filter(values, size, mode="nearest"))


def test_dilate_of_a_row_reaches_to_both_sides() -> None:
    row = np.array([False, False, False, True, False, False, False, False])
    assert dilate(row, 2, (0,)).tolist() == [False, True, True, True, True, True, False, False]


@pytest.mark.parametrize("reach", [0, 3])
def test_dilate_returns_pixels_of_its_own(reach: int) -> None:
    values = np.zeros((6, 6), np.uint8)
    dilate(values, reach)[:] = 1
    assert not values.any()


def test_dilate_to_neighbours_takes_no_corner() -> None:
    dot = np.zeros((5, 5), bool)
    dot[2, 2] = True
    assert dilate_to_neighbours(dot).astype(int).tolist() == ndimage.binary_dilation(dot).astype(int).tolist()
