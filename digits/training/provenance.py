"""Describe a training run, so that its model can be traced and monitored."""

import platform
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import keras

from digits.data.dataset import LabelledImages
from digits.data.images import make_batch
from digits.inference.input_statistics import measure_ink, measure_moments
from digits.inference.onnx_session import compute_in_parts
from digits.networks.classifier import count_multiply_adds
from digits.training.classifier import TrainingConfig

_IMAGES_AT_ONCE = 5_000  # As float32, 60,000 digits at once would double the run's peak of memory.
_PACKAGES = ("tensorflow", "keras", "numpy", "onnxruntime", "tf2onnx")


def describe_run(
    config: TrainingConfig, training: LabelledImages, file_name: str, network: keras.Model
) -> dict[str, Any]:
    """Return settings, data, network, packages, time and `input_statistics`, in types that JSON can hold."""
    return {
        "config": asdict(config),
        "data": {"file": file_name, "sha256": training.sha256, "num_digits": len(training)},
        "input_statistics": describe_input(training, network),
        "network": {"parameters": network.count_params(), "multiply_adds": count_multiply_adds(network)},
        **describe_environment(),
    }


def describe_environment() -> dict[str, Any]:
    """Return the versions of Python and the packages, and the time."""
    return {
        "packages": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def describe_input(training: LabelledImages, network: keras.Model) -> dict[str, float]:
    """Return means over the training digits, with which a service compares the images that it receives.

    Returns:
        `mean_ink`, 0-255; `centre_row` and `centre_column` of the centre of mass, 0-27; `confidence`, 0-1.
    """
    pixels = training.images.reshape(len(training), -1)
    mean_ink, rows, columns = measure_ink(compute_in_parts(measure_moments, pixels, _IMAGES_AT_ONCE))
    confidences = compute_in_parts(
        lambda part: network.predict(make_batch(part), verbose=0).max(axis=1), pixels, _IMAGES_AT_ONCE
    )
    means = {"mean_ink": mean_ink, "centre_row": rows, "centre_column": columns, "confidence": confidences}
    return {name: float(values.mean(dtype=float)) for name, values in means.items()}
