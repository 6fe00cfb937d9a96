"""Connected pieces of ink."""

import numpy as np
import pytest

from digits.preprocessing.components import label_components, measure_components

MASK = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0], [1, 1, 0]], bool)


@pytest.mark.parametrize(("joins_corners", "expected"), [(True, 2), (False, 4)])
def test_label_components_that_touch_by_a_corner(joins_corners: bool, expected: int) -> None:
    labels, count = label_components(MASK, joins_corners)
    assert count == expected
    assert ((labels > 0) == MASK).all()


def test_measure_components_gives_boxes_and_areas() -> None:
    labels, count = label_components(MASK)
    boxes, areas = measure_components(labels, count)
    assert sorted(map(tuple, boxes.tolist())) == [(0, 0, 3, 2), (0, 3, 2, 4)]
    assert sorted(areas.tolist()) == [2, 3]
