"""The checkpoint that a killed training resumes from."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import keras

from digits.data.files import replace_file
from digits.errors import CheckpointError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

History = dict[str, list[float]]
_STATE = "run"


def warn_of_interrupted_run(checkpoint: Path) -> None:
    """Say what a checkpoint left by an interrupted run means for a run that starts anew."""
    if checkpoint.is_file():
        print(f"{checkpoint}, of an interrupted run, is replaced after the first epoch; --resume continues that run.")


def save_weights(model: keras.Model, path: Path, state: Mapping[str, Any]) -> None:
    """Write weights, and the optimiser's moments, with what belongs to them as one file.

    Args:
        model: A compiled one brings its optimiser.
        path: Ends in `.weights.h5`.
        state: Anything JSON can hold.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(path) as unfinished:
        model.save_weights(unfinished)
        with h5py.File(unfinished, "a") as file:
            file.attrs[_STATE] = json.dumps(state)


class CheckpointSaver(keras.callbacks.Callback):
    """Saves weights, optimiser and history after each epoch as one file, to the side and then renamed.

    Attributes:
        path: Ends in `.weights.h5`.
        run: What tells this run from others: settings and data.
        history: Keras's, of all epochs, also of those before the run was interrupted.
    """

    def __init__(self, path: Path, config: "DataclassInstance", data_sha256: str, num_digits: int) -> None:
        super().__init__()
        self.path = path
        run = {"config": asdict(config), "data_sha256": data_sha256, "num": num_digits}
        self.run: dict[str, Any] = json.loads(json.dumps(run))
        self.history: History = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Save, as Keras calls it."""
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(float(value))
        state = {"run": self.run, "epochs_done": epoch + 1, "history": self.history}
        save_weights(self.model, self.path, state)

    def restore(self, model: keras.Model) -> int:
        """Load the checkpoint into a compiled model and return how many epochs it has behind it.

        Raises:
            CheckpointError: If there is nothing to resume, or it is another run's.
        """
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
        # Unbuilt, an optimiser has nowhere to load its moments into.
        model.optimizer.build(model.trainable_variables)
        model.load_weights(self.path)
        self.history = state["history"]
        return int(state["epochs_done"])


def read_state(path: Path) -> dict[str, Any]:
    """Return what a checkpoint says of its run: `run`, `epochs_done`, `history`.

    Raises:
        CheckpointError: If it is no checkpoint.
    """
    try:
        with h5py.File(path, "r") as file:
            state: dict[str, Any] = json.loads(file.attrs[_STATE])
    except (OSError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path}: not a whole checkpoint ({error}); start anew without --resume.") from error
    return state
