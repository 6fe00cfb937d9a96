"""Tell MLflow of a training run, where `MLFLOW_TRACKING_URI` names a server or a folder; else do nothing."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx

from digits.data.images import BATCH_SHAPE, NUM_CLASSES
from digits.errors import ConfigurationError
from digits.inference.artifact import read_artifact

_URI, _EXPERIMENT = "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"


@dataclass(frozen=True)
class Tracker:
    """One run.

    Attributes:
        mlflow: The package, or None if the run is not tracked.
    """

    mlflow: Any

    @property
    def callbacks(self) -> list[keras.callbacks.Callback]:
        """What sends the metrics of each epoch."""
        if self.mlflow is None:
            return []

        def send(epoch: int, logs: Mapping[str, float]) -> None:
            self.mlflow.log_metrics({name: float(value) for name, value in logs.items()}, step=epoch + 1)

        return [keras.callbacks.LambdaCallback(on_epoch_end=send)]

    def log_results(
        self, scores: Mapping[str, Mapping[str, Any]], model: Path, plots: Sequence[Path], registered_name: str | None
    ) -> None:
        """Send what came of the run.

        Args:
            scores: The figures of each set of digits, by what it is.
            model: The .h5 that was written.
            plots: Pictures.
            registered_name: Under which the model becomes a new version in the registry; None registers nothing.
        """
        if self.mlflow is None:
            return
        for number, (what, figures) in enumerate(scores.items(), start=1):
            self.mlflow.set_tag(f"scored_{number}", what)
            for name, value in figures.items():
                if isinstance(value, int | float):
                    self.mlflow.log_metric(f"scored_{number}_{name}", value)
        for path in (model, *plots):
            self.mlflow.log_artifact(str(path))
        self._log_model(model, registered_name)

    def _log_model(self, path: Path, registered_name: str | None) -> None:
        from mlflow.models import ModelSignature
        from mlflow.types import Schema, TensorSpec

        graph = read_artifact(path).serving_graph
        if graph is None:
            return
        model = onnx.load_from_string(graph)
        taken = TensorSpec(np.dtype(np.float32), (-1, *BATCH_SHAPE), model.graph.input[0].name)
        given = TensorSpec(np.dtype(np.float32), (-1, NUM_CLASSES), model.graph.output[0].name)
        signature = ModelSignature(Schema([taken]), Schema([given]))
        self.mlflow.onnx.log_model(model, name="model", signature=signature, registered_model_name=registered_name)


@contextmanager
def track_run(settings: Mapping[str, Any]) -> Iterator[Tracker]:
    """Track a run until the block ends; one that ends with an error is marked as failed.

    Raises:
        ConfigurationError: If the run shall be tracked and MLflow is not installed.
    """
    if not os.environ.get(_URI):
        yield Tracker(None)
        return
    try:
        import mlflow
        import mlflow.onnx
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"Received {_URI}, expected MLflow to be installed ({error}); pip install '.[mlflow]', or unset it."
        ) from error
    mlflow.set_experiment(os.environ.get(_EXPERIMENT, "digits"))
    with mlflow.start_run():
        mlflow.log_params(dict(_flatten(settings)))
        yield Tracker(mlflow)


def _flatten(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each setting with the names of those that it lies in."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
