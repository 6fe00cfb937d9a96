"""Random changes of a training batch that leave a digit's shape alone, which is what the network should go by."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import tensorflow as tf

from digits.augmentation import stretch_grid
from digits.images import SIZE

Change = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""A batch and a seed, to a batch in which every digit is changed."""
_REGION_GRID = 5


@dataclass(frozen=True)
class Disturbance:
    """What happens to training digits: each change to its share of them, 0-1, drawn by itself. Acts on whole images."""

    convolution: float = 0.3
    """A random 3x3 kernel."""
    noise: float = 0.3
    """Gaussian, of a standard deviation up to `noise_limit`."""
    noise_limit: float = 0.5
    """In parts of the range from paper to ink."""

    def list_changes(self) -> tuple[tuple[float, Change], ...]:
        """Return the changes in their order, each with its share."""
        return (self.convolution, _mix_convolved), (self.noise, partial(_add_noise, limit=self.noise_limit))


@dataclass(frozen=True)
class RegionalDisturbance(Disturbance):
    """Convolutions act on a part of the image; some digits get a piece of another."""

    clutter: float = 0.2
    """A piece of another digit of the batch."""

    def list_changes(self) -> tuple[tuple[float, Change], ...]:
        """Return the changes in their order, each with its share."""
        _, noise = super().list_changes()
        return (self.clutter, _add_clutter), (self.convolution, _convolve_region), noise


NO_DISTURBANCE = Disturbance(convolution=0.0, noise=0.0)


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
    changes = disturbance.list_changes()
    for (share, change), change_seed in zip(changes, tf.unstack(tf.random.split(seed, len(changes))), strict=True):
        if share:
            choice_seed, draw_seed = tf.unstack(tf.random.split(change_seed, 2))
            chosen = tf.random.stateless_uniform((tf.shape(batch)[0], 1, 1, 1), choice_seed) < share * strength
            batch = tf.where(chosen, change(batch, draw_seed), batch)
    return batch


def _convolve(batch: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Return what a random 3x3 kernel, another for each, makes of each digit.

    Xu et al., "Robust and Generalizable Visual Representation Learning via Random Convolutions", arXiv 2007.13003.
    """
    # A standard deviation of 1/3 keeps the ink's energy: nine weights of variance 1/9.
    kernels = tf.random.stateless_normal((tf.shape(batch)[0], 3, 3, 1, 1, 1), seed, stddev=1 / 3)
    framed = tf.pad(batch, [[0, 0], [1, 1], [1, 1], [0, 0]])
    return tf.add_n(
        [
            kernels[:, row, column] * framed[:, row : row + SIZE, column : column + SIZE]
            for row in range(3)
            for column in range(3)
        ]
    )


def _mix_convolved(batch: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    kernel_seed, mixture_seed = tf.unstack(tf.random.split(seed, 2))
    mixture = tf.random.stateless_uniform((tf.shape(batch)[0], 1, 1, 1), mixture_seed)
    return mixture * batch + (1 - mixture) * _convolve(batch, kernel_seed)


def _convolve_region(batch: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Mix a region with its convolution; half of the latter lose their sign, all lie on paper of another grey."""
    num_images = tf.shape(batch)[0]
    kernel_seed, sign_seed, paper_seed, mixture_seed, region_seed = tf.unstack(tf.random.split(seed, 5))
    convolved = _convolve(batch, kernel_seed)
    has_sign = tf.random.stateless_uniform((num_images, 1, 1, 1), sign_seed) < 0.5
    paper = tf.random.stateless_uniform((num_images, 1, 1, 1), paper_seed)
    mixture = tf.random.stateless_uniform((num_images, 1, 1, 1), mixture_seed)
    changed = paper + tf.where(has_sign, convolved, tf.abs(convolved))
    return tf.where(_draw_regions(num_images, region_seed), mixture * batch + (1 - mixture) * changed, batch)


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
