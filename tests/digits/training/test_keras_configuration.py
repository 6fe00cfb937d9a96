"""The configuration in an .h5: nothing in it is younger than Keras 3.3, and it builds the same network."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from digits.inference.artifact import read_artifact
from tests.conftest import ROOT, RunPython
from tests.wordings import wording

if TYPE_CHECKING:
    import keras

# What `get_config` of Keras 3.3.3 names. `python -m benchmarks.training.keras_versions` loads the files with it.
EVERY_LAYER = {"name", "trainable", "dtype"}
POOLING = {"pool_size", "strides", "padding", "data_format"}
CONVOLUTION = {"filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "groups"}
KERAS_3_3 = {
    "InputLayer": {"batch_shape", "dtype", "name", "sparse"},
    "Functional": {"name", "trainable", "layers", "input_layers", "output_layers"},
    "Conv2D": EVERY_LAYER | CONVOLUTION | {"activation", "use_bias"},
    "Dense": EVERY_LAYER | {"units", "activation", "use_bias"},
    "BatchNormalization": EVERY_LAYER | {"axis", "momentum", "epsilon", "center", "scale", "synchronized"},
    "AveragePooling2D": EVERY_LAYER | POOLING,
    "MaxPooling2D": EVERY_LAYER | POOLING,
    "ReLU": EVERY_LAYER | {"max_value", "negative_slope", "threshold"},
    "Flatten": EVERY_LAYER | {"data_format"},
    "Reshape": EVERY_LAYER | {"target_shape"},
    "Softmax": EVERY_LAYER | {"axis"},
    "ZeroPadding2D": EVERY_LAYER | {"padding", "data_format"},
    "Add": EVERY_LAYER,
    "Subtract": EVERY_LAYER,
    "__keras_tensor__": {"shape", "dtype", "keras_history"},
}


def read_configuration(path: Path) -> dict[str, Any]:
    with h5py.File(path) as file:
        configuration: dict[str, Any] = json.loads(file.attrs["model_config"])
    return configuration


def find_younger(node: Any) -> list[str]:
    """Return every class or argument below a node that Keras 3.3 does not know."""
    if isinstance(node, list):
        return [found for one in node for found in find_younger(one)]
    if not isinstance(node, dict):
        return []
    name = node.get("class_name")
    below = find_younger(list(node.values()))
    if name is None:
        return below
    return [f"{name}.{key}" for key in node["config"].keys() - KERAS_3_3.get(name, set())] + below


@pytest.mark.parametrize("name", ["digits.h5", "lines.h5"])
def test_shipped_configuration_holds_nothing_younger_than_keras_3_3(name: str) -> None:
    configuration = read_configuration(ROOT / "models" / name)
    assert find_younger(configuration) == []
    # Later versions write a single tensor, which 3.3 cannot read.
    assert len(configuration["config"]["input_layers"]) == len(configuration["config"]["output_layers"]) == 1


def test_written_configuration_holds_nothing_younger_than_keras_3_3(shared_artifact: Path) -> None:
    assert find_younger(read_configuration(shared_artifact)) == []


def test_simplified_networks_answer_as_before(tmp_path: Path, small_batch: NDArray[np.float32]) -> None:
    import keras

    from digits.training.keras_configuration import simplify_file

    layers = keras.layers
    pixels = keras.Input((28, 28, 1))
    inner = keras.Sequential([layers.Conv2D(3, 5, strides=(2, 1), dilation_rate=1, kernel_initializer="he_normal")])
    x = layers.BatchNormalization(momentum=0.5, epsilon=0.1, scale=False)(inner(pixels))
    x = layers.LeakyReLU(negative_slope=0.7)(layers.MaxPooling2D((2, 3), padding="same")(x))
    network = keras.Model(pixels, layers.Dense(10, "softmax")(layers.Flatten()(x)))
    path = tmp_path / "network.h5"
    network.save(path)
    expected = network.predict(small_batch, verbose=0)
    simplify_file(path)
    assert "initializer" not in json.dumps(read_configuration(path))
    simplified = keras.saving.load_model(path, compile=False)
    np.testing.assert_array_equal(simplified.predict(small_batch, verbose=0), expected)
    once = path.read_bytes()
    simplify_file(path)
    assert path.read_bytes() == once


def test_command_changes_the_configuration_alone(
    tmp_path: Path, keras_file: Path, artifact_with_rejector: Path, tiny_network: "keras.Model", run_command: RunPython
) -> None:
    path = artifact_with_rejector
    with h5py.File(keras_file) as written, h5py.File(path, "a") as file:
        file.attrs["model_config"] = written.attrs["model_config"]
    before = read_artifact(path)
    finished = run_command("digits.training.keras_configuration", path)
    assert finished.returncode == 0, finished.stderr
    after = read_artifact(path)
    assert f"version {before.version} is now {after.version};" in finished.stdout
    assert before.version != after.version
    assert (after.serving_graph, after.acceptance_graph, after.provenance, after.is_stale) == (
        before.serving_graph,
        before.acceptance_graph,
        before.provenance,
        False,
    )
    assert find_younger(read_configuration(path)) == []


def test_command_on_a_file_without_a_model_leaves_it(tmp_path: Path, run_command: RunPython) -> None:
    path = tmp_path / "none.h5"
    with h5py.File(path, "w"):
        pass
    before = path.read_bytes()
    finished = run_command("digits.training.keras_configuration", path)
    assert finished.returncode == 1
    assert re.search(wording("artifact_without_model", path=path), finished.stderr)
    assert path.read_bytes() == before
