"""Fifteen corruptions of digits in the style of MNIST-C, written anew from their description.

Mu and Gilmer, "MNIST-C: A Robustness Benchmark for Computer Vision" (arXiv 1906.02337) names the corruptions; each is
drawn here with the strength that the authors chose for it. These are not their published files: the random draws are
others, and motion blur is made by NumPy where they used ImageMagick. Compare figures with those of MNIST-C with care.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import ndimage

from digits.data.images import MAX_PIXEL, SIZE

Greys = NDArray[np.floating]  # (n, 28, 28) in [0, 1], 1 is ink

CENTRE = (SIZE - 1) / 2
ROWS = np.arange(SIZE, dtype=np.float32)[:, None]
COLUMNS = np.arange(SIZE, dtype=np.float32)


def corrupt(images: NDArray[np.uint8], name: str, seed: int = 0) -> NDArray[np.uint8]:
    """Corrupt digits; the same images, name and seed give the same result.

    Args:
        images: uint8 `(n, 28, 28)`, 0-255.
        name: One of `CORRUPTIONS`.
        seed: Of the random draws.

    Returns:
        uint8 `(n, 28, 28)`, 0-255.
    """
    rng = np.random.default_rng([seed, list(CORRUPTIONS).index(name)])
    corrupted = CORRUPTIONS[name](images.astype(np.float32) / MAX_PIXEL, rng)
    return np.rint(np.clip(corrupted, 0, 1) * MAX_PIXEL).astype(np.uint8)


def _add_shot_noise(images: Greys, rng: Generator) -> Greys:
    """Three photons for full white."""
    return rng.poisson(images * 3) / 3


def _add_impulse_noise(images: Greys, rng: Generator) -> Greys:
    """17 % of the pixels turn black or white."""
    is_hit = rng.random(images.shape, np.float32) < 0.17
    return np.where(is_hit, rng.integers(0, 2, images.shape, np.uint8), images)


def _blur_by_glass(images: Greys, rng: Generator) -> Greys:
    """Blur, swap about half of the pixels with the one above or left of them in two passes from the end, blur again."""
    # The digits stand last, so that one step of the walk is one operation on all of them.
    pixels = np.moveaxis(np.floor(_smooth(images, 0.7) * MAX_PIXEL), 0, -1).copy()
    digits = np.arange(len(images))
    for _ in range(2):
        for row in range(SIZE - 1, 1, -1):
            for column in range(SIZE - 1, 1, -1):
                up, left = rng.integers(0, 2, (2, len(images))) * rng.integers(0, 2, len(images))
                other = (row - up, column - left, digits)
                here, there = pixels[row, column].copy(), pixels[other]
                pixels[row, column] = there
                pixels[other] = here
    return _smooth(np.moveaxis(pixels, -1, 0) / MAX_PIXEL, 0.7)


def _smooth(images: Greys, sigma: float) -> Greys:
    smoothed: Greys = ndimage.gaussian_filter(images, (0, sigma, sigma), mode="nearest")
    return smoothed


def _blur_by_motion(images: Greys, rng: Generator) -> Greys:
    """A tail of 21 pixels, half a Gaussian of 3 pixels, within 45 degrees of the horizontal."""
    angles = np.deg2rad(rng.uniform(-45, 45, len(images)))[:, None, None]
    distances = np.arange(21)
    weights = np.exp(-(distances**2) / (2 * 3**2))
    digits = np.arange(len(images))[:, None, None]
    blurred = np.zeros_like(images)
    for distance, weight in zip(distances, weights / weights.sum(), strict=True):
        rows = np.clip(ROWS + np.rint(distance * np.sin(angles)), 0, SIZE - 1).astype(int)
        columns = np.clip(COLUMNS + np.rint(distance * np.cos(angles)), 0, SIZE - 1).astype(int)
        blurred += weight * images[digits, rows, columns]
    return blurred


def _warp(images: Greys, matrix: NDArray[np.float64]) -> Greys:
    """Take each pixel from where `matrix`, of rows and columns about the centre, sends it."""
    whole = np.eye(3)
    whole[1:, 1:] = matrix
    centre = np.array([0, CENTRE, CENTRE])
    warped: Greys = ndimage.affine_transform(images, whole, centre - whole @ centre, order=1, mode="grid-constant")
    return warped


def _warp_either_way(images: Greys, rng: Generator, make_matrix: Callable[[int], NDArray[np.float64]]) -> Greys:
    is_turned = rng.integers(0, 2, len(images), dtype=bool)
    warped = np.empty_like(images)
    for chosen, sign in ((is_turned, -1), (~is_turned, 1)):
        warped[chosen] = _warp(images[chosen], make_matrix(sign))
    return warped


def _make_shear(sign: int) -> NDArray[np.float64]:
    """0.4 radians; columns move with the row, and the rows lie closer."""
    return np.array([[np.cos(sign * 0.4), 0], [-np.sin(sign * 0.4), 1]])


def _make_rotation(sign: int) -> NDArray[np.float64]:
    """0.4 radians, 23 degrees."""
    sine, cosine = np.sin(sign * 0.4), np.cos(sign * 0.4)
    return np.array([[cosine, sine], [-sine, cosine]])


def _translate(images: Greys, rng: Generator) -> Greys:
    """Three pixels along both axes."""
    rows, columns = rng.choice([-3, 3], (2, len(images), 1, 1))
    # What is moved out of the picture must not come back in on the other side.
    padded = np.pad(images, ((0, 0), (3, 3), (3, 3)))
    digits = np.arange(len(images))[:, None, None]
    moved: Greys = padded[digits, ROWS.astype(int) + 3 - rows, COLUMNS.astype(int) + 3 - columns]
    return moved


def _invert_stripes(images: Greys) -> Greys:
    """The left and the right quarter."""
    striped = images.copy()
    for columns in (slice(0, 7), slice(21, SIZE)):
        striped[..., columns] = 1 - striped[..., columns]
    return striped


def _add_fog(images: Greys, rng: Generator) -> Greys:
    """Three parts of fog on one part of digit."""
    at_once = 100
    parts = [_draw_fog(len(images[start : start + at_once]), rng) for start in range(0, len(images), at_once)]
    brightest = images.max(axis=(1, 2), keepdims=True)
    foggy: Greys = (images + 3 * np.concatenate(parts)) * brightest / (brightest + 3)
    return foggy


def _draw_fog(num: int, rng: Generator, size: int = 256) -> Greys:
    """Draw a fractal landscape by midpoint displacement on a torus; return its corner, the whole being 0 to 1."""
    heights = np.zeros((num, size, size), np.float32)
    step, roughness = size, 1.0

    def displace(around: Greys) -> Greys:
        return around / 4 + roughness * (2 * rng.random(around.shape, np.float32) - 1)

    while step >= 2:
        half = step // 2
        corners = heights[:, ::step, ::step]
        pairs = corners + np.roll(corners, -1, axis=2)
        centres = displace(pairs + np.roll(pairs, -1, axis=1))
        heights[:, half::step, half::step] = centres
        heights[:, ::step, half::step] = displace(pairs + centres + np.roll(centres, 1, axis=1))
        pairs = corners + np.roll(corners, -1, axis=1)
        heights[:, half::step, ::step] = displace(pairs + centres + np.roll(centres, 1, axis=2))
        step, roughness = half, roughness / 1.4**2
    lowest, highest = (bound(axis=(1, 2), keepdims=True) for bound in (heights.min, heights.max))
    fog: Greys = (heights[:, :SIZE, :SIZE] - lowest) / (highest - lowest)
    return fog


def _spatter(images: Greys, rng: Generator) -> Greys:
    """Dark grey blots, mostly opaque."""
    liquid = _smooth(rng.normal(0.65, 0.3, images.shape), 1)
    opacity = _smooth((liquid > 0.65).astype(np.float32), 1.5)
    opacity[opacity < 0.8] = 0
    return images * (1 - opacity) + 63 / MAX_PIXEL * opacity


def _draw_line(start: NDArray[np.floating], end: NDArray[np.floating]) -> Greys:
    """Draw a soft line from left to right for each digit.

    Args:
        start: `(2, n)`, column and row.
        end: Likewise, at a larger column.
    """
    (left, top), (right, bottom) = (point[:, :, None, None] for point in (start, end))
    distance = np.abs(ROWS - top - (bottom - top) / (right - left) * (COLUMNS - left))
    ink = np.clip(np.log(1 - np.minimum(distance, 2.29) / 2.3) + 1, 0, 1)
    line: Greys = ink * ((np.floor(left) <= COLUMNS) & (np.ceil(right) > COLUMNS))
    return line


def _add_dotted_line(images: Greys, rng: Generator) -> Greys:
    """From edge to edge, two columns of every four."""
    first, last = rng.integers(0, SIZE - 1, (2, len(images))).astype(np.float32)
    line = _draw_line(np.stack([0 * first, first]), np.stack([0 * last + SIZE - 1, last]))
    return images + line * (COLUMNS % 4 >= 2)


def _add_zigzag(images: Greys, rng: Generator) -> Greys:
    """Teeth of two pixels height and four of length, along a line that runs nearly level from column 2 to 25."""
    top, fall = rng.integers(0, SIZE - 1, len(images)), rng.integers(-5, 5, len(images))
    slope = np.arctan(fall / 23)
    length = 23 / np.cos(slope)
    along = np.stack([0 * length, *(0 * length + np.arange(2, 23, 4)[:, None]), length])
    # The last tooth ends on the way back to the line.
    aside = np.stack([0 * length, *(0 * length + np.array([2, -2, 2, -2, 2, -2])[:, None]), -1 / (length - 20)])
    columns = 2 + along * np.cos(slope) - aside * np.sin(slope)
    rows = top + along * np.sin(slope) + aside * np.cos(slope)
    drawn = images.copy()
    for start, end in pairwise(np.stack([columns, rows], axis=1)):
        drawn = np.minimum(drawn + _draw_line(start, end), 1)
    return drawn


def _find_edges(images: Greys) -> Greys:
    """Canny: the ridges of the gradient above 0.1 that touch one above 0.2, after a blur of one pixel."""
    smoothed = ndimage.gaussian_filter(images, (0, 1, 1), mode="constant")
    # Not ndimage.sobel, which would smooth across the digits too.
    along_rows, along_columns = (
        ndimage.correlate1d(ndimage.correlate1d(smoothed, [-1, 0, 1], axis), [1, 2, 1], 3 - axis) for axis in (1, 2)
    )
    gradient = np.hypot(along_rows, along_columns)
    # A step along the gradient to the square of the eight neighbours, where two of them are weighed.
    reach = np.maximum(np.maximum(np.abs(along_rows), np.abs(along_columns)), np.finfo(np.float32).tiny)
    place = np.indices(images.shape, np.float32)
    towards = np.stack([0 * reach, along_rows / reach, along_columns / reach])
    neighbours = [ndimage.map_coordinates(gradient, place + sign * towards, order=1) for sign in (1, -1)]
    is_ridge = (gradient >= np.maximum(*neighbours)) & (gradient >= 0.1)
    is_ridge[:, [0, -1]] = is_ridge[:, :, [0, -1]] = False
    within_one_digit = np.zeros((3, 3, 3), int)
    within_one_digit[1] = 1
    lines, _count = ndimage.label(is_ridge, within_one_digit)
    strong = np.unique(lines[is_ridge & (gradient >= 0.2)])
    return np.isin(lines, strong[strong > 0]).astype(np.float32)


CORRUPTIONS: dict[str, Callable[[Greys, Generator], Greys]] = {
    "shot noise": _add_shot_noise,
    "impulse noise": _add_impulse_noise,
    "glass blur": _blur_by_glass,
    "motion blur": _blur_by_motion,
    "shear": partial(_warp_either_way, make_matrix=_make_shear),
    "scale": lambda images, _: _warp(images, np.eye(2) / 0.7),
    "rotate": partial(_warp_either_way, make_matrix=_make_rotation),
    "brightness": lambda images, _: images + 0.5,
    "translate": _translate,
    "stripe": lambda images, _: _invert_stripes(images),
    "fog": _add_fog,
    "spatter": _spatter,
    "dotted line": _add_dotted_line,
    "zigzag": _add_zigzag,
    "canny edges": lambda images, _: _find_edges(images),
}
