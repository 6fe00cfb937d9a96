"""The family of networks that is searched: what may differ between them, and how one is built."""

from dataclasses import dataclass

import keras
import optuna
from keras import layers

from digits.data.images import BATCH_SHAPE, NUM_CLASSES


@dataclass(frozen=True)
class Candidate:
    """One point of the search space.

    Attributes:
        width: Channels of the first stage; the second has twice as many.
        depth: 3x3 convolutions a stage.
        dropout: Share of features left out before the scores while training.
        strength: Of the shipped model's distortion, 0 none.
        learning_rate: At the start; a cosine takes it to zero.
    """

    width: int
    depth: int
    dropout: float
    strength: float
    learning_rate: float


def suggest_candidate(trial: optuna.trial.BaseTrial) -> Candidate:
    """Draw a candidate: the search space stands here and nowhere else."""
    return Candidate(
        width=trial.suggest_int("width", 8, 32, step=8),
        depth=trial.suggest_int("depth", 1, 3),
        dropout=trial.suggest_float("dropout", 0.0, 0.5),
        strength=trial.suggest_float("strength", 0.0, 1.0),
        learning_rate=trial.suggest_float("learning_rate", 3e-4, 1e-2, log=True),
    )


def build_candidate(candidate: Candidate) -> keras.Model:
    """Build the untrained network: 5x5 stride 2, two stages of 3x3 convolutions on 14x14 and 7x7, dropout, scores.

    Returns:
        A model from float32 `(n, 28, 28, 1)` in [0, 1] to logits `(n, 10)`.
    """
    pixels = keras.Input(BATCH_SHAPE, name="pixels")
    x = _add_convolution(pixels, candidate.width, kernel_size=5, strides=2)
    for stage in range(2):
        channels = candidate.width * 2**stage
        for place in range(candidate.depth):
            x = _add_convolution(x, channels, strides=2 if stage and not place else 1)
    x = layers.Dropout(candidate.dropout)(layers.Flatten()(x))
    return keras.Model(pixels, layers.Dense(NUM_CLASSES, name="logits")(x), name="candidate")


def _add_convolution(x: keras.KerasTensor, channels: int, kernel_size: int = 3, strides: int = 1) -> keras.KerasTensor:
    x = layers.Conv2D(channels, kernel_size, strides=strides, padding="same", use_bias=False)(x)
    # A few hundred steps are all there is: the usual momentum of 0.99 would still remember the start.
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
