"""Sheets told from desks, and from all else that is light on dark."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from digits.preprocessing.page import replace_background

SHEET = [(60, 50), (330, 30), (345, 250), (45, 240)]


def draw_sheet(desk: int = 50, paper: int = 210) -> NDArray[np.uint8]:
    drawing = Image.new("L", (400, 300), desk)
    canvas = ImageDraw.Draw(drawing)
    canvas.polygon(SHEET, paper)
    canvas.line([(200, 100), (200, 200)], 60, 12)
    return np.asarray(drawing)


def test_paint_desk_leaves_paper_and_ink() -> None:
    drawing = draw_sheet()
    painted = replace_background(drawing)
    assert painted is not None
    assert (painted.dtype, painted.shape) == (np.uint8, drawing.shape)
    dark = painted < 150
    rows, columns = (np.flatnonzero(dark.any(axis=axis)) for axis in (1, 0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == pytest.approx((100, 200, 194, 206), abs=1)


@pytest.mark.parametrize("turn", [np.transpose, np.flipud, np.fliplr])
def test_paint_desk_in_pictures_turned_and_mirrored(turn) -> None:
    painted = replace_background(turn(draw_sheet()))
    assert painted is not None
    assert painted[0, 0] == painted[-1, -1] == 210


@pytest.mark.parametrize(
    "drawing",
    [
        np.full((300, 400), 200, np.uint8),
        np.zeros((1, 1), np.uint8),
        np.full((300, 1), 9, np.uint8),
        draw_sheet(desk=190),
        255 - draw_sheet(),
    ],
    ids=["bare", "one pixel", "one column", "a desk as light as paper", "a dark sheet on a light desk"],
)
def test_paint_desk_where_there_is_none(drawing: NDArray[np.uint8]) -> None:
    assert replace_background(drawing) is None


def test_paint_desk_a_light_digit_on_a_board_is_no_sheet() -> None:
    board = Image.new("L", (300, 400), 20)
    ImageDraw.Draw(board).ellipse((30, 20, 270, 380), outline=230, width=60)
    assert replace_background(np.asarray(board)) is None


def test_paint_desk_keeps_a_digit_that_reaches_the_edge() -> None:
    drawing = Image.new("L", (200, 300), 230)
    ImageDraw.Draw(drawing).line([(0, 12), (190, 12), (80, 300)], 30, 26)
    painted = replace_background(np.asarray(drawing))
    assert painted is None or (painted < 100).mean() > 0.9 * (np.asarray(drawing) < 100).mean()
