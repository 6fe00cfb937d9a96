"""Random changes of a training batch that leave a digit's shape alone, which is what the network should go by."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import tensorflow as tf

from digits.data.images import SIZE
from digits.training.augmentation import stretch_grid

_REGION_GRID = 5


@dataclass(frozen=True)
class Disturbance:
    """What happens to training digits: each change to its share of them, 0-1, drawn by itself."""

    clutter: float = 0.2
    """A piece of another digit of the batch."""
    convolution: float = 0.3
    """A random 3x3 kernel, which acts on a part of the image."""
    noise: float = 0.3
    """Gaussian, of a standard deviation up to `noise_limit`."""
    noise_limit: float = 0.5
    """In parts of the range from paper to ink."""


NO_DISTURBANCE = Disturbance(clutter=0.0, convolution=0.0, noise=0.0)


def disturb(
    batch: tf.Tensor, disturbance: Disturbance, seed: tf.Tensor, strength: tf.Tensor | float = 1.0
) -> tf.Tensor:
    """Change some digits of a batch, each in its own way.

    Args:
        batch: float32 `(n, 28, 28, 1)` in [0, 1].
        disturbance: The shares.
        seed: int32 or int64 `(2,)`; the same seed gives the same changes.
        strength: Scales every share; 0 leaves the batch as it is.

    Returns:
        float32 `(n, 28, 28, 1)`; the changed digits may lie beyond [0, 1].
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
    """Show a region of each digit as a random 3x3 kernel sees it, on paper of another grey.

    Half of the kernels find edges, which makes outlines of strokes; half of what they see is mixed with the digit.
    """
    num_images = tf.shape(batch)[0]
    kernel_seed, edge_seed, paper_seed, mixture_seed, region_seed = tf.unstack(tf.random.split(seed, 5))
    finds_edges = tf.random.stateless_uniform((num_images, 1, 1, 1), edge_seed) >= 0.5
    kernels = _draw_kernels(finds_edges, kernel_seed)
    framed = tf.pad(batch, [[0, 0], [1, 1], [1, 1], [0, 0]])
    convolved = tf.add_n(
        [
            kernels[:, row, column] * framed[:, row : row + SIZE, column : column + SIZE]
            for row in range(3)
            for column in range(3)
        ]
    )
    paper = tf.random.stateless_uniform((num_images, 1, 1, 1), paper_seed)
    changed = paper + tf.where(finds_edges, tf.abs(convolved), convolved)
    mixture = tf.nn.relu(tf.random.stateless_uniform((num_images, 1, 1, 1), mixture_seed, -1.0))
    return tf.where(_draw_regions(num_images, region_seed), mixture * batch + (1 - mixture) * changed, batch)


def _draw_kernels(finds_edges: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Draw 3x3 kernels, float32 `(n, 3, 3, 1, 1, 1)`; those that find edges, bool `(n, 1, 1, 1)`, sum to zero.

    Xu et al., "Robust and Generalizable Visual Representation Learning via Random Convolutions", arXiv 2007.13003.
    """
    # A standard deviation of 1/3 keeps the ink's energy: nine weights of variance 1/9.
    kernels = tf.random.stateless_normal((tf.shape(finds_edges)[0], 3, 3, 1, 1, 1), seed, stddev=1 / 3)
    means = tf.reduce_mean(kernels, axis=(1, 2), keepdims=True)
    return kernels - tf.where(finds_edges[..., None, None], means, 0.0)


def _add_clutter(batch: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Lay a piece of the batch's next digit over each."""
    # Half of a digit may be read as one: what two blots share is a quarter.
    first, second = (_draw_regions(tf.shape(batch)[0], one) for one in tf.unstack(tf.random.split(seed, 2)))
    return tf.where(first & second, tf.maximum(batch, tf.roll(batch, 1, axis=0)), batch)


def _draw_regions(num_images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Draw blots that cover about half of each image, bool `(n, 28, 28, 1)`: where a smooth random surface is high."""
    knots = tf.random.stateless_normal((num_images, 1, _REGION_GRID, _REGION_GRID), seed)
    return stretch_grid(knots)[:, 0, :, :, None] > 0


def _add_noise(batch: tf.Tensor, seed: tf.Tensor, limit: float) -> tf.Tensor:
    deviation_seed, noise_seed = tf.unstack(tf.random.split(seed, 2))
    deviation = tf.random.stateless_uniform((tf.shape(batch)[0], 1, 1, 1), deviation_seed, 0.0, limit)
    return batch + deviation * tf.random.stateless_normal(tf.shape(batch), noise_seed)
