"""A line as its network sees it, and where it lies."""

import numpy as np
import pytest

from digits.preprocessing.line_image import (
    LINE_HEIGHT,
    STRIDE,
    frame_digits,
    frame_line,
    make_line_batch,
    stretch_line,
)


def draw_bar(left: int, shape: tuple[int, int] = (100, 300)) -> np.ndarray:
    drawing = np.full(shape, 255, np.uint8)
    drawing[20:76, left : left + 6] = 0
    return drawing


def test_frame_line_fills_28_of_32_rows() -> None:
    line = frame_line(draw_bar(100))
    assert line is not None
    assert line.image.shape[0] == LINE_HEIGHT
    inked = np.flatnonzero(line.image.max(axis=1) > 128)
    assert (inked[0], inked[-1]) == (2, 29)
    assert line.scale == pytest.approx(2)


@pytest.mark.parametrize("left", [0, 50, 294])
def test_framed_line_tells_where_it_lies(left: int) -> None:
    line = frame_line(draw_bar(left))
    assert line is not None
    step = line.image.max(axis=0).reshape(-1, STRIDE).mean(axis=1).argmax()
    assert line.locate(int(step)) == pytest.approx(left + 3, abs=STRIDE * line.scale)


def test_frame_line_width_is_bounded() -> None:
    drawing = np.full((40, 4000), 255, np.uint8)
    for left in range(10, 3990, 40):
        drawing[14:26, left : left + 4] = 0
    line = frame_line(drawing)
    assert line is not None
    assert line.image.shape == (LINE_HEIGHT, 2048)


def test_frame_line_nothing_written() -> None:
    assert frame_line(np.full((60, 200), 200, np.uint8)) is None


def test_stretch_line_brings_faint_strokes_to_full_ink() -> None:
    levels = np.full((32, 100), 20, np.uint8)
    levels[4:28, 40:44] = 90
    stretched = stretch_line(levels)
    assert (stretched[0, 0], stretched[10, 42]) == (0, 255)


def test_make_line_batch_is_in_0_to_1() -> None:
    batch = make_line_batch(np.array([[[0, 51, 255, 0]]], np.uint8))
    assert (batch.shape, batch.dtype) == ((1, 1, 4, 1), np.float32)
    np.testing.assert_allclose(batch.ravel(), [0, 0.2, 1, 0], atol=1e-6)


@pytest.mark.parametrize("top", [0, 5, 8])
def test_frame_digits_puts_the_ink_in_the_middle_rows(top: int) -> None:
    image = np.zeros((28, 28), np.uint8)
    image[top : top + 20, 12:16] = 255
    (line,) = frame_digits(image[None])
    assert line.shape == (LINE_HEIGHT, 40)
    rows, columns = (np.flatnonzero(line.max(axis=axis) > 128) for axis in (1, 0))
    assert (rows[0], rows[-1]) == (2, 29)
    assert (columns[0], columns[-1]) == (17, 22)


def test_frame_digits_of_blank_images_are_blank() -> None:
    assert frame_digits(np.zeros((2, 28, 28), np.uint8)).max() == 0
