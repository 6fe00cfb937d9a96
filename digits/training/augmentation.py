"""Random changes of a training batch: distortions change the shape of a digit, disturbances change its greys.

A distortion is one smooth warp of each digit, affine and elastic together. It samples the image once, because two
interpolations would blur the strokes. The elastic part follows Simard, Steinkraus and Platt, "Best Practices for
Convolutional Neural Networks Applied to Visual Document Analysis" (ICDAR 2003), but it interpolates a coarse grid of
displacements, because that is cheaper than to smooth a field of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from digits.data.images import SIZE

_REGION_GRID = 5  # Grid points on a side of the random surface that chooses a region of an image.


@dataclass(frozen=True)
class Distortion:
    """The limits of a distortion. Each affine part is uniformly distributed between minus and plus its limit."""

    rotation_degrees: float = 12.0
    zoom: float = 0.12
    shear: float = 0.15
    shift_pixels: float = 2.0
    elastic_pixels: float = 0.5
    """The standard deviation of the elastic displacement at a grid point."""
    elastic_grid: int = 5
    """The number of grid points on a side."""


def make_interpolation(num_points: int) -> NDArray[np.float32]:
    """Return the weights that interpolate a row of grid values over the image (Catmull-Rom cubic).

    Returns:
        float32 `(28, num_points)`, rows sum to 1.
    """
    positions = np.linspace(0, num_points - 1, SIZE)
    distance = np.abs(positions[:, None] - np.arange(num_points)[None, :])
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    weights = np.where(distance < 1, near, np.where(distance < 2, far, 0))
    normalised: NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return normalised


def stretch_grid(knots: tf.Tensor) -> tf.Tensor:
    """Interpolate square grids of values over the image.

    Args:
        knots: float32 `(n, channels, num_points, num_points)`.

    Returns:
        float32 `(n, channels, 28, 28)`.
    """
    stretch = tf.constant(make_interpolation(knots.shape[-1]))
    return tf.einsum("ya,ncab,xb->ncyx", stretch, knots, stretch)


def distort(batch: tf.Tensor, distortion: Distortion, seed: tf.Tensor, strength: tf.Tensor | float = 1.0) -> tf.Tensor:
    """Warp each digit of a batch differently.

    Args:
        batch: float32 `(n, 28, 28, 1)` in [0, 1].
        distortion: The limits.
        seed: int32 or int64 `(2,)`; the same seed gives the same warps.
        strength: Scales every limit; 0 leaves the batch as it is.

    Returns:
        float32 `(n, 28, 28, 1)` in [0, 1].
    """
    num_images = tf.shape(batch)[0]
    affine_seed, elastic_seed = tf.unstack(tf.random.split(seed, 2))
    rows, columns = _affine_positions(num_images, distortion, affine_seed, strength)
    grid = distortion.elastic_grid
    knots = tf.random.stateless_normal((num_images, 2, grid, grid), elastic_seed, stddev=distortion.elastic_pixels)
    displacement = strength * stretch_grid(knots)
    return _sample(batch, rows + displacement[:, 0], columns + displacement[:, 1])


def _affine_positions(
    num_images: tf.Tensor, distortion: Distortion, seed: tf.Tensor, strength: tf.Tensor | float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the position from which each output pixel is read: rows and columns, float32 `(n, 28, 28)` in pixels."""
    # The columns: rotation, zoom down, zoom across, shear, shift down, shift across.
    angle, zoom, shear, shift = (
        np.deg2rad(distortion.rotation_degrees),
        distortion.zoom,
        distortion.shear,
        distortion.shift_pixels,
    )
    limits = tf.constant([angle, zoom, zoom, shear, shift, shift], tf.float32)
    drawn = tf.random.stateless_uniform((num_images, 6), seed, -1.0, 1.0) * limits * strength
    angle, zoom_down, zoom_across, shear, shift_down, shift_across = tf.unstack(drawn[:, :, None, None], axis=1)
    offset = np.arange(SIZE, dtype=np.float32) - (SIZE - 1) / 2
    down, across = tf.constant(offset[None, :, None]), tf.constant(offset[None, None, :])
    sheared = across + shear * down
    scaled_down, scaled_across = down * (1 + zoom_down), sheared * (1 + zoom_across)
    rows = tf.cos(angle) * scaled_down + tf.sin(angle) * scaled_across + shift_down
    columns = tf.cos(angle) * scaled_across - tf.sin(angle) * scaled_down + shift_across
    centre = (SIZE - 1) / 2
    return rows + centre, columns + centre


def _sample(batch: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """Read a batch at fractional positions by bilinear interpolation; outside of the image is paper."""
    # A frame of paper, one pixel wide, holds all neighbours of the clipped positions.
    framed = tf.pad(batch[..., 0], [[0, 0], [1, 1], [1, 1]])
    width = SIZE + 2
    rows = tf.clip_by_value(rows + 1, 0.0, width - 1.001)
    columns = tf.clip_by_value(columns + 1, 0.0, width - 1.001)
    top, left = tf.floor(rows), tf.floor(columns)
    below, right = rows - top, columns - left
    num_images = tf.shape(batch)[0]
    start = tf.range(num_images)[:, None, None] * (width * width)
    corner = start + tf.cast(top, tf.int32) * width + tf.cast(left, tf.int32)
    flat = tf.reshape(framed, [-1])
    upper = tf.gather(flat, corner) * (1 - right) + tf.gather(flat, corner + 1) * right
    lower = tf.gather(flat, corner + width) * (1 - right) + tf.gather(flat, corner + width + 1) * right
    return (upper * (1 - below) + lower * below)[..., None]


@dataclass(frozen=True)
class Disturbance:
    """The share of the digits, in [0, 1], that each change is made to, independently of the other changes."""

    clutter: float = 0.2
    """A piece of another digit of the batch is laid over the digit."""
    convolution: float = 0.3
    """A random 3x3 kernel changes a region of the image."""
    noise: float = 0.3
    """Gaussian noise is added."""
    noise_limit: float = 0.5
    """The largest standard deviation of the noise, where paper is 0 and ink is 1."""


NO_DISTURBANCE = Disturbance(clutter=0.0, convolution=0.0, noise=0.0)


def disturb(
    batch: tf.Tensor, disturbance: Disturbance, seed: tf.Tensor, strength: tf.Tensor | float = 1.0
) -> tf.Tensor:
    """Change the greys of some digits of a batch.

    Args:
        batch: float32 `(n, 28, 28, 1)` in [0, 1].
        disturbance: The shares.
        seed: int32 or int64 `(2,)`; the same seed gives the same changes.
        strength: Scales every share; 0 leaves the batch as it is.

    Returns:
        float32 `(n, 28, 28, 1)`; changed digits may have pixels outside of [0, 1].
    """
    changes: tuple[tuple[float, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]], ...] = (
        (disturbance.clutter, _add_clutter),
        (disturbance.convolution, _convolve_region),
        (disturbance.noise, partial(_add_noise, limit=disturbance.noise_limit)),
    )
    for (share, change), change_seed in zip(changes, tf.unstack(tf.random.split(seed, len(changes))), strict=True):
        if share:
            choice_seed, draw_seed = tf.unstack(tf.random.split(change_seed, 2))
            chosen = tf.random.stateless_uniform((tf.shape(batch)[0], 1, 1, 1), choice_seed) < share * strength
            batch = tf.where(chosen, change(batch, draw_seed), batch)
    return batch


def _convolve_region(batch: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Convolve a region of each digit with a random 3x3 kernel, and change the grey of its paper.

    Half of the kernels find edges and so turn strokes into outlines. Half of the results are mixed with the digit.
    """
    num_images = tf.shape(batch)[0]
    kernel_seed, edge_seed, paper_seed, mixture_seed, region_seed = tf.unstack(tf.random.split(seed, 5))
    finds_edges = tf.random.stateless_uniform((num_images, 1, 1, 1), edge_seed) >= 0.5
    kernels = _draw_kernels(finds_edges, kernel_seed)
    framed = tf.pad(batch, [[0, 0], [1, 1], [1, 1], [0, 0]])
    places = [(row, column) for row in range(3) for column in range(3)]
    convolved = tf.add_n([kernels[:, y, x] * framed[:, y : y + SIZE, x : x + SIZE] for y, x in places])
    paper = tf.random.stateless_uniform((num_images, 1, 1, 1), paper_seed)
    changed = paper + tf.where(finds_edges, tf.abs(convolved), convolved)
    mixture = tf.nn.relu(tf.random.stateless_uniform((num_images, 1, 1, 1), mixture_seed, -1.0))
    return tf.where(_draw_regions(num_images, region_seed), mixture * batch + (1 - mixture) * changed, batch)


def _draw_kernels(finds_edges: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Return random 3x3 kernels, float32 `(n, 3, 3, 1, 1, 1)`; those that find edges, bool `(n, 1, 1, 1)`, sum to 0.

    Xu et al., "Robust and Generalizable Visual Representation Learning via Random Convolutions", arXiv 2007.13003.
    """
    # Nine weights with a standard deviation of 1/3 have a variance of 1/9 each, which keeps the energy of the ink.
    kernels = tf.random.stateless_normal((tf.shape(finds_edges)[0], 3, 3, 1, 1, 1), seed, stddev=1 / 3)
    means = tf.reduce_mean(kernels, axis=(1, 2), keepdims=True)
    return kernels - tf.where(finds_edges[..., None, None], means, 0.0)


def _add_clutter(batch: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Lay a piece of the digit before it in the batch over each digit."""
    # The overlap of two regions is about a quarter of the image. One region, half of it, could hold a legible digit.
    first, second = (_draw_regions(tf.shape(batch)[0], one) for one in tf.unstack(tf.random.split(seed, 2)))
    return tf.where(first & second, tf.maximum(batch, tf.roll(batch, 1, axis=0)), batch)


def _draw_regions(num_images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Return a region of about half of each image, bool `(n, 28, 28, 1)`: where a smooth random surface is above 0."""
    knots = tf.random.stateless_normal((num_images, 1, _REGION_GRID, _REGION_GRID), seed)
    return stretch_grid(knots)[:, 0, :, :, None] > 0


def _add_noise(batch: tf.Tensor, seed: tf.Tensor, limit: float) -> tf.Tensor:
    deviation_seed, noise_seed = tf.unstack(tf.random.split(seed, 2))
    deviation = tf.random.stateless_uniform((tf.shape(batch)[0], 1, 1, 1), deviation_seed, 0.0, limit)
    return batch + deviation * tf.random.stateless_normal(tf.shape(batch), noise_seed)
