import json
import os
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from digits.errors import ArtifactError, PixelError
from digits.inference.artifact import read_artifact
from digits.inference.classifier import load_classifier
from digits.inference.onnx_session import open_graph

if TYPE_CHECKING:
    import keras

RunPython = Callable[..., CompletedProcess[str]]

LOAD = "from pathlib import Path; from digits.inference.classifier import load_classifier; load_classifier(Path({!r}))"


@pytest.fixture
def keras_file(tiny_network: "keras.Model", tmp_path: Path) -> Path:
    """A Keras .h5 without a serving graph."""
    path = tmp_path / "elsewhere.h5"
    tiny_network.save(path)
    return path


def test_classifier_agrees_with_the_network(
    shared_artifact: Path, tiny_network: "keras.Model", small_batch: NDArray[np.float32]
) -> None:
    probabilities = load_classifier(shared_artifact).predict(small_batch)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, tiny_network.predict(small_batch, verbose=0), atol=1e-5)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("num_images", [0, 1, 7])
def test_classifier_any_number_of_images(
    shared_artifact: Path, small_batch: NDArray[np.float32], num_images: int
) -> None:
    assert load_classifier(shared_artifact).predict(small_batch[:num_images]).shape == (num_images, 10)


def test_classifier_threads_do_not_change_the_answer(shared_artifact: Path, small_batch: NDArray[np.float32]) -> None:
    one, two = (load_classifier(shared_artifact, num_threads).predict(small_batch) for num_threads in (1, 2))
    np.testing.assert_allclose(one, two, atol=1e-6)


@pytest.mark.parametrize(
    "batch",
    [
        np.zeros((1, 28, 28, 1), np.float64),
        np.zeros((1, 28, 28, 1), np.uint8),
        np.zeros((1, 28, 28), np.float32),
        np.zeros((28, 28, 1), np.float32),
        np.zeros((1, 784), np.float32),
        np.zeros((), np.float32),
    ],
)
def test_classifier_wrong_batch(shared_artifact: Path, batch: NDArray[np.float32]) -> None:
    with pytest.raises(PixelError, match=r"Received a batch of .*, expected float32 \(n, 28, 28, 1\)\. Make it with"):
        load_classifier(shared_artifact).predict(batch)


def test_classifier_judges_by_the_acceptance_network(
    judging_artifact: Path, tiny_acceptance_network: "keras.Model", small_batch: NDArray[np.float32]
) -> None:
    classifier = load_classifier(judging_artifact)
    acceptance = classifier.measure_acceptance(small_batch[:3])
    np.testing.assert_allclose(acceptance, tiny_acceptance_network.predict(small_batch[:3], verbose=0)[:, 0], atol=1e-5)
    assert classifier.judge(small_batch[:3], classifier.predict(small_batch[:3])) == ["not_a_digit"] * 3


def test_classifier_of_a_file_without_acceptance_still_tells_blanks(
    shared_artifact: Path, small_batch: NDArray[np.float32]
) -> None:
    classifier = load_classifier(shared_artifact)
    batch = np.concatenate([small_batch[:1], np.zeros_like(small_batch[:1])])
    sure = np.eye(10, dtype=np.float32)[:2]
    assert classifier.measure_acceptance(batch) is None
    assert classifier.judge(batch, sure) == [None, "blank"]


@pytest.mark.parametrize("name", ["acceptance", "confidence"])
def test_load_classifier_impossible_threshold(judging_artifact: Path, name: str) -> None:
    with h5py.File(judging_artifact, "a") as file:
        del file["digits/provenance"]
        file["digits/provenance"] = json.dumps({"acceptance": {"thresholds": {name: 2}}})
    with pytest.raises(ArtifactError, match=rf"{judging_artifact}: .*Received the threshold 2\.0 for {name}"):
        load_classifier(judging_artifact)


def test_load_classifier_keras_file_from_elsewhere(
    keras_file: Path, tiny_network: "keras.Model", small_batch: NDArray[np.float32]
) -> None:
    classifier = load_classifier(keras_file)
    assert classifier.artifact.serving_graph is None
    probabilities = classifier.predict(small_batch)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, tiny_network.predict(small_batch, verbose=0), atol=1e-6)


def test_load_classifier_keras_file_without_keras(keras_file: Path, run_as_served: RunPython) -> None:
    done = run_as_served(LOAD.format(str(keras_file)))
    assert "ServingGraphError" in done.stderr
    assert f"Where it is, add the graph: `python -m digits.training.export {keras_file}`." in done.stderr


def test_load_classifier_needs_no_keras_once_the_graph_is_added(
    keras_file: Path, run_python: RunPython, run_as_served: RunPython
) -> None:
    added = run_python("-m", "digits.training.keras_file", keras_file)
    assert added.returncode == 0, added.stderr
    assert added.stdout == f"{keras_file} now carries a serving graph.\n"
    served = run_as_served(LOAD.format(str(keras_file)))
    assert served.returncode == 0, served.stderr


def make_graph(
    input_shape: tuple[Any, ...] = ("n", 28, 28, 1),
    output_shape: tuple[Any, ...] = ("n", 10),
    number_type: int = TensorProto.FLOAT,
    location: str | None = None,
) -> bytes:
    """Return a linear classifier as ONNX; with a location, its weights are said to lie in that file."""
    element = helper.tensor_dtype_to_np_dtype(number_type)
    weights = numpy_helper.from_array(np.zeros((784, 10), element), "weights")
    if location is not None:
        weights.ClearField("raw_data")
        weights.data_location = TensorProto.EXTERNAL
        weights.external_data.add(key="location", value=location)
    shape = numpy_helper.from_array(np.array([-1, 784]), "shape")
    nodes = [
        helper.make_node("Reshape", ["pixels", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["scores"]),
    ]
    pixels = helper.make_tensor_value_info("pixels", number_type, input_shape)
    scores = helper.make_tensor_value_info("scores", number_type, output_shape)
    graph = helper.make_graph(nodes, "linear", [pixels], [scores], [weights, shape])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content


def test_open_graph_any_graph_of_the_right_shape() -> None:
    assert open_graph(make_graph())(np.zeros((3, 28, 28, 1), np.float32)).shape == (3, 10)


@pytest.mark.parametrize(
    "graph",
    [
        make_graph(input_shape=("n", 28, 28)),
        make_graph(input_shape=("n", 1, 28, 28)),
        make_graph(input_shape=(1, 28, 28, 1)),
        make_graph(number_type=TensorProto.DOUBLE),
    ],
    ids=["no channel", "channel first", "one image only", "double"],
)
def test_open_graph_wrong_shape(graph: bytes) -> None:
    with pytest.raises(ArtifactError, match=r"Received a serving graph from .* expected float \(n, 28, 28, 1\) to"):
        open_graph(graph)


@pytest.mark.parametrize("graph", [b"", b"no graph", make_graph()[:500], b"\x00" * 100])
def test_open_graph_broken(graph: bytes) -> None:
    with pytest.raises(ArtifactError, match=r"The serving graph cannot be read .* Train anew"):
        open_graph(graph)


@pytest.mark.parametrize("form", ["{name}", "./{name}", "{relative}", "{absolute}"])
def test_open_graph_never_reads_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.chdir(tmp_path)
    secret = tmp_path / "secret.bin"
    secret.write_bytes(np.ones((784, 10), np.float32).tobytes())
    relative = os.path.relpath(secret, tmp_path.parent)
    location = form.format(name=secret.name, relative=f"../{relative}", absolute=secret)
    with pytest.raises(ArtifactError, match="The serving graph cannot be read"):
        open_graph(make_graph(location=location))


def test_open_graph_refuses_onnx_runtimes_own_format(tmp_path: Path) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "graph.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(make_graph(), options, providers=["CPUExecutionProvider"])
    with pytest.raises(ArtifactError, match="The serving graph cannot be read"):
        open_graph((tmp_path / "graph.ort").read_bytes())


@pytest.mark.parametrize(
    "damage",
    [lambda graph: graph[: len(graph) // 2], lambda graph: b"\xff" * len(graph), lambda graph: b""],
    ids=["half", "overwritten", "empty"],
)
def test_load_classifier_corrupt_graph(artifact_path: Path, damage: Callable[[bytes], bytes]) -> None:
    graph = read_artifact(artifact_path).serving_graph
    assert graph is not None
    with h5py.File(artifact_path, "a") as file:
        del file["digits/serving_graph"]
        file["digits/serving_graph"] = np.frombuffer(damage(graph), np.uint8)
    with pytest.raises(ArtifactError, match=rf"{artifact_path}: The serving graph cannot be read"):
        load_classifier(artifact_path)


def test_serving_graph_is_a_valid_onnx_model(shared_artifact: Path) -> None:
    graph = read_artifact(shared_artifact).serving_graph
    assert graph is not None
    onnx.checker.check_model(onnx.load_from_string(graph))
