"""A line is cut out straight, and what is found on the strip is found on the page."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from digits.inference.page_detector import FoundDigits
from digits.inference.strip import DIGIT_HEIGHT, measure_contrast, straighten


def write_dots(degrees: float, growth: float = 0.0) -> tuple[np.ndarray, FoundDigits]:
    """Draw dots along a slope, as high as digits; they grow by a share from the first to the last."""
    page = Image.new("L", (900, 700), 230)
    draw = ImageDraw.Draw(page)
    angle = np.deg2rad(degrees)
    middles, heights = [], []
    for place in range(7):
        x, y = 120 + 100 * place * np.cos(angle), 350 + 100 * place * np.sin(angle) - 300 * np.sin(angle)
        height = 60 * (1 + growth * place / 6)
        draw.ellipse((x - height / 2, y - height / 2, x + height / 2, y + height / 2), fill=20)
        middles.append((x, y))
        heights.append(height)
    sizes = np.stack([heights, heights], 1)
    return np.asarray(page), FoundDigits(np.array(middles), sizes, np.ones(7), np.full((7, 10), 0.1))


def find_dots(picture: np.ndarray) -> list[tuple[float, float, int]]:
    """Return the middle column and row of each dot of a strip, and its height."""
    dark = picture < 120
    columns = np.flatnonzero(dark.any(axis=0))
    groups = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)
    dots = []
    for group in groups:
        rows = np.flatnonzero(dark[:, group].any(axis=1))
        dots.append((float(group.mean()), float(rows.mean()), int(rows[-1] - rows[0] + 1)))
    return dots


@pytest.mark.parametrize("degrees", [-30, -10, 0, 4, 25])
@pytest.mark.parametrize("growth", [0.0, 0.5])
def test_straighten_levels_a_line_and_evens_its_digits(degrees: int, growth: float) -> None:
    page, found = write_dots(degrees, growth)
    strip = straighten(page, found)
    dots = find_dots(strip.picture)
    assert len(dots) == 7
    middle = (len(strip.picture) - 1) / 2
    assert all(abs(row - middle) < 2 and abs(height - DIGIT_HEIGHT) < 4 for _, row, height in dots)
    assert np.degrees(strip.angle) == pytest.approx(degrees, abs=0.5)


@pytest.mark.parametrize("degrees", [-30, 0, 25])
def test_strip_locates_its_points_on_the_page(degrees: int) -> None:
    page, found = write_dots(degrees, 0.5)
    strip = straighten(page, found)
    columns, rows, _ = np.array(find_dots(strip.picture)).T
    np.testing.assert_allclose(strip.locate(columns, rows), found.middles, atol=2.5)


def test_straighten_at_the_edge_of_the_page() -> None:
    page, found = write_dots(0)
    cut = page[:, 90:720]
    moved = FoundDigits(found.middles - [90, 0], found.sizes, found.scores, found.probabilities)
    assert len(find_dots(straighten(cut, moved).picture)) == 7


@pytest.mark.parametrize("is_light", [False, True])
def test_measure_contrast_keeps_digits_and_nothing_else_whatever_the_light(is_light: bool) -> None:
    light = np.linspace(0.4, 0.9, 200)[None, :] * np.ones((80, 1)) * 200
    ink = np.zeros((80, 200), np.float32)
    ink[20:60, 50:54] = ink[20:60, 150:154] = 1
    side = np.zeros_like(ink)
    side[:, 100:102] = 1
    strength = np.maximum(ink, side) * 0.6
    picture = light * (1 + strength * 0.8) if is_light else light * (1 - strength)
    contrast, has_sides = measure_contrast(picture.clip(0, 255).astype(np.uint8), ink[::2, ::2])
    assert has_sides
    assert contrast[:, 96:106].max() == 0
    assert contrast[30, 51] > 0.25
    if not is_light:
        assert contrast[30, 51] == pytest.approx(contrast[30, 151], rel=0.25)
