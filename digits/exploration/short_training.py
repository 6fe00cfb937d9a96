"""Train a network for a few minutes, to compare it with others; `training.classifier` trains the shipped model.

The batches are made as for the shipped model, without disturbance and stroke variants. The learning rate falls from its
first value to zero as a cosine.
"""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from digits.data.dataset import LabelledImages
from digits.data.images import make_batch
from digits.errors import CheckpointError, ConfigurationError
from digits.training.augmentation import NO_DISTURBANCE, Distortion
from digits.training.checkpoint import read_state, save_weights
from digits.training.classifier import TrainingConfig, make_batches

_CURVE_DIGITS = 2_000  # Held-out digits that are scored at each point: enough for the shape of the curve.


@dataclass(frozen=True)
class ShortRun:
    """The settings of one short training."""

    epochs: int
    learning_rate: float  # At the start.
    strength: float = 0.0  # Scales the distortion of the shipped model's training.
    num_points: int = 10  # The number of points of the curve.
    batch_size: int = 100
    seed: int = 42


@dataclass(frozen=True)
class Curve:
    """The course of a training, a number for each point."""

    digits_seen: list[int]  # The number of digits on which the network was trained until then.
    loss: list[float]  # Cross-entropy on the distorted digits since the last point, in nats.
    error: list[float]  # The share of these that were misread, in [0, 1].
    held_out_loss: list[float]  # Cross-entropy on held-out digits, in nats.
    held_out_error: list[float]  # The share of these that were misread, in [0, 1].
    seconds: float  # The duration of the training.


def scale_distortion(distortion: Distortion, strength: float) -> Distortion:
    """Return the distortion with every limit times `strength`; the number of grid points stays."""
    limits = {limit.name: getattr(distortion, limit.name) for limit in fields(distortion)}
    scaled: dict[str, Any] = {name: strength * value for name, value in limits.items() if isinstance(value, float)}
    return replace(distortion, **scaled)


def train_briefly(
    logits: keras.Model,
    training: LabelledImages,
    held_out: LabelledImages,
    run: ShortRun,
    on_point: Callable[[int, float], None] = lambda point, error: None,
    keep: Path | None = None,
) -> Curve:
    """Train a network in place.

    Args:
        logits: From float32 `(n, 28, 28, 1)` in [0, 1] to logits `(n, 10)`. A kept network is recognised by the names
            of its layers, among others, so build it after `keras.utils.clear_session()`.
        training: The training digits.
        held_out: Held-out digits, of which the first 2,000 are scored.
        run: The settings.
        on_point: A function of each point, counted from 0, and its held-out error. An exception in it ends the
            training.
        keep: The file for the trained weights, `.weights.h5`. If it holds those of the same run, they are loaded.

    Raises:
        ConfigurationError: If there are too few digits for a batch at each point.
    """
    steps_per_point = run.epochs * (len(training) // run.batch_size) // run.num_points
    if not steps_per_point:
        raise ConfigurationError(
            f"Received {len(training)} digits for {run.num_points} points of {run.batch_size} at least, expected as "
            "many; use more digits or fewer points."
        )
    config = TrainingConfig(
        seed=run.seed,
        epochs=run.epochs,
        batch_size=run.batch_size,
        distortion=scale_distortion(TrainingConfig().distortion, run.strength),
        disturbance=NO_DISTURBANCE,
        finishing_fraction=0,
    )
    described = {
        "run": {**asdict(run), "distortion": asdict(config.distortion)},
        "data": {"sha256": training.sha256, "num_digits": len(training)},
        "network": hashlib.sha256(logits.to_json().encode()).hexdigest(),
    }
    if keep and (kept := _load_kept(logits, keep, described)):
        return kept
    schedule = keras.optimizers.schedules.CosineDecay(run.learning_rate, steps_per_point * run.num_points)
    logits.compile(
        optimizer=keras.optimizers.AdamW(schedule),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    scored = held_out.take(slice(_CURVE_DIGITS))
    start = time.perf_counter()
    history = logits.fit(
        make_batches(training, config),
        epochs=run.num_points,
        steps_per_epoch=steps_per_point,
        validation_data=(make_batch(scored.images), scored.labels),
        validation_batch_size=500,
        callbacks=[
            keras.callbacks.LambdaCallback(on_epoch_end=lambda point, logs: on_point(point, 1 - logs["val_accuracy"]))
        ],
        shuffle=False,  # The batches are shuffled already.
        verbose=0,
    ).history
    curve = Curve(
        digits_seen=[point * steps_per_point * run.batch_size for point in range(1, run.num_points + 1)],
        loss=history["loss"],
        error=[1 - accuracy for accuracy in history["accuracy"]],
        held_out_loss=history["val_loss"],
        held_out_error=[1 - accuracy for accuracy in history["val_accuracy"]],
        seconds=time.perf_counter() - start,
    )
    if keep:
        save_weights(logits, keep, {"run": described, "curve": asdict(curve)})
    return curve


def _load_kept(logits: keras.Model, path: Path, described: dict[str, Any]) -> Curve | None:
    """Load the kept weights and return their curve, if they are of the same run."""
    try:
        state = read_state(path)
    except CheckpointError:  # There is no file, or no whole one.
        return None
    if state["run"] != json.loads(json.dumps(described)):  # JSON turns tuples into lists.
        return None
    logits.load_weights(path)
    return Curve(**state["curve"])


def predict_probabilities(logits: keras.Model, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the probabilities of a network that ends in logits.

    Args:
        logits: From float32 `(n, 28, 28, 1)` in [0, 1] to logits `(n, 10)`.
        images: uint8 `(n, 28, 28)`.

    Returns:
        float32 `(n, 10)`, rows sum to 1.
    """
    probabilities: NDArray[np.float32] = softmax(logits.predict(make_batch(images), batch_size=500, verbose=0), axis=1)
    return probabilities
