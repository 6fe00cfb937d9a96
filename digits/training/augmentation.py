"""Random distortions of a training batch: a smooth warp a digit, affine and elastic together, sampled once.

Warping each image once keeps its strokes sharp; two passes of interpolation would blur them. The elastic part follows
Simard, Steinkraus and Platt, "Best Practices for Convolutional Neural Networks Applied to Visual Document Analysis"
(ICDAR 2003), with a coarse grid of displacements in place of a smoothed field: the grid is what makes it cheap.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from digits.data.images import SIZE


@dataclass(frozen=True)
class Distortion:
    """How far a training digit may be bent. Each affine part is drawn uniformly from plus or minus its limit."""

    rotation_degrees: float = 12.0
    zoom: float = 0.12
    shear: float = 0.15
    shift_pixels: float = 2.0
    elastic_pixels: float = 0.5
    """Standard deviation of the elastic displacement at a grid point."""
    elastic_grid: int = 5
    """Grid points a side."""


def make_interpolation(num_points: int) -> NDArray[np.float32]:
    """Return the weights that stretch a row of grid values over the image smoothly (Catmull-Rom cubic).

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
    """Stretch square grids of values over the image smoothly.

    Args:
        knots: float32 `(n, channels, num_points, num_points)`.

    Returns:
        float32 `(n, channels, 28, 28)`.
    """
    stretch = tf.constant(make_interpolation(knots.shape[-1]))
    return tf.einsum("ya,ncab,xb->ncyx", stretch, knots, stretch)


def distort(batch: tf.Tensor, distortion: Distortion, seed: tf.Tensor, strength: tf.Tensor | float = 1.0) -> tf.Tensor:
    """Warp every digit of a batch in its own way.

    Args:
        batch: float32 `(n, 28, 28, 1)` in [0, 1].
        distortion: The limits.
        seed: int32 or int64 `(2,)`; the same seed gives the same warp.
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
    """Return where each output pixel comes from, as rows and columns, float32 `(n, 28, 28)` in pixels."""
    # One column a parameter: rotation, zoom down and across, shear, shift down and across.
    limits = tf.constant(
        [
            np.deg2rad(distortion.rotation_degrees),
            distortion.zoom,
            distortion.zoom,
            distortion.shear,
            distortion.shift_pixels,
            distortion.shift_pixels,
        ],
        tf.float32,
    )
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
    """Read a batch at fractional positions, bilinearly; outside the image there is paper."""
    # A frame of one paper pixel makes every neighbour of a clipped position exist.
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
