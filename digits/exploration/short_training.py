"""A short training with a curve, for comparing networks in minutes; `training.classifier` makes the shipped model.

The batches are those of the real training, `training.make_batches`; the schedule is one cosine from `learning_rate` to
zero.
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

_CURVE_DIGITS = 2_000
"""Scored at each point of the curve: enough to see its shape, few enough to cost little."""


@dataclass(frozen=True)
class ShortRun:
    """The settings of one short training."""

    epochs: int
    learning_rate: float
    strength: float = 0.0
    """Of the shipped model's distortion: 0 is none, 1 all of it."""
    num_points: int = 10
    """Points of the curve."""
    batch_size: int = 100
    seed: int = 42


@dataclass(frozen=True)
class Curve:
    """What a training looked like, a number a point.

    Attributes:
        digits_seen: Training digits that went through the network until then.
        loss: Cross-entropy on the digits since the last point, as distorted as they were; nats.
        error: Share of those misread, in [0, 1].
        held_out_loss: Cross-entropy on held-out digits, nats.
        held_out_error: Share of those misread, in [0, 1].
        seconds: How long it took.
    """

    digits_seen: list[int]
    loss: list[float]
    error: list[float]
    held_out_loss: list[float]
    held_out_error: list[float]
    seconds: float


def scale_distortion(distortion: Distortion, strength: float) -> Distortion:
    """Return the distortion with every limit times `strength`; what is counted, such as grid points, stays."""
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
        logits: From float32 `(n, 28, 28, 1)` in [0, 1] to logits `(n, 10)`; what is kept is known by its layers' names
            too, so build it after `keras.utils.clear_session()`.
        training: What to train on.
        held_out: What the curve is measured on; the first 2,000 of it.
        run: The settings.
        on_point: Told of each point, counted from 0, and its held-out error; what it raises ends the training.
        keep: Where to keep the trained weights, `.weights.h5`; what lies there of the same run is taken as it is.

    Raises:
        ConfigurationError: If there are too few digits for a batch at each point.
    """
    steps_per_point = run.epochs * (len(training) // run.batch_size) // run.num_points
    if not steps_per_point:
        raise ConfigurationError(
            f"Received {len(training)} digits for {run.num_points} points of {run.batch_size} at least, expected as "
            "many; use more digits or fewer points."
        )
    distortion = scale_distortion(TrainingConfig().distortion, run.strength)
    what = {
        "run": {**asdict(run), "distortion": asdict(distortion)},
        "data": {"sha256": training.sha256, "num_digits": len(training)},
        "network": hashlib.sha256(logits.to_json().encode()).hexdigest(),
    }
    if keep and (kept := _read_kept(logits, keep, what)):
        return kept
    # Only what the batches depend on: the real training's schedule is not this one's.
    config = replace(
        TrainingConfig(
            seed=run.seed,
            epochs=run.epochs,
            batch_size=run.batch_size,
            disturbance=NO_DISTURBANCE,
            finishing_fraction=0,
        ),
        distortion=distortion,
    )
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
    seen = [(point + 1) * steps_per_point * run.batch_size for point in range(run.num_points)]
    curve = _make_curve(history, seen, time.perf_counter() - start)
    if keep:
        save_weights(logits, keep, {"run": what, "curve": asdict(curve)})
    return curve


def predict_probabilities(logits: keras.Model, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return probabilities of a network that ends in logits.

    Args:
        logits: From float32 `(n, 28, 28, 1)` in [0, 1] to logits `(n, 10)`.
        images: uint8 `(n, 28, 28)`.

    Returns:
        float32 `(n, 10)`, rows sum to 1.
    """
    probabilities: NDArray[np.float32] = softmax(logits.predict(make_batch(images), batch_size=500, verbose=0), axis=1)
    return probabilities


def _make_curve(history: dict[str, list[float]], digits_seen: list[int], seconds: float) -> Curve:
    def measure_errors(name: str) -> list[float]:
        return [1 - accuracy for accuracy in history[name]]

    errors, held_out_errors = measure_errors("accuracy"), measure_errors("val_accuracy")
    return Curve(digits_seen, history["loss"], errors, history["val_loss"], held_out_errors, seconds)


def _read_kept(logits: keras.Model, path: Path, what: dict[str, Any]) -> Curve | None:
    """Load the weights that lie there and return their curve, if they are of the same run; else None."""
    try:
        state = read_state(path)
    except CheckpointError:  # Nothing is there, or nothing whole: the network is trained anew.
        return None
    if state["run"] != json.loads(json.dumps(what)):  # A tuple comes back as a list.
        return None
    logits.load_weights(path)
    return Curve(**state["curve"])
