"""Keras files from elsewhere: what is loaded, and that nothing which they bring is run."""

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from digits.errors import ArtifactError
from digits.training.keras_file import load_model, load_network
from tests.wordings import wording

if TYPE_CHECKING:
    import keras

Configuration = dict[str, Any]


def edit_configuration(path: Path, edit: Callable[[Configuration], object]) -> None:
    """Change the model's configuration in the file; the fourth layer is the Dense one."""
    with h5py.File(path, "a") as file:
        configuration = json.loads(file.attrs["model_config"])
        edit(configuration)
        file.attrs["model_config"] = json.dumps(configuration)


def test_load_network_lambda_is_refused_before_it_runs(tmp_path: Path) -> None:
    import keras

    trace, path = tmp_path / "trace", tmp_path / "lambda.h5"
    pixels = keras.Input((28, 28, 1))
    # Keras saves the bytecode; the path is a constant in it, so it knows where to leave its trace.
    leave_trace = eval(f"lambda x: (open({str(trace)!r}, 'w').close(), x)[1]")
    outputs = keras.layers.Dense(10, activation="softmax")(keras.layers.Flatten()(pixels))
    keras.Model(pixels, keras.layers.Lambda(leave_trace)(outputs)).save(path)
    trace.unlink()
    with pytest.raises(ArtifactError, match=wording("keras_file_code", path=path, name="'Lambda'")):
        load_network(path)
    assert not trace.exists()
    # The same file with Keras's guard down: what was refused would have run.
    keras.saving.load_model(path, compile=False, safe_mode=False)
    assert trace.exists()


LAMBDA = {"module": "keras.layers", "class_name": "Lambda", "config": {"name": "code"}, "registered_name": None}


@pytest.mark.parametrize(
    "entry",
    [
        LAMBDA,
        {"class_name": "Lambda", "config": {}},
        {"module": "keras.layers", "class_name": "TimeDistributed", "config": {"layer": LAMBDA}},
        {"module": "keras.layers", "class_name": "Bidirectional", "config": {"backward_layer": LAMBDA}},
        {"module": "keras", "class_name": "Sequential", "config": {"layers": [LAMBDA]}},
        {"module": "keras.src.layers.core.lambda_layer", "class_name": "Lambda", "config": {}},
        {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "/"}},
        {"module": "keras.layers", "class_name": "TorchModuleWrapper", "config": {}},
        {"module": "keras.layers", "class_name": "StringLookup", "config": {"vocabulary": "/etc/hostname"}},
        {"module": "keras.layers", "class_name": "TextVectorization", "config": {"vocabulary": "/etc/hostname"}},
        {"module": "os", "class_name": "system", "config": "{command}", "registered_name": None},
        {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"},
        {"module": "builtins", "class_name": "function", "config": "eval", "registered_name": "function"},
        {"module": "builtins", "class_name": "eval", "config": {}},
        {"module": "subprocess", "class_name": "Dense", "config": {}},
        {"module": "keras.layers", "class_name": "Dense", "config": {}, "registered_name": "package>Dense"},
        {"module": "keras.layers", "class_name": "Dense", "config": {}, "registered_name": "Lambda"},
        {"module": ["keras"], "class_name": "Dense", "config": {}},
        {"module": "keras_evil", "class_name": "Dense", "config": {}},
        {"module": "keras.models", "class_name": "load_model", "config": {"filepath": "other.keras"}},
        {"module": "keras.utils", "class_name": "get_file", "config": {"origin": "http://localhost"}},
        {"module": "keras", "class_name": "utils", "config": {}},
        {"class_name": "__lambda__", "config": {"value": "4wAAAA=="}},
        {"class_name": "TypeSpec", "type_spec": "TensorSpec", "serialized": []},
        {"class_name": ["Dense"], "config": {}},
        {"class_name": {"class_name": "Dense"}, "config": {}},
        {"class_name": None, "config": {}},
        {"class_name": "MyLayer", "config": {}},
    ],
    ids=lambda entry: f"{entry.get('module')}-{entry['class_name']}",
)
@pytest.mark.parametrize("place", ["layer", "activation", "initializer", "input of a layer"])
def test_load_network_code_is_refused(keras_file: Path, tmp_path: Path, entry: Configuration, place: str) -> None:
    trace = tmp_path / "trace"
    entry = json.loads(json.dumps(entry).replace("{command}", f"touch {trace}"))

    def insert(configuration: Configuration) -> None:
        layers = configuration["config"]["layers"]
        if place == "layer":
            layers.insert(2, {"name": "code", "inbound_nodes": [], **entry})
        elif place == "input of a layer":
            layers[-1]["inbound_nodes"][0]["kwargs"] = {"mask": entry}
        else:
            layers[-2]["config"]["activation" if place == "activation" else "kernel_initializer"] = entry

    edit_configuration(keras_file, insert)
    with pytest.raises(ArtifactError, match=wording("keras_file_code", path=keras_file)):
        load_network(keras_file)
    assert not trace.exists()


def test_load_network_deeply_nested_configuration(keras_file: Path) -> None:
    with h5py.File(keras_file, "a") as file:
        file.attrs["model_config"] = "[" * 20_000 + "]" * 20_000
    with pytest.raises(ArtifactError, match=wording("artifact_not_whole", path=keras_file)):
        load_network(keras_file)


@pytest.mark.parametrize("text", ["", "not JSON", "{", "\xff"])
def test_load_network_configuration_that_is_no_json(keras_file: Path, text: str) -> None:
    with h5py.File(keras_file, "a") as file:
        file.attrs["model_config"] = text
    with pytest.raises(ArtifactError, match=wording("artifact_not_whole", path=keras_file)):
        load_network(keras_file)


@pytest.mark.parametrize("configuration", [3, [], {}, {"class_name": "Dense"}, {"class_name": "Functional"}])
def test_load_network_configuration_of_no_model(keras_file: Path, configuration: object) -> None:
    with h5py.File(keras_file, "a") as file:
        file.attrs["model_config"] = json.dumps(configuration)
    with pytest.raises(ArtifactError, match=wording("keras_file_no_model", error=re.compile(r"\w+: .*"))):
        load_network(keras_file)


def test_load_network_weights_of_another_network(keras_file: Path) -> None:
    with h5py.File(keras_file, "a") as file:
        for name in list(file["model_weights"]):
            del file["model_weights"][name]
    with pytest.raises(ArtifactError, match=wording("keras_file_no_model", path=keras_file)):
        load_network(keras_file)


def test_load_network_link_to_another_file(keras_file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.h5"
    keras_file.rename(other)
    with h5py.File(other, "r") as source, h5py.File(keras_file, "w") as file:
        file.attrs.update(source.attrs)
        file["model_weights"] = h5py.ExternalLink(str(other), "/model_weights")
    with pytest.raises(ArtifactError, match=wording("artifact_link", name="'model_weights'")):
        load_network(keras_file)


@pytest.mark.parametrize("name", ["model.zip", "model", "model.H5X"])
def test_load_network_another_ending(keras_file: Path, name: str) -> None:
    path = keras_file.rename(keras_file.with_name(name))
    with pytest.raises(ArtifactError, match=wording("keras_file_ending", path=path, ending=repr(path.suffix))):
        load_network(path)


def save_sequential(path: Path, *layers: "keras.layers.Layer", shape: tuple[int, ...] = (28, 28, 1)) -> Path:
    import keras

    keras.Sequential([keras.Input(shape), *layers]).save(path)
    return path


def test_load_network_sequential_from_elsewhere(tmp_path: Path, small_batch: NDArray[np.float32]) -> None:
    import keras

    layers = keras.layers
    path = save_sequential(
        tmp_path / "sequential.h5",
        layers.Conv2D(4, 3, activation="relu", kernel_regularizer="l2", kernel_constraint=keras.constraints.MaxNorm(3)),
        layers.MaxPooling2D(),
        layers.BatchNormalization(),
        layers.LeakyReLU(),
        layers.RandomRotation(0.1),
        layers.Dropout(0.5),
        layers.Flatten(),
        layers.Dense(10, activation="softmax", kernel_initializer=keras.initializers.HeNormal(seed=1)),
    )
    expected = keras.saving.load_model(path).predict(small_batch, verbose=0)
    np.testing.assert_allclose(load_network(path).predict(small_batch, verbose=0), expected, atol=1e-6)


def test_load_network_compiled_model(tmp_path: Path) -> None:
    import keras

    network = keras.Sequential(
        [keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")]
    )
    network.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    network.save(tmp_path / "compiled.hdf5")
    assert load_network(tmp_path / "compiled.hdf5").output_shape == (None, 10)


def write_keras_2_file(path: Path) -> Path:
    """Write what Keras 2 wrote: no modules, and the names of Keras 2 for the input's shape and the weights."""
    glorot = {"class_name": "GlorotUniform", "config": {"seed": None}}
    common = {"trainable": True, "dtype": "float32"}
    dense = {
        **common,
        "name": "dense",
        "units": 10,
        "activation": "softmax",
        "use_bias": True,
        "kernel_initializer": glorot,
        "bias_initializer": {"class_name": "Zeros", "config": {}},
    }
    layers = [
        {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 28, 28, 1], "name": "pixels"}},
        {"class_name": "Flatten", "config": {**common, "name": "flatten", "data_format": "channels_last"}},
        {"class_name": "Dense", "config": dense},
    ]
    configuration = {"class_name": "Sequential", "config": {"name": "sequential", "layers": layers}}
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(configuration).encode()
        file.attrs["keras_version"] = b"2.15.0"
        file.attrs["backend"] = b"tensorflow"
        weights = file.create_group("model_weights")
        weights.attrs["layer_names"] = [b"flatten", b"dense"]
        weights.create_group("flatten").attrs["weight_names"] = []
        group = weights.create_group("dense")
        group.attrs["weight_names"] = [b"dense/kernel:0", b"dense/bias:0"]
        group["dense/kernel:0"] = np.zeros((784, 10), np.float32)
        group["dense/bias:0"] = np.arange(10, dtype=np.float32)
    return path


def test_load_network_keras_2_file(tmp_path: Path, small_batch: NDArray[np.float32]) -> None:
    network = load_network(write_keras_2_file(tmp_path / "keras2.h5"))
    assert network.predict(small_batch, verbose=0).argmax(axis=1).tolist() == [9] * len(small_batch)


@pytest.mark.parametrize(
    ("shape", "num_outputs", "activation", "kind", "parts"),
    [
        ((28, 28), 10, "softmax", "keras_file_shape", {"input": "(None, 28, 28)", "output": "(None, 10)"}),
        ((784,), 10, "softmax", "keras_file_shape", {"input": "(None, 784)", "output": "(None, 10)"}),
        ((28, 28, 3), 10, "softmax", "keras_file_shape", {"input": "(None, 28, 28, 3)"}),
        ((28, 28, 1), 26, "softmax", "keras_file_shape", {"output": "(None, 26)"}),
        ((28, 28, 1), 10, "linear", "keras_file_scores", {}),
        ((28, 28, 1), 10, "sigmoid", "keras_file_scores", {}),
    ],
)
def test_load_network_that_does_not_fit(
    tmp_path: Path, shape: tuple[int, ...], num_outputs: int, activation: str, kind: str, parts: dict[str, object]
) -> None:
    import keras

    dense = keras.layers.Dense(num_outputs, activation=activation)
    path = save_sequential(tmp_path / "other.h5", keras.layers.Flatten(), dense, shape=shape)
    with pytest.raises(ArtifactError, match=wording(kind, path=path, **parts)):
        load_network(path)


@pytest.fixture
def archive(tiny_network: "keras.Model", tmp_path: Path) -> Path:
    """The tiny network in Keras's own format."""
    path = tmp_path / "elsewhere.keras"
    tiny_network.save(path)
    return path


def edit_archive(path: Path, name: str, edit: Callable[[bytes], bytes], compression: int = zipfile.ZIP_STORED) -> None:
    """Write a .keras anew with another content of one member, which may be new."""
    with zipfile.ZipFile(path) as file:
        members = {member: file.read(member) for member in file.namelist()}
    members[name] = edit(members.get(name, b""))
    with zipfile.ZipFile(path, "w", compression) as file:
        for member, content in members.items():
            file.writestr(member, content)


def test_load_model_archive(archive: Path, tiny_network: "keras.Model", small_batch: NDArray[np.float32]) -> None:
    expected = tiny_network.predict(small_batch, verbose=0)
    np.testing.assert_allclose(load_model(archive).predict(small_batch, verbose=0), expected, atol=1e-6)


def test_load_model_compiled_archive(tmp_path: Path) -> None:
    """What compiling adds names optimisers and losses, which are not loaded."""
    import keras

    network = keras.Sequential([keras.Input((784,)), keras.layers.Dense(10)])
    network.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    network.save(tmp_path / "compiled.keras")
    assert load_model(tmp_path / "compiled.keras").output_shape == (None, 10)


def test_load_model_lambda_in_an_archive_is_refused_before_it_runs(archive: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    code = {"class_name": "__lambda__", "config": {"value": "4wAAAA=="}}
    layer = {**LAMBDA, "config": {"name": "code", "function": code}, "name": "code", "inbound_nodes": []}

    def insert(config: bytes) -> bytes:
        configuration = json.loads(config)
        configuration["config"]["layers"].insert(1, layer)
        return json.dumps(configuration).encode()

    edit_archive(archive, "config.json", insert)
    with pytest.raises(ArtifactError, match=wording("keras_file_code", path=archive)):
        load_model(archive)
    assert not trace.exists()


def test_load_model_archive_whose_weights_lie_in_another_file(archive: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["secret"] = np.zeros(3)

    def link(_: bytes) -> bytes:
        linked = tmp_path / "linked.h5"
        with h5py.File(linked, "w") as file:
            file["layers"] = h5py.ExternalLink(str(other), "/secret")
        return linked.read_bytes()

    edit_archive(archive, "model.weights.h5", link)
    with pytest.raises(ArtifactError, match=wording("artifact_link", name="'layers'")):
        load_model(archive)


@pytest.mark.parametrize("name", ["assets/words.txt", "../outside", "custom.py"])
def test_load_model_archive_with_another_member(archive: Path, name: str) -> None:
    edit_archive(archive, name, lambda _: b"x")
    with pytest.raises(ArtifactError, match=wording("keras_file_member", path=archive, name=repr(name))):
        load_model(archive)


def test_load_model_archive_that_unpacks_to_more_than_it_holds(archive: Path) -> None:
    edit_archive(archive, "config.json", lambda config: config + b" " * 10_000_000, zipfile.ZIP_DEFLATED)
    with pytest.raises(ArtifactError, match=wording("keras_file_member", name="'config.json'")):
        load_model(archive)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no archive at all"])
def test_load_model_archive_that_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.keras"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=wording("keras_file_not_whole", path=path, size=len(content))):
        load_model(path)


@pytest.mark.parametrize("config", [b"", b"3", b"[" * 20_000, b"\xff"])
def test_load_model_archive_with_a_broken_configuration(archive: Path, config: bytes) -> None:
    edit_archive(archive, "config.json", lambda _: config)
    with pytest.raises(ArtifactError, match=wording("keras_file_not_whole", path=archive)):
        load_model(archive)


def test_load_model_with_two_outputs(tmp_path: Path) -> None:
    import keras

    pixels = keras.Input((784,))
    keras.Model(pixels, [keras.layers.Dense(10)(pixels), keras.layers.Dense(2)(pixels)]).save(tmp_path / "two.keras")
    with pytest.raises(ArtifactError, match=wording("keras_file_no_model")):
        load_model(tmp_path / "two.keras")
