from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from digits.preprocessing.digit_image import normalise_drawing
from digits.synthesis.glyphs import trace
from digits.synthesis.pen import bend, draw_dots, draw_lines, draw_strokes


def make_strokes(*paths: list[tuple[float, float]]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The same number of points each, the pen down all the way."""
    points = np.array(paths, np.float32)
    return points, np.ones((len(points), points.shape[1] - 1), bool)


def draw_large(points: NDArray[np.float64], is_down: NDArray[np.bool_], width: float) -> NDArray[np.uint8]:
    """The same drawing on a canvas, `width` in pixels of the 20 that it will be high."""
    image, side = Image.new("L", (800, 800), 255), 600.0
    radius = width / (20 - width) * side / 2
    path = [tuple(point) for point in (points - points.min(axis=0)) / np.ptp(points, axis=0).max() * side + 100]
    canvas = ImageDraw.Draw(image)
    for (start, end), down in zip(pairwise(path), is_down, strict=True):
        if down:
            canvas.line([start, end], 0, round(2 * radius))
    for x, y in path:
        canvas.ellipse([x - radius, y - radius, x + radius, y + radius], 0)
    return np.asarray(image)


def test_draw_strokes_shows_what_normalisation_makes_of_the_same_drawing() -> None:
    points, is_down = trace("00 80! 39/15 75", False)
    drawn = draw_strokes(points[None].astype(np.float32), is_down[None], np.array([2.5]))[0]
    expected = normalise_drawing(draw_large(points, is_down, 2.5))
    assert np.corrcoef(drawn.ravel(), expected.ravel())[0, 1] > 0.98


def test_draw_strokes_fills_twenty_pixels_about_the_centre() -> None:
    rows, columns = np.nonzero(draw_strokes(*make_strokes([(0, 0), (0, 3)]), np.array([3.0]))[0])
    assert (rows.min(), rows.max()) == (4, 23)
    assert columns.mean() == 13.5


def test_draw_strokes_centres_the_mass_and_not_the_box() -> None:
    image = draw_strokes(*make_strokes([(0, 0), (0, 3), (1, 3)]), np.array([3.0]))[0].astype(float)
    centre = [(image.sum(axis=1 - axis) * np.arange(28)).sum() / image.sum() for axis in (0, 1)]
    # MNIST's centre is the corner of pixel 14.
    np.testing.assert_allclose(centre, 14, atol=0.5)


def test_draw_strokes_leaves_no_ink_where_the_pen_was_up() -> None:
    points, _ = make_strokes([(0, 0), (0, 1), (3, 1), (3, 0)])
    image = draw_strokes(points, np.array([[True, False, True]]), np.array([2.0]))[0]
    assert not image[:, 12:16].any()
    assert image.any()


def test_draw_strokes_wide_pen_leaves_more_ink() -> None:
    ink = draw_strokes(*make_strokes(*[[(0, 0), (1, 3)]] * 2), np.array([2.0, 4.0])).sum(axis=(1, 2))
    assert 1.6 < ink[1] / ink[0] < 2.4


def test_draw_strokes_of_none() -> None:
    assert draw_strokes(np.zeros((0, 4, 2), np.float32), np.zeros((0, 3), bool), np.zeros(0)).shape == (0, 28, 28)


def test_bend_gives_every_sheet_another_hand_and_the_same_again() -> None:
    points, _ = make_strokes(*[[(0, 0), (0, 1), (1, 1)]] * 3)
    first, again = (bend(points, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert len(np.unique(first.round(4), axis=0)) == 3


def test_bend_without_strength_only_centres() -> None:
    points, _ = make_strokes([(0, 0), (0, 1), (1, 1)])
    bent = bend(points, np.random.default_rng(5), strength=0)
    np.testing.assert_allclose(bent, points - 0.5, atol=1e-6)


def test_draw_dots_close_to_each_other_make_a_line() -> None:
    ends = np.array([[[4.0, 4.0], [15.0, 12.0]]], np.float32)
    dots = ends[:, :1] + (ends[:, 1:] - ends[:, :1]) * np.linspace(0, 1, 20, dtype=np.float32)[None, :, None]
    radii = np.full((1, 1, 1), 1.2, np.float32)
    line = draw_lines(ends, np.ones((1, 1), bool), radii)
    np.testing.assert_allclose(draw_dots(dots, radii), line, atol=0.08)
