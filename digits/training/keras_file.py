"""Load a Keras .h5 of unknown origin without running any code from it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from digits.data.images import BATCH_SHAPE, NUM_CLASSES, draw_one, make_batch
from digits.errors import ArtifactError
from digits.inference.artifact import open_keras_file

# Layers whose configuration holds code, or names a file from which Keras loads code or words.
_LAYERS_WITH_CODE = frozenset({"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"})
_LAYERS_WITH_FILES = frozenset({"StringLookup", "IntegerLookup", "TextVectorization"})
_SUFFIXES = (".h5", ".hdf5")
_SUM_TOLERANCE = 1e-3  # By so much the sum of ten probabilities may differ from 1.
_UNPUBLISHED_NAMES = frozenset({"Functional", "__keras_tensor__"})  # Keras's own names in no public module.
_KERAS_MODULES = (
    keras,
    keras.layers,
    keras.models,
    keras.initializers,
    keras.regularizers,
    keras.constraints,
    keras.dtype_policies,
)


def load_network(path: Path) -> keras.Model:
    """Load a Keras .h5 that consists of Keras's own layers alone.

    Raises:
        ArtifactError: If it names other code, cannot be loaded, has another input or output, or does not end in
            probabilities.
    """
    # With another ending Keras would read the same bytes as another format, which is not checked here.
    if path.suffix not in _SUFFIXES:
        raise ArtifactError(
            f"{path}: received the ending {path.suffix!r}, expected {' or '.join(_SUFFIXES)}; rename it."
        )
    with open_keras_file(path) as file:
        configuration = json.loads(file.attrs["model_config"])
    for entry in _find_classes(configuration):
        _refuse_code(path, entry)
    try:
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
        # A file may name its one input as a list of one, with which Keras warns at each call.
        if not isinstance(network, keras.Sequential) and len(network.inputs) == len(network.outputs) == 1:
            network = keras.Model(network.inputs[0], network.outputs[0], name=network.name)
        shapes = (network.input_shape, network.output_shape)
    # Each layer's constructor raises its own errors for a wrong configuration.
    except Exception as error:
        raise ArtifactError(f"{path}: Keras cannot build the model in it ({type(error).__name__}: {error}).") from error
    if shapes != ((None, *BATCH_SHAPE), (None, NUM_CLASSES)):
        raise ArtifactError(
            f"{path}: received a network from {shapes[0]} to {shapes[1]}, "
            f"expected (n, 28, 28, 1) to probabilities (n, {NUM_CLASSES})."
        )
    scores = np.asarray(network(make_batch(draw_one()[None]), training=False), np.float32)
    if not (scores.min() >= 0 and abs(scores.sum() - 1) < _SUM_TOLERANCE):
        raise ArtifactError(
            f"{path}: received scores {scores.min():.3g} to {scores.max():.3g} with the sum {scores.sum():.3g}, "
            "expected probabilities; end the network in a softmax."
        )
    return network


def _find_classes(configuration: Any) -> Iterator[dict[str, Any]]:
    """Yield every nested configuration that names a class."""
    waiting = [configuration]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if "class_name" in node:
                yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _refuse_code(path: Path, entry: dict[str, Any]) -> None:
    name, module, registered = str(entry["class_name"]), entry.get("module"), entry.get("registered_name")
    # Only classes are allowed, because Keras would call a function with arguments from the file.
    known = name in _UNPUBLISHED_NAMES or any(isinstance(getattr(place, name, None), type) for place in _KERAS_MODULES)
    inside = module is None or (isinstance(module, str) and module.split(".")[0] == "keras")
    own = registered in (None, name, f"keras>{name}")
    if name in _LAYERS_WITH_CODE | _LAYERS_WITH_FILES or not (known and inside and own):
        raise ArtifactError(
            f"{path}: received {name!r} of {module or 'no module'}, expected Keras's own layers only: "
            "a file that brings code is not loaded. Rebuild the model without it and save it again."
        )
