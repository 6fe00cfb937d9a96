from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.service.server import ROOT, start

MODEL = ROOT / "models" / "digits.h5"
EXIT_STATUS = 3


def make_graph(digit: int) -> bytes:
    """Return an ONNX graph that reads every image as this digit."""
    bias = np.where(np.arange(10) == digit, 10, 0).astype(np.float32)
    weights = np.zeros((784, 10), np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["images"], ["flat"]),
            helper.make_node("Gemm", ["flat", "weights", "bias"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        "constant",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 28, 28, 1])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 10])],
        [
            helper.make_tensor("weights", TensorProto.FLOAT, weights.shape, weights.ravel()),
            helper.make_tensor("bias", TensorProto.FLOAT, bias.shape, bias),
        ],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    content: bytes = onnx.ModelProto.SerializeToString(model)
    return content


def write_nothing(path: Path) -> None:
    """The file is missing."""


def write_empty(path: Path) -> None:
    path.touch()


def write_truncated(path: Path) -> None:
    content = MODEL.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def write_model_that_reads_sevens(path: Path) -> None:
    path.write_bytes(MODEL.read_bytes())
    with h5py.File(path, "a") as file:
        del file["digits/serving_graph"]
        file["digits/serving_graph"] = np.frombuffer(make_graph(7), np.uint8)


def refuse_start(folder: Path, **environment: str) -> str:
    """Return the log of a service that must not start, without uvicorn's own lines."""
    process, log_path = start(folder, "app.predict:app", environment)
    try:
        assert process.wait(60) == EXIT_STATUS, log_path.read_text()
    finally:
        process.kill()
    return "\n".join(line for line in log_path.read_text().splitlines() if not line.startswith("INFO:"))


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (write_nothing, "no such file"),
        (write_empty, "received 0 bytes"),
        (write_truncated, "bytes that"),
        (write_model_that_reads_sevens, "the model reads a plain 1 as a 7, expected 1."),
    ],
)
def test_start_with_an_unusable_model_ends_in_one_line(
    tmp_path: Path, write: Callable[[Path], None], reason: str
) -> None:
    path = tmp_path / "digits.h5"
    write(path)
    complaint = refuse_start(tmp_path, DIGITS_MODEL_PATH=str(path))
    assert complaint.startswith(f"CRITICAL: Cannot serve. {path}: ")
    assert reason in complaint
    assert "\n" not in complaint


def test_start_with_another_model_for_lines_ends_in_one_line(tmp_path: Path) -> None:
    complaint = refuse_start(tmp_path, DIGITS_LINE_MODEL_PATH=str(MODEL))
    assert complaint.startswith(f"CRITICAL: Cannot serve. {MODEL}: Received a serving graph from ")
    assert "expected float (n, 32, any, 1) to (n, any, 11)" in complaint
    assert "\n" not in complaint


def test_start_with_wrong_settings_ends_in_one_line_that_names_them_all(tmp_path: Path) -> None:
    complaint = refuse_start(tmp_path, DIGITS_NUM_THREADS="0", DIGITS_MAX_BODY_BYTES="lots")
    assert complaint == (
        "CRITICAL: Cannot serve. "
        "DIGITS_NUM_THREADS: received '0', expected: greater than or equal to 1. "
        "DIGITS_MAX_BODY_BYTES: received 'lots', expected: a valid integer, unable to parse string as an integer."
    )


def test_start_of_several_workers_with_an_unusable_model_ends_in_one_line_each(tmp_path: Path) -> None:
    environment = {"DIGITS_MODEL_PATH": str(tmp_path / "digits.h5")}
    process, log_path = start(tmp_path, "app.predict:app", environment, ("--workers", "2"))
    try:
        process.wait(60)
    finally:
        process.kill()
    log = log_path.read_text()
    assert 1 <= log.count("CRITICAL: Cannot serve.") <= 2
    # uvicorn starts no worker anew that ended with the status of a failed start.
    assert "failed to start, stopping the parent process." in log
    assert "Traceback" not in log
