from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from digits.synthesis.textures import draw_silhouettes, draw_textures

Draw = Callable[[int, np.random.Generator], NDArray[np.uint8]]


@pytest.mark.parametrize("draw", [draw_silhouettes, draw_textures])
@pytest.mark.parametrize("num", [0, 1, 30])
def test_draw_as_many_as_asked_for(draw: Draw, num: int) -> None:
    images = draw(num, np.random.default_rng(0))
    assert images.shape == (num, 28, 28)
    assert images.dtype == np.uint8


@pytest.mark.parametrize("draw", [draw_silhouettes, draw_textures])
def test_draw_has_greys_that_strokes_do_not_have(draw: Draw) -> None:
    images = draw(200, np.random.default_rng(0))
    inked = images[images > 0]
    assert ((inked > 60) & (inked < 200)).mean() > 0.3


def test_silhouettes_are_one_shape_on_paper() -> None:
    images = draw_silhouettes(100, np.random.default_rng(0))
    corners = images[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners == 0).mean() > 0.8
    assert (images[:, 10:18, 10:18] > 0).mean() > 0.8
