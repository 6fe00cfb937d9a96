"""Print paper under lines of digits, with waves, grain and rulings, and scan it with a little blur."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from digits.data.images import MAX_PIXEL
from digits.preprocessing.binarise import Ink
from digits.preprocessing.line_image import stretch_line


def print_line(ink: Ink, random: np.random.Generator) -> NDArray[np.uint8]:
    """Put a line on paper and scan it.

    Args:
        ink: float32 `(height, width)` in [0, 1].
        random: The generator of paper, pressure and scanner.

    Returns:
        uint8 `(height, width)`, its contrast stretched as the network reads it.
    """
    ink = ink * _draw_pressure(ink.shape, random)
    paper = np.zeros_like(ink)
    if random.random() < 0.75:
        paper += _draw_pattern(ink.shape, random)
    if random.random() < 0.4:
        paper += _draw_rulings(ink.shape, random)
    strength = random.uniform(0.35, 1)
    seen = strength * ink + (1 - strength * ink) * paper * random.uniform(0.3, 1)
    seen += random.normal(0, 1, seen.shape) * random.uniform(0, 0.06) * strength
    scan = Image.fromarray((seen.clip(0, 1) * MAX_PIXEL).astype(np.uint8))
    return stretch_line(np.asarray(scan.filter(ImageFilter.GaussianBlur(random.uniform(0, 0.8)))))


def _draw_pressure(shape: tuple[int, ...], random: np.random.Generator) -> Ink:
    """Return the pressure of the pen, float32 of this shape in [0.35, 1]; it changes about twice in a digit."""
    coarse = random.uniform(random.uniform(0.35, 1), 1, (random.integers(2, 5), random.integers(4, 40)))
    size = shape[1], shape[0]
    return np.asarray(Image.fromarray(coarse.astype(np.float32)).resize(size, Image.Resampling.BILINEAR))


def _draw_pattern(shape: tuple[int, ...], random: np.random.Generator) -> Ink:
    """Return grain and up to two sets of parallel waves, float32 of this shape."""
    rows, columns = np.indices(shape).astype(np.float32)
    pattern = np.maximum(random.normal(0, random.uniform(0, 0.15), shape), 0).astype(np.float32)
    for _ in range(int(random.integers(0, 3))):
        angle, period = random.uniform(0, np.pi), random.uniform(2.2, 6)
        along, across = rows * np.cos(angle) + columns * np.sin(angle), rows * np.sin(angle) - columns * np.cos(angle)
        bend = random.uniform(0, 3) * np.sin(across / random.uniform(3, 15))
        pattern += random.uniform(0, 0.3) * np.cos((along + bend) * 2 * np.pi / period).clip(0, 1)
    return pattern


def _draw_rulings(shape: tuple[int, ...], random: np.random.Generator) -> Ink:
    """Return one or two rulings, most of them below the digits, float32 of this shape in [0, 0.9]."""
    height, width = shape
    rulings = np.zeros(shape, np.float32)
    for _ in range(int(random.integers(1, 3))):
        row = random.uniform(0.7 if random.random() < 0.7 else 0, 1) * height
        distance = np.abs(np.arange(height)[:, None] - row - random.normal(0, 0.01) * np.arange(width))
        rulings = np.maximum(rulings, random.uniform(0.1, 0.9) * (random.uniform(0.8, 1.5) - distance).clip(0, 1))
    return rulings
