"""ONNX graphs of any origin: what is opened, what is refused, and that no other file is read."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from digits.errors import ArtifactError
from digits.inference.onnx_session import open_graph
from tests.conftest import ROOT
from tests.wordings import wording


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
    expected = {"expected_input": "(n, 28, 28, 1)", "expected_output": "(n, 10)"}
    with pytest.raises(ArtifactError, match=wording("graph_shape", **expected)):
        open_graph(graph)


@pytest.mark.parametrize("graph", [b"", b"no graph", make_graph()[:500], b"\x00" * 100])
def test_open_graph_broken(graph: bytes) -> None:
    with pytest.raises(ArtifactError, match=wording("graph_unreadable")):
        open_graph(graph)


@pytest.mark.parametrize("form", ["{name}", "./{name}", "{relative}", "{absolute}"])
def test_open_graph_never_reads_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.chdir(tmp_path)
    secret = tmp_path / "secret.bin"
    secret.write_bytes(np.ones((784, 10), np.float32).tobytes())
    relative = os.path.relpath(secret, tmp_path.parent)
    location = form.format(name=secret.name, relative=f"../{relative}", absolute=secret)
    with pytest.raises(ArtifactError, match=wording("graph_unreadable")):
        open_graph(make_graph(location=location))


def test_open_graph_refuses_onnx_runtimes_own_format(tmp_path: Path) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "graph.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(make_graph(), options, providers=["CPUExecutionProvider"])
    with pytest.raises(ArtifactError, match=wording("graph_unreadable")):
        open_graph((tmp_path / "graph.ort").read_bytes())


def test_open_graph_keeps_no_copy_of_the_graph() -> None:
    graph = make_graph()
    before = sys.getrefcount(graph)
    compute = open_graph(graph)
    assert sys.getrefcount(graph) == before
    assert compute(np.zeros((1, 28, 28, 1), np.float32)).shape == (1, 10)


def test_open_graph_lets_onnx_runtime_tell_nobody(tmp_path: Path) -> None:
    # Whoever is told would be told by a thread of its own, and from a database in the user's cache.
    script = """
import sys
from pathlib import Path
from digits.inference.onnx_session import open_graph
open_graph(Path(sys.argv[1]).read_bytes())
"""
    path = tmp_path / "graph.onnx"
    path.write_bytes(make_graph())
    home = {"HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "home/.cache")}
    # Continuous integration is left alone in any case.
    unset = ("ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "CI", "GITHUB_ACTIONS", "TF_BUILD")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    (tmp_path / "home").mkdir()
    subprocess.run([sys.executable, "-c", script, str(path)], cwd=ROOT, env={**environment, **home}, check=True)
    assert list((tmp_path / "home").rglob("*")) == []
