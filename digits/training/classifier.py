"""Fit the network: configuration, batches and schedule.

Every random draw is a function of the seed and the step alone, never of what was drawn before. So a resumed run sees
the same batches as one that was never stopped, and ends with the same weights.
"""

from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from digits.data.dataset import LabelledImages
from digits.data.images import MAX_PIXEL, make_batch, scale_pixels
from digits.errors import ConfigurationError
from digits.networks.classifier import select_logits
from digits.networks.muon import ConvolutionMuon, make_optimizer
from digits.synthesis.stroke_variants import StrokeVariants, draw_variants
from digits.training.augmentation import NO_DISTURBANCE, Distortion, Disturbance, distort, disturb
from digits.training.checkpoint import CheckpointSaver, History

_NUM_STATISTICS_BATCHES = 100
_STATISTICS_BATCH_SIZE = 200


@dataclass(frozen=True)
class TrainingConfig:
    """The experiment's settings; written into the artifact. None was chosen on the test digits."""

    seed: int = 42
    epochs: int = 30
    batch_size: int = 100
    learning_rate: float = 6e-3
    """The peak, for convolution kernels: reached after the warm-up, then a cosine to zero."""
    adamw_ratio: float = 0.5
    """The other weights' learning rate, as a share of that."""
    warmup_fraction: float = 0.15
    weight_decay: float = 0.01
    distortion: Distortion = field(default_factory=Distortion)
    variants: StrokeVariants = field(default_factory=StrokeVariants)
    """Slashed zeros and the like, added to the training digits."""
    disturbance: Disturbance = field(default_factory=Disturbance)
    finishing_fraction: float = 0.3
    """The last share of the steps sees half the distortion, no disturbance: closer to the digits that will be read."""
    temperature: float = 1.11
    """Divides the logits. Two networks trained without 10,000 of the training digits fitted 1.10 and 1.12 on those."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate", "temperature"):
            if not getattr(self, name) > 0:
                raise ConfigurationError(f"Received {name} {getattr(self, name)}, expected a number above 0.")
        for name in ("warmup_fraction", "finishing_fraction"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigurationError(f"Received {name} {getattr(self, name)}, expected 0 or more, below 1.")
        check_seed(self.seed)


def check_seed(seed: int) -> None:
    """Refuse a seed that NumPy, TensorFlow or Keras does not take.

    Raises:
        ConfigurationError: If it is negative or has more than 32 bits.
    """
    if not 0 <= seed < 2**32:
        raise ConfigurationError(f"Received seed {seed}, expected an integer from 0 to {2**32 - 1}.")


FAST = TrainingConfig(
    epochs=1,
    warmup_fraction=0.2,
    distortion=Distortion(rotation_degrees=6, zoom=0.06, shear=0.08, shift_pixels=1, elastic_pixels=0.25),
    disturbance=NO_DISTURBANCE,
    finishing_fraction=0,
)
"""One epoch with gentle distortion, for seeing it work in a minute or two."""


def fit_network(
    network: keras.Model, digits: LabelledImages, config: TrainingConfig, checkpoint: Path, resume: bool, verbose: int
) -> History:
    """Train the network in place.

    Args:
        network: As `model.build_network` makes it.
        digits: What to train on.
        config: The settings.
        checkpoint: Written after each epoch; ends in `.weights.h5`.
        resume: Go on from the checkpoint rather than from the start.
        verbose: Keras's: 1 draws a progress bar, 2 prints a line an epoch, 0 nothing.

    Returns:
        Loss and accuracy on the distorted training digits, a number an epoch.

    Raises:
        CheckpointError: If there is nothing to resume, or it is another run's.
        ConfigurationError: If there are fewer digits than one batch.
    """
    taught = add_variants(digits, config)
    steps_per_epoch = len(taught) // config.batch_size
    if not steps_per_epoch:
        raise ConfigurationError(
            f"Received {len(digits)} digits to train on, expected at least one batch of {config.batch_size}; "
            "use a larger file."
        )
    logits = select_logits(network)
    logits.compile(
        optimizer=configure_optimizer(config, num_steps=config.epochs * steps_per_epoch),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    saver = CheckpointSaver(checkpoint, config, digits.sha256, len(digits))
    first_epoch = saver.restore(logits) if resume else 0
    logits.fit(
        make_batches(taught, config, first_epoch),
        initial_epoch=first_epoch,
        epochs=config.epochs,
        steps_per_epoch=steps_per_epoch,
        callbacks=[saver],
        shuffle=False,  # The batches are shuffled already.
        verbose=verbose,
    )
    recompute_statistics(network, digits, config)
    return saver.history


def configure_optimizer(config: TrainingConfig, num_steps: int) -> ConvolutionMuon:
    """Return the optimiser with the settings' schedule over the steps of the whole training."""
    return make_optimizer(
        config.learning_rate, config.adamw_ratio, config.warmup_fraction, config.weight_decay, num_steps
    )


def add_variants(digits: LabelledImages, config: TrainingConfig) -> LabelledImages:
    """Return the digits and, after them, variants of some with strokes that MNIST lacks."""
    images, labels = draw_variants(digits.images, digits.labels, config.variants, config.seed)
    return LabelledImages(
        np.concatenate([digits.images, images]), np.concatenate([digits.labels, labels]), digits.sha256
    )


def make_batches(digits: LabelledImages, config: TrainingConfig, first_epoch: int = 0) -> tf.data.Dataset:
    """Return the shuffled, distorted batches of the epochs from `first_epoch` on.

    Returns:
        A dataset of batches float32 `(batch_size, 28, 28, 1)` in [0, 1] and labels int64 `(batch_size,)`. Digits that
        do not fill a last batch sit out that epoch, others in the next.
    """
    images, labels = tf.constant(digits.images), tf.constant(digits.labels)
    num_digits, size = len(digits), config.batch_size
    steps_per_epoch = num_digits // size
    last_step = config.epochs * steps_per_epoch
    finishing_step = last_step - round(config.finishing_fraction * last_step)

    def draw_batch(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        positions = (step % steps_per_epoch) * size + tf.range(size, dtype=tf.int64)
        # A stateless permutation of all digits, another one each epoch.
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
    # One call at a time: the second core is the network's.
    return steps.map(draw_batch, num_parallel_calls=1, deterministic=True).prefetch(4)


def scale_in_graph(pixels: tf.Tensor) -> tf.Tensor:
    """Scale uint8 pixels of any shape as `images.scale_pixels` does, inside a TensorFlow graph: by looking them up."""
    return tf.gather(tf.constant(scale_pixels(np.arange(MAX_PIXEL + 1))), tf.cast(pixels, tf.int32))


def recompute_statistics(network: keras.Model, digits: LabelledImages, config: TrainingConfig) -> None:
    """Set each batch normalisation's mean and variance to those of undistorted training digits.

    While training they are a running average over distorted digits and older weights; what will be read is undistorted.
    """
    normalisations = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in normalisations]
    size = min(_STATISTICS_BATCH_SIZE, len(digits))
    order = np.random.default_rng(config.seed).permutation(len(digits))[: _NUM_STATISTICS_BATCHES * size]
    for index in range(len(order) // size):
        batch = make_batch(digits.images[order[index * size : (index + 1) * size]])
        for layer in normalisations:
            layer.momentum = index / (index + 1)  # which makes the running average a plain mean
        network(batch, training=True)
    for layer, momentum in zip(normalisations, momenta, strict=True):
        layer.momentum = momentum
