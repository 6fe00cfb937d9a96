"""Shaded shapes, textures and noise, as photos of things look in 28x28 pixels."""

import numpy as np
from numpy.typing import NDArray

from digits.data.images import MAX_PIXEL, SIZE

Images = NDArray[np.uint8]
Greys = NDArray[np.float64]

_CORNERS = 24  # Points of an outline.
_IMAGES_AT_ONCE = 500


def draw_silhouettes(num: int, random: np.random.Generator) -> Images:
    """Draw filled shapes: plain or shaded, half of them symmetric, some with a gap.

    Returns:
        uint8 `(num, 28, 28)`.
    """
    parts = [min(_IMAGES_AT_ONCE, num - start) for start in range(0, num, _IMAGES_AT_ONCE)]
    return np.concatenate([np.zeros((0, SIZE, SIZE), np.uint8), *(_draw_part(part, random) for part in parts)])


def _draw_part(num: int, random: np.random.Generator) -> Images:
    height, width = random.uniform(0.35, 1, (2, num, 1, 1)) * random.choice([10.0, 14.0], (num, 1, 1))
    offset = np.arange(SIZE, dtype=np.float32) - (SIZE - 1) / 2
    y, x = offset[None, :, None] / height, offset[None, None, :] / width
    x = np.where(random.random((num, 1, 1)) < 0.5, np.abs(x), x)
    angle = np.mod(np.arctan2(y, x) / (2 * np.pi), 1) * _CORNERS
    outlines = _draw_outlines(num, random)
    before, share = angle.astype(int) % _CORNERS, angle % 1
    index = np.arange(num)[:, None, None]
    radius = outlines[index, before] * (1 - share) + outlines[index, (before + 1) % _CORNERS] * share
    depth = (radius - np.hypot(x, y)) * np.minimum(height, width)
    ink = np.clip(depth + 0.5, 0, 1) * _shade(num, random)
    # The gap is like the one between trouser legs or under a handle.
    row, column = random.uniform(-0.6, 1, (num, 1, 1)), random.uniform(-0.3, 0.3, (num, 1, 1))
    size = random.uniform(0.1, 0.4, (num, 1, 1)) * (random.random((num, 1, 1)) < 0.3)
    is_gap = (np.abs(y - row) < 2 * size) & (np.abs(x - column) < size)
    image: Images = np.rint(np.where(is_gap, 0, ink) * MAX_PIXEL).astype(np.uint8)
    return image


def _draw_outlines(num: int, random: np.random.Generator) -> Greys:
    """Return the distance from the centre to the edge in 24 directions, `(num, 24)`, about 0.25-1.4."""
    directions = np.arange(_CORNERS) / _CORNERS * 2 * np.pi
    radius = np.full((num, _CORNERS), 0.8)
    for lobes in range(1, 6):
        radius += random.normal(0, 0.15, (num, 1)) * np.cos(lobes * directions + random.uniform(0, 7, (num, 1)))
    # The edge of a box is farther away at its corners.
    box = 1 / np.maximum(np.abs(np.cos(directions)), np.abs(np.sin(directions)))
    radius = np.where(random.random((num, 1)) < 0.5, radius * box, radius)
    is_jagged = random.random((num, 1)) < 0.3
    return np.clip(np.where(is_jagged, radius + random.normal(0, 0.2, radius.shape), radius), 0.25, 1.4)


def _shade(num: int, random: np.random.Generator) -> Greys:
    """Return greys `(num, 28, 28)` in [0, 1]: flat, sloping, striped or blotched."""
    kinds = random.integers(4, size=(num, 1, 1))
    ramp, stripes, blotches = _slope(num, random), _stripe(num, random), _blotch(num, random)
    pattern = np.select([kinds == 0, kinds == 1, kinds == 2], [np.ones_like(ramp), ramp, stripes], blotches)
    level = random.uniform(0.35, 1, (num, 1, 1))
    noise = random.normal(0, 0.08, pattern.shape) * (random.random((num, 1, 1)) < 0.5)
    shaded: Greys = np.clip(level * (0.4 + 0.6 * pattern) + noise, 0, 1)
    return shaded


def _slope(num: int, random: np.random.Generator) -> Greys:
    y, x = np.mgrid[:SIZE, :SIZE] / (SIZE - 1) - 0.5
    direction = random.uniform(0, 2 * np.pi, (num, 1, 1))
    ramp: Greys = 0.5 + 0.7 * (np.cos(direction) * x + np.sin(direction) * y)
    return ramp


def _stripe(num: int, random: np.random.Generator) -> Greys:
    y, x = np.mgrid[:SIZE, :SIZE]
    direction, pitch = random.uniform(0, 2 * np.pi, (num, 1, 1)), random.uniform(2.5, 12, (num, 1, 1))
    wave = np.sin(
        (np.cos(direction) * x + np.sin(direction) * y) * 2 * np.pi / pitch + random.uniform(0, 7, (num, 1, 1))
    )
    stripes: Greys = 0.5 + 0.5 * np.clip(wave * random.uniform(0.5, 5, (num, 1, 1)), -1, 1)
    return stripes


def _blotch(num: int, random: np.random.Generator) -> Greys:
    """Return noise `(num, 28, 28)` in [0, 1], in each image smooth over another length."""
    spectrum = np.fft.rfft2(random.normal(0, 1, (num, SIZE, SIZE)))
    frequency = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None])
    smooth = np.fft.irfft2(spectrum * np.exp(-((frequency * random.uniform(0, 14, (num, 1, 1))) ** 2)), (SIZE, SIZE))
    smooth /= smooth.std(axis=(1, 2), keepdims=True) + 1e-9
    blotches: Greys = 0.5 + 0.5 * np.clip(smooth * random.choice([0.5, 3.0], (num, 1, 1)), -1, 1)
    return blotches


def draw_textures(num: int, random: np.random.Generator) -> Images:
    """Draw stripes, crossed stripes, blotches and slopes, over the whole image or only the middle 20x20 pixels.

    Returns:
        uint8 `(num, 28, 28)`.
    """
    kinds = random.integers(4, size=(num, 1, 1))
    crossed = np.abs(_stripe(num, random) - _stripe(num, random))
    choices = [_stripe(num, random), _blotch(num, random), crossed]
    pattern = np.select([kinds == 0, kinds == 1, kinds == 2], choices, _slope(num, random))
    is_light = random.random((num, 1, 1)) < 0.5
    pattern = np.where(is_light, pattern, np.clip(2 * pattern - 1, 0, 1)) * random.uniform(0.5, 1, (num, 1, 1))
    margin = random.choice([0, 0, 4], num)[:, None]
    inside = (np.arange(SIZE) >= margin) & (np.arange(SIZE) < SIZE - margin)
    image: Images = np.rint(pattern * inside[:, :, None] * inside[:, None, :] * MAX_PIXEL).astype(np.uint8)
    return image
