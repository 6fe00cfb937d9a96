"""What of a line is which digit's."""

import numpy as np
import pytest

from digits.inference.segmentation import find_holes, find_paths, segment_ink
from digits.preprocessing.components import label_components


def draw_rings(*centres: int) -> np.ndarray:
    rows, columns = np.indices((60, 40 + max(centres)))
    rings = [np.abs(np.hypot(rows - 30, columns - centre) - 20) < 2.5 for centre in centres]
    return np.any(rings, axis=0).astype(np.float32)


def test_find_paths_goes_round_a_loop() -> None:
    paths = find_paths(draw_rings(23, 65) > 0, np.array([23, 65]))
    assert paths.shape == (1, 60)
    assert ((paths >= 42) & (paths <= 48)).all()


def test_part_ink_gives_each_digit_its_own() -> None:
    parts = segment_ink(draw_rings(30, 80, 121), [30.0, 80.0, 121.0])
    for (_, (left, top, width, height)), centre in zip(parts, (30, 80, 121), strict=True):
        np.testing.assert_allclose([left, top, width, height], [centre - 22, 8, 45, 45], atol=3)


def test_part_ink_leaves_out_a_stop_and_a_dash() -> None:
    ink = draw_rings(30, 120)
    ink[46:51, 60:65] = 1
    ink[28:33, 146:158] = 1
    boxes = [box for _, box in segment_ink(ink, [30.0, 120.0])]
    assert [(left, width) for left, _, width, _ in boxes] == [(8, 45), (98, 45)]


def test_part_ink_keeps_a_bar_above_the_rest() -> None:
    ink = np.zeros((60, 60), np.float32)
    ink[10:14, 20:40] = ink[18:50, 24:30] = 1
    ((digit, box),) = segment_ink(ink, [27.0])
    assert box == (20, 10, 20, 40)
    assert label_components(digit > 0)[1] == 2


def test_part_ink_follows_the_slant() -> None:
    rows, columns = np.indices((60, 120))
    strokes = [np.abs(columns - start + 0.5 * rows) < 3 for start in (50, 66)]
    ink = np.any(strokes, axis=0).astype(np.float32)
    parts = segment_ink(ink, [35.0, 51.0])
    assert [int((digit > 0.3).sum()) for digit, _ in parts] == [int((ink * mine).sum()) for mine in strokes]


@pytest.mark.parametrize("columns", [[4.0, 4.0], [4.0, 9.0], [-3.0, 0.0], [2.0, 2.0, 2.0]])
@pytest.mark.parametrize("width", [1, 5])
def test_part_ink_digits_in_one_column(columns: list[float], width: int) -> None:
    parts = segment_ink(np.ones((10, width), np.float32), columns)
    assert len(parts) == len(columns)
    for _, (left, top, box_width, height) in parts:
        assert 0 <= left < left + box_width <= width
        assert 0 <= top < top + height <= 10


def test_find_holes_finds_narrow_ones() -> None:
    mask = np.zeros((7, 9), bool)
    mask[1:6, 1:4], mask[2:5, 2] = True, False
    mask[1:4, 5:9], mask[2, 6:8] = True, False
    holes = np.zeros_like(mask)
    holes[2:5, 2] = holes[2, 6:8] = True
    np.testing.assert_array_equal(find_holes(mask), holes)


def test_find_holes_ink_that_touches_by_a_corner_is_closed() -> None:
    mask = np.zeros((5, 5), bool)
    mask[[1, 2, 2, 3], [2, 1, 3, 2]] = True
    assert np.argwhere(find_holes(mask)).tolist() == [[2, 2]]


def test_part_ink_nothing_to_part() -> None:
    assert segment_ink(draw_rings(30), []) == []
