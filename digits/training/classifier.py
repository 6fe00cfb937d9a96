"""Fit the classifier: its settings, its batches and its training.

Every random number of a batch depends on the seed and the step alone, and not on earlier random numbers. So a resumed
run sees the same batches as a run that was never interrupted, and ends with the same weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from digits.data.dataset import LabelledImages
from digits.data.images import MAX_PIXEL, make_batch, scale_pixels
from digits.errors import ConfigurationError
from digits.networks.classifier import select_logits
from digits.synthesis.other_hands import OtherHands, draw_other_hands
from digits.synthesis.stroke_variants import StrokeVariants, draw_variants
from digits.training.augmentation import NO_DISTURBANCE, Distortion, Disturbance, distort, disturb
from digits.training.checkpoint import CheckpointSaver, History
from digits.training.settings import FitConfig, make_optimizer

_NUM_STATISTICS_BATCHES = 100
_STATISTICS_BATCH_SIZE = 200


@dataclass(frozen=True)
class TrainingConfig(FitConfig):
    """The settings of the classifier's training. None was chosen on the test digits."""

    POSITIVE = (*FitConfig.POSITIVE, "temperature")
    FRACTIONS = (*FitConfig.FRACTIONS, "finishing_fraction")

    distortion: Distortion = field(default_factory=Distortion)
    variants: StrokeVariants = field(default_factory=StrokeVariants)
    """Digits with strokes that MNIST lacks, added to the training digits."""
    other_hands: OtherHands = field(default_factory=OtherHands)
    """Digits of hands that MNIST has few of, added to the training digits."""
    disturbance: Disturbance = field(default_factory=Disturbance)
    finishing_fraction: float = 0.3
    """In this last share of the steps digits are distorted half as much and not disturbed, so more like real ones."""
    temperature: float = 1.11
    """Divides the logits. Two networks trained without 10,000 of the training digits fitted 1.10 and 1.12 on those."""


FAST = TrainingConfig(
    epochs=1,
    warmup_fraction=0.2,
    distortion=Distortion(rotation_degrees=6, zoom=0.06, shear=0.08, shift_pixels=1, elastic_pixels=0.25),
    disturbance=NO_DISTURBANCE,
    finishing_fraction=0,
)
"""One epoch with little distortion, to see in a minute or two that training works."""


_FEWEST_STEPS = 600  # So many batches a further training takes at least, however few the digits are.


def configure_further_training(num_digits: int) -> TrainingConfig:
    """Return the settings with which a trained network learns more digits: a few epochs at a low learning rate."""
    config = TrainingConfig(epochs=2, learning_rate=1e-3)
    steps_per_epoch = max(num_digits // config.batch_size, 1)
    return replace(config, epochs=max(config.epochs, ceil(_FEWEST_STEPS / steps_per_epoch)))


def fit_network(
    network: keras.Model,
    digits: LabelledImages,
    config: TrainingConfig,
    checkpoint: Path,
    resume: bool,
    verbose: int,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> History:
    """Train the network in place.

    Args:
        network: A network that ends in a softmax after the layer `logits`.
        digits: The training digits.
        config: The settings.
        checkpoint: The file to write after each epoch; ends in `.weights.h5`.
        resume: Whether to continue from the checkpoint.
        verbose: As in Keras: 1 draws a progress bar, 2 prints a line after each epoch, 0 prints nothing.
        callbacks: More of what Keras calls after each epoch.

    Returns:
        Loss and accuracy on the distorted training digits, a number for each epoch.

    Raises:
        CheckpointError: If there is nothing to resume, or the checkpoint is of another run.
        ConfigurationError: If there are fewer digits than one batch.
    """
    training = add_variants(digits, config)
    steps_per_epoch = len(training) // config.batch_size
    if not steps_per_epoch:
        raise ConfigurationError(
            f"Received {len(digits)} digits to train on, expected at least one batch of {config.batch_size}; "
            "use a larger file."
        )
    logits = select_logits(network)
    logits.compile(
        optimizer=make_optimizer(config, config.epochs * steps_per_epoch),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    saver = CheckpointSaver(checkpoint, config, digits.sha256, len(digits))
    first_epoch = saver.restore(logits, resume)
    logits.fit(
        make_batches(training, config, first_epoch),
        initial_epoch=first_epoch,
        epochs=config.epochs,
        steps_per_epoch=steps_per_epoch,
        callbacks=[saver, *callbacks],
        shuffle=False,  # The batches are shuffled already.
        verbose=verbose,
    )
    recompute_statistics(network, digits, config)
    return saver.history


def add_variants(digits: LabelledImages, config: TrainingConfig) -> LabelledImages:
    """Return the digits; after them variants of some with strokes that MNIST lacks, and digits of other hands."""
    return append_images(
        digits,
        draw_variants(digits.images, digits.labels, config.variants, config.seed),
        draw_other_hands(digits.images, digits.labels, config.other_hands, config.seed),
    )


def append_images(digits: LabelledImages, *more: tuple[NDArray[np.uint8], NDArray[np.int64]]) -> LabelledImages:
    """Return the digits and, after them, more images, each uint8 `(n, 28, 28)` with labels int64 `(n,)`."""
    images, labels = zip((digits.images, digits.labels), *more, strict=True)
    return LabelledImages(np.concatenate(images), np.concatenate(labels), digits.sha256)


def make_batches(digits: LabelledImages, config: TrainingConfig, first_epoch: int = 0) -> tf.data.Dataset:
    """Return the shuffled, distorted batches of the epochs from `first_epoch` on.

    Returns:
        A dataset of batches float32 `(batch_size, 28, 28, 1)`, in [0, 1] but for disturbed digits, and labels int64
        `(batch_size,)`. The digits of an incomplete last batch are left out; they differ from epoch to epoch.
    """
    images, labels = tf.constant(digits.images), tf.constant(digits.labels)
    num_digits, size = len(digits), config.batch_size
    steps_per_epoch = num_digits // size
    last_step = config.epochs * steps_per_epoch
    finishing_step = last_step - round(config.finishing_fraction * last_step)

    def draw_batch(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        positions = (step % steps_per_epoch) * size + tf.range(size, dtype=tf.int64)
        # A stateless permutation of all digits, different in each epoch.
        shuffle_seed = tf.stack([tf.constant(config.seed, tf.int64), step // steps_per_epoch])
        chosen = tf.random.experimental.index_shuffle(positions, shuffle_seed, tf.constant(num_digits - 1, tf.int64))
        batch = scale_in_graph(tf.gather(images, chosen))[..., None]
        is_finishing = step >= finishing_step
        distort_seed, disturb_seed = tf.unstack(
            tf.random.split(tf.stack([tf.constant(config.seed + 1, tf.int64), step]), 2)
        )
        batch = distort(batch, config.distortion, distort_seed, strength=tf.where(is_finishing, 0.5, 1.0))
        batch = disturb(batch, config.disturbance, disturb_seed, strength=tf.where(is_finishing, 0.0, 1.0))
        return batch, tf.gather(labels, chosen)

    steps = tf.data.Dataset.range(first_epoch * steps_per_epoch, last_step)
    # One call at a time, because the network uses the other core.
    return steps.map(draw_batch, num_parallel_calls=1, deterministic=True).prefetch(4)


def scale_in_graph(pixels: tf.Tensor) -> tf.Tensor:
    """Look up what `images.scale_pixels` makes of uint8 pixels, any shape; returns float32 in [0, 1]."""
    return tf.gather(tf.constant(scale_pixels(np.arange(MAX_PIXEL + 1))), tf.cast(pixels, tf.int32))


def recompute_statistics(network: keras.Model, digits: LabelledImages, config: TrainingConfig) -> None:
    """Set the mean and variance of each batch normalisation to those of undistorted training digits.

    Training leaves a running average over distorted digits and earlier weights, but digits are read undistorted.
    """
    normalisations = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in normalisations]
    size = min(_STATISTICS_BATCH_SIZE, len(digits))
    order = np.random.default_rng(config.seed).permutation(len(digits))[: _NUM_STATISTICS_BATCHES * size]
    for index in range(len(order) // size):
        batch = make_batch(digits.images[order[index * size : (index + 1) * size]])
        for layer in normalisations:
            layer.momentum = index / (index + 1)  # This makes the running average a plain mean.
        network(batch, training=True)
    for layer, momentum in zip(normalisations, momenta, strict=True):
        layer.momentum = momentum
