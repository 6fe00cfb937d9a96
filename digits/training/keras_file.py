"""Load a Keras file of unknown origin without running any code from it."""

import json
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import h5py
import keras
import numpy as np
from numpy.typing import NDArray

from digits.data.images import BATCH_SHAPE, NUM_CLASSES, draw_one, make_batch
from digits.errors import ArtifactError
from digits.inference.artifact import open_keras_file, refuse_outside_data

# Layers whose configuration holds code, or names a file from which Keras loads code or words.
_LAYERS_WITH_CODE = frozenset({"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"})
_LAYERS_WITH_FILES = frozenset({"StringLookup", "IntegerLookup", "TextVectorization"})
_H5, _KERAS = (".h5", ".hdf5"), ".keras"
_MEMBERS = frozenset({"metadata.json", "config.json", "model.weights.h5"})
_SUM_TOLERANCE = 1e-3  # By so much the sum of ten probabilities may differ from 1.
_UNPUBLISHED_NAMES = frozenset(
    {"Functional", "__keras_tensor__", "__tuple__"}
)  # Keras's own names in no public module.
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
    """Load a Keras file whose network has the form that is served.

    Raises:
        ArtifactError: As `load_model`; or if the network has another input or output, or does not end in
            probabilities.
    """
    network = load_model(path)
    shapes = (network.input_shape, network.output_shape)
    if shapes != ((None, *BATCH_SHAPE), (None, NUM_CLASSES)):
        raise ArtifactError(
            f"{path}: received a network from {shapes[0]} to {shapes[1]}, "
            f"expected (n, 28, 28, 1) to probabilities (n, {NUM_CLASSES})."
        )
    scores = np.asarray(network(make_batch(draw_one()[None]), training=False), np.float32)
    if not sums_to_one(scores):
        raise ArtifactError(
            f"{path}: received scores {scores.min():.3g} to {scores.max():.3g} with the sum {scores.sum():.3g}, "
            "expected probabilities; end the network in a softmax."
        )
    return network


def load_model(path: Path) -> keras.Model:
    """Load a Keras .h5 or .keras that consists of Keras's own layers alone.

    Raises:
        ArtifactError: If it names other code, or cannot be loaded.
    """
    # With another ending Keras would read the same bytes as another format, which is not checked here.
    if path.suffix not in (*_H5, _KERAS):
        raise ArtifactError(
            f"{path}: received the ending {path.suffix!r}, expected {', '.join(_H5)} or {_KERAS}; rename it."
        )
    configuration = _read_archive(path) if path.suffix == _KERAS else _read_h5(path)
    for entry in _find_classes(configuration):
        _refuse_code(path, entry)
    try:
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
        # A file may name its one input as a list of one, with which Keras warns at each call.
        if not isinstance(network, keras.Sequential) and len(network.inputs) == len(network.outputs) == 1:
            network = keras.Model(network.inputs[0], network.outputs[0], name=network.name)
        if not (isinstance(network.input_shape, tuple) and isinstance(network.output_shape, tuple)):
            raise TypeError("it has several inputs or outputs")
    # Each layer's constructor raises its own errors for a wrong configuration.
    except Exception as error:
        raise ArtifactError(f"{path}: Keras cannot build the model in it ({type(error).__name__}: {error}).") from error
    return network


def sums_to_one(scores: NDArray[np.float32]) -> bool:
    """Tell whether scores `(n, 10)` are probabilities."""
    return bool(scores.min() >= 0 and (np.abs(scores.sum(axis=1) - 1) < _SUM_TOLERANCE).all())


def _read_h5(path: Path) -> Any:
    with open_keras_file(path) as file:
        return json.loads(file.attrs["model_config"])


def _read_archive(path: Path) -> Any:
    """Return the configuration in a .keras, which is a zip of three files, and check the other two.

    Raises:
        ArtifactError: If it is missing, damaged, holds anything else, or refers to other files.
    """
    if not path.is_file():
        raise ArtifactError(f"{path}: no such file; check the path.")
    size_bytes = path.stat().st_size
    try:
        with ZipFile(path) as archive:
            for member in archive.infolist():
                # Keras does not compress, so a larger member would only fill the memory.
                if member.filename not in _MEMBERS or member.file_size > size_bytes:
                    raise ArtifactError(
                        f"{path}: received {member.filename!r} of {member.file_size:,} bytes in a file of "
                        f"{size_bytes:,}, expected {', '.join(sorted(_MEMBERS))}, uncompressed; save the model anew."
                    )
            configuration = json.loads(archive.read("config.json"))
            # Keras ignores it where the model is not compiled.
            configuration.pop("compile_config", None)
            with archive.open("model.weights.h5") as weights, h5py.File(BytesIO(weights.read()), "r") as file:
                refuse_outside_data(path, file, size_bytes)
            return configuration
    except ArtifactError:
        raise
    # Each of the three formats raises its own errors for damaged bytes.
    except (OSError, LookupError, RuntimeError, ValueError, TypeError, AttributeError, BadZipFile, zlib.error) as fault:
        raise ArtifactError(
            f"{path}: received {size_bytes:,} bytes that are not a whole .keras ({fault}). Save the model anew."
        ) from fault


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
