"""Checkpoints, from which an interrupted training is resumed."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import keras

from digits.data.files import replace_file
from digits.errors import CheckpointError
from digits.training.settings import FitConfig

History = dict[str, list[float]]
_STATE = "run"


def save_weights(model: keras.Model, path: Path, state: Mapping[str, Any]) -> None:
    """Write weights and the state of a run as one file, to the side and then renamed.

    Args:
        model: If it is compiled, the file holds its optimiser's weights too.
        path: Ends in `.weights.h5`.
        state: Anything that JSON can hold.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(path) as unfinished:
        model.save_weights(unfinished)
        with h5py.File(unfinished, "a") as file:
            file.attrs[_STATE] = json.dumps(state)


class CheckpointSaver(keras.callbacks.Callback):
    """Saves weights, optimiser and history after each epoch.

    Attributes:
        path: The checkpoint, which ends in `.weights.h5`.
        run: The settings and the data, by which a checkpoint of another run is recognised.
        history: Keras's history of all epochs, with those before the run was interrupted.
    """

    def __init__(self, path: Path, config: FitConfig, data_sha256: str, num_digits: int) -> None:
        super().__init__()
        self.path = path
        run = {"config": asdict(config), "data_sha256": data_sha256, "num": num_digits}
        self.run: dict[str, Any] = json.loads(json.dumps(run))
        self.history: History = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Save; Keras calls this."""
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(float(value))
        state = {"run": self.run, "epochs_done": epoch + 1, "history": self.history}
        save_weights(self.model, self.path, state)

    def restore(self, model: keras.Model, resume: bool) -> int:
        """Load the checkpoint into a compiled model if the run is resumed, and return the epoch to begin with, from 0.

        Raises:
            CheckpointError: If there is nothing to resume, or the checkpoint is of another run.
        """
        if not resume:
            if self.path.is_file():
                print(f"{self.path}, of an interrupted run, is replaced after the first epoch; ", end="")
                print("--resume continues that run.")
            return 0
        if not self.path.is_file():
            raise CheckpointError(f"{self.path}: no interrupted run to resume; start one without --resume.")
        state = read_state(self.path)
        if state["run"] != self.run:
            differing = sorted(key for key in self.run if state["run"].get(key) != self.run[key])
            raise CheckpointError(
                f"{self.path}: the interrupted run differs from this one in {', '.join(differing)}: received "
                f"{ {key: self.run[key] for key in differing} }, expected "
                f"{ {key: state['run'].get(key) for key in differing} }. "
                "Give the same options and data, or start anew without --resume."
            )
        # Without this, the optimiser has no variables to load its weights into.
        model.optimizer.build(model.trainable_variables)
        model.load_weights(self.path)
        self.history = state["history"]
        return int(state["epochs_done"])


def read_state(path: Path) -> dict[str, Any]:
    """Return the state that `save_weights` wrote with the weights.

    Raises:
        CheckpointError: If the file is no whole checkpoint.
    """
    try:
        with h5py.File(path, "r") as file:
            state: dict[str, Any] = json.loads(file.attrs[_STATE])
    except (OSError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path}: not a whole checkpoint ({error}); start anew without --resume.") from error
    return state
