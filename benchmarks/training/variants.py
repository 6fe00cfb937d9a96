"""What the shipped recipe is compared with: other settings, other networks of its kind, networks that teach each other.

None of it is part of `make run_train`; each is a line of the tables in docs/model-card.md and benchmarks/README.md.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from benchmarks import ROOT
from digits.data.dataset import LabelledImages
from digits.data.images import BATCH_SHAPE, NUM_CLASSES
from digits.errors import DatasetError
from digits.networks.classifier import (
    LOGITS_NAME,
    add_convolution,
    add_residual_block,
    build_network,
    select_logits,
    subtract_surroundings,
)
from digits.synthesis.other_hands import OtherHands
from digits.synthesis.stroke_variants import StrokeVariants
from digits.training.augmentation import NO_DISTURBANCE, Distortion, Disturbance
from digits.training.checkpoint import History
from digits.training.classifier import (
    FAST,
    TrainingConfig,
    add_variants,
    fit_network,
    make_batches,
    recompute_statistics,
)
from digits.training.settings import make_optimizer

COMMITTEE = ROOT / "benchmarks/training/committee.npz"
_PEER_SHARE = 0.5
_TEACHER_SHARE = 0.7


def build_stages(*stages: tuple[int, ...], dropout: float = 0.0, averages: bool = False) -> keras.Model:
    """Build a network like the shipped one with other channels; each further stage halves the maps.

    Args:
        stages: The channels of each residual block, by stage.
        dropout: The share of what the head sees that is dropped in training.
        averages: Whether the head sees the mean of each channel over the map, so not where in the map it stands.
    """
    pixels = keras.Input(BATCH_SHAPE, name="pixels")
    x = add_convolution(subtract_surroundings(pixels), stages[0][0], 5, strides=2)
    for place, stage in enumerate(stages):
        for block, channels in enumerate(stage):
            x = add_residual_block(x, channels, (2, 2) if place and not block else (1, 1))
    x = layers.GlobalAveragePooling2D()(x) if averages else layers.Flatten()(x)
    if dropout:
        x = layers.Dropout(dropout)(x)
    logits = layers.Dense(NUM_CLASSES, name=LOGITS_NAME)(x)
    return keras.Model(pixels, layers.Softmax(name="probabilities")(logits), name="digits")


def fit_beside_peer(
    network: keras.Model, digits: LabelledImages, config: TrainingConfig, checkpoint: Path, resume: bool, verbose: int
) -> History:
    """Train the network beside another, each trained half on the label and half on the probabilities of the other.

    Deep mutual learning (Zhang et al., arXiv 1706.00384). Takes what `fit_network` takes, but writes no checkpoint and
    resumes nothing; the other network is dropped at the end.
    """
    del checkpoint, resume
    training = add_variants(digits, config)
    steps_per_epoch = len(training) // config.batch_size
    both = _join_logits(network, keras.models.clone_model(network))
    both.compile(
        optimizer=make_optimizer(config, config.epochs * steps_per_epoch),
        loss=compute_mutual_loss,
    )
    fitted = both.fit(
        make_batches(training, config),
        epochs=config.epochs,
        steps_per_epoch=steps_per_epoch,
        shuffle=False,
        verbose=verbose,
    )
    recompute_statistics(network, digits, config)
    history: History = fitted.history
    return history


def read_committee(sha256: str) -> NDArray[np.float32]:
    """Return what the committee of committee.py says of each training digit, float32 `(n, 10)`, rows sum to 1.

    Args:
        sha256: Of the digits' file.

    Raises:
        DatasetError: If the answers are on other digits.
    """
    with np.load(COMMITTEE, allow_pickle=False) as kept:
        if str(kept["sha256"]) != sha256:
            raise DatasetError(f"{COMMITTEE}: expected answers on the digits of {sha256}, received others.")
        probabilities = kept["probabilities"].astype(np.float32)
    normalised: NDArray[np.float32] = probabilities / probabilities.sum(axis=1, keepdims=True)
    return normalised


def fit_on_targets(
    network: keras.Model,
    digits: LabelledImages,
    config: TrainingConfig,
    checkpoint: Path,
    resume: bool,
    verbose: int,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    *,
    answers: NDArray[np.float32],
) -> History:
    """Train the network partly on the labels and partly on a teacher's answers to the same digits.

    Takes what `fit_network` takes, but writes no checkpoint and resumes nothing; and `answers`, the teacher's
    probabilities, float32 `(len(digits), 10)`. Digits that are drawn have their labels alone.
    """
    del checkpoint, resume
    training = add_variants(digits, config)
    steps_per_epoch = len(training) // config.batch_size
    targets = np.eye(NUM_CLASSES, dtype=np.float32)[training.labels]
    targets[: len(digits)] += _TEACHER_SHARE * (answers - targets[: len(digits)])
    logits = select_logits(network)
    logits.compile(
        optimizer=make_optimizer(config, config.epochs * steps_per_epoch),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
    )
    # Batches give whatever stands beside an image, here a row of probabilities in place of a label.
    taught = LabelledImages(training.images, targets, digits.sha256)
    fitted = logits.fit(
        make_batches(taught, config),
        epochs=config.epochs,
        steps_per_epoch=steps_per_epoch,
        callbacks=list(callbacks),
        shuffle=False,
        verbose=verbose,
    )
    recompute_statistics(network, digits, config)
    history: History = fitted.history
    return history


def _join_logits(*networks: keras.Model) -> keras.Model:
    """Return one model of several, weights shared, to logits `(n, len(networks), 10)`."""
    pixels = keras.Input(BATCH_SHAPE, name="pixels")
    answers = []
    for place, network in enumerate(networks):
        # Inside one model each needs a name of its own.
        logits = keras.Model(network.input, network.get_layer(LOGITS_NAME).output, name=f"network_{place}")
        answers.append(layers.Reshape((1, NUM_CLASSES))(logits(pixels)))
    return keras.Model(pixels, layers.Concatenate(axis=1)(answers))


def compute_mutual_loss(labels: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
    """Return the sum of both networks' cross-entropies to the targets of each.

    Args:
        labels: int64 `(n,)` or `(n, 1)`.
        logits: float32 `(n, 2, 10)`.

    Returns:
        float32 `(n,)`, in nats. No gradient passes through the probabilities that are targets.
    """
    label = ops.one_hot(ops.reshape(labels, (-1, 1)), NUM_CLASSES)
    answer_of_other = ops.stop_gradient(ops.softmax(ops.flip(logits, axis=1)))
    target = (1 - _PEER_SHARE) * label + _PEER_SHARE * answer_of_other
    return ops.sum(ops.categorical_crossentropy(target, logits, from_logits=True), axis=1)


class WeightAverage(keras.callbacks.Callback):
    """The mean of the weights over the last steps of a training (Izmailov et al., arXiv 1803.05407)."""

    def __init__(self, share: float = 1 / 3, interval: int = 50) -> None:
        """Take the weights every `interval` steps of the last `share` of the training, and after its last step."""
        super().__init__()
        self._share, self._interval = share, interval
        self._step = self._num_taken = 0
        self._means: list[NDArray[np.float64]] = []

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Take the weights into the mean, if it is time."""
        self._step += 1
        num_steps = self.params["epochs"] * self.params["steps"]
        is_due = self._step > (1 - self._share) * num_steps and self._step % self._interval == 0
        if not is_due and self._step < num_steps:
            return
        weights = [weight.astype(np.float64) for weight in self.model.get_weights()]
        self._num_taken += 1
        means = self._means or weights
        self._means = [mean + (weight - mean) / self._num_taken for mean, weight in zip(means, weights, strict=True)]

    def apply(self, network: keras.Model) -> None:
        """Give the network the mean weights. Its batch normalisation needs new statistics afterwards."""
        network.set_weights(self._means)


@dataclass(frozen=True)
class Variant:
    """One of the compared.

    Attributes:
        config: Its settings.
        build: Its network, untrained.
        fit: As `fit_network`.
        is_taught: Whether `fit` takes `answers`, those of a committee.
    """

    config: TrainingConfig
    build: Callable[[], keras.Model] = build_network
    fit: Callable[..., History] = fit_network
    is_taught: bool = False


DEFAULT = TrainingConfig()
VARIANTS = {
    "default": Variant(DEFAULT),
    "fast": Variant(FAST),
    "no disturbance": Variant(replace(DEFAULT, disturbance=NO_DISTURBANCE)),
    "no clutter": Variant(replace(DEFAULT, disturbance=replace(DEFAULT.disturbance, clutter=0.0))),
    "no noise": Variant(replace(DEFAULT, disturbance=replace(DEFAULT.disturbance, noise=0.0))),
    "no random convolution": Variant(replace(DEFAULT, disturbance=replace(DEFAULT.disturbance, convolution=0.0))),
    "no stroke variants": Variant(replace(DEFAULT, variants=StrokeVariants(0.0, 0.0, 0.0))),
    "other hands": Variant(
        replace(
            DEFAULT,
            variants=replace(DEFAULT.variants, ticked_sevens=0.3),
            other_hands=OtherHands(drawn=0.04, regional=0.04, rewritten=0.2, narrowed=0.05, small_heads=0.0125),
        )
    ),
    "rewritten and drawn": Variant(replace(DEFAULT, other_hands=OtherHands(rewritten=0.2, drawn=0.04))),
    "no finish": Variant(replace(DEFAULT, finishing_fraction=0)),
    "20 epochs, short finish": Variant(replace(DEFAULT, epochs=20, finishing_fraction=0.15, temperature=0.92)),
    "half disturbance": Variant(replace(DEFAULT, disturbance=Disturbance(clutter=0.1, convolution=0.15, noise=0.15))),
    "affine only": Variant(replace(DEFAULT, distortion=replace(DEFAULT.distortion, elastic_pixels=0.0))),
    "half distortion": Variant(replace(DEFAULT, distortion=Distortion(6, 0.06, 0.075, 1, 0.25))),
    "dropout 0.3": Variant(DEFAULT, partial(build_stages, (32,), (64, 64), dropout=0.3)),
    "three stages, 24-64-104": Variant(DEFAULT, partial(build_stages, (24,), (64, 64), (104,))),
    "three stages, 32-64-128": Variant(DEFAULT, partial(build_stages, (32,), (64,), (128,))),
    "twice as wide": Variant(DEFAULT, partial(build_stages, (64,), (128, 128))),
    "average pooling": Variant(DEFAULT, partial(build_stages, (32,), (64, 64), averages=True)),
    "taught by a committee": Variant(DEFAULT, fit=fit_on_targets, is_taught=True),
    "two teach each other": Variant(replace(DEFAULT, temperature=0.98), fit=fit_beside_peer),
}
