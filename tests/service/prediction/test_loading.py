import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from digits.inference.precision import has_int8_arithmetic
from digits.training.export import add_checks
from tests.service.server import ROOT, serve, start

MODEL = ROOT / "models" / "digits.h5"
NEEDS_INT8 = pytest.mark.skipif(not has_int8_arithmetic(), reason="this processor saturates")
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
    write_with_graph(path, make_graph(7))


def write_another_graph_than_was_checked(path: Path) -> None:
    write_with_graph(path, make_graph(1))
    with h5py.File(path, "a") as file:
        file["digits"].attrs["serving_sha256"] = hashlib.sha256(b"another").hexdigest()


def write_model_of_another_scale(path: Path) -> None:
    """The shipped network behind a division by 255, as one that was taught on 0-255."""
    write_with_graph(path, scale_input(h5py.File(MODEL)["digits/serving_graph"][()].tobytes()))


def write_model_that_has_drifted(path: Path) -> None:
    write_with_graph(path, h5py.File(MODEL)["digits/serving_graph"][()].tobytes())
    with h5py.File(path, "a") as file:
        for name in ("known_digits", "int8"):
            file[f"digits/{name}/probabilities"][3, 3] -= 0.002


def scale_input(graph: bytes) -> bytes:
    model = onnx.load_from_string(graph)
    name = model.graph.input[0].name
    for node in model.graph.node:
        node.input[:] = ["scaled" if one == name else one for one in node.input]
    model.graph.initializer.append(helper.make_tensor("range", TensorProto.FLOAT, [], [255.0]))
    model.graph.node.insert(0, helper.make_node("Div", [name, "range"], ["scaled"]))
    content: bytes = model.SerializeToString()
    return content


def write_with_graph(path: Path, graph: bytes) -> None:
    """Write the shipped model with another graph, and checks of that one."""
    path.write_bytes(MODEL.read_bytes())
    with h5py.File(path, "a") as file:
        group = file["digits"]
        group.attrs.pop("serving_sha256", None)
        del group["serving_graph"]
        group["serving_graph"] = np.frombuffer(graph, np.uint8)
    add_checks(path)


def write_old_model(path: Path) -> None:
    """The shipped model without checks, as it was written before there were any."""
    path.write_bytes(MODEL.read_bytes())
    with h5py.File(path, "a") as file:
        file["digits"].attrs.pop("serving_sha256", None)
        file["digits"].pop("known_digits", None)
        file["digits"].pop("int8", None)


def write_old_model_that_reads_sevens(path: Path) -> None:
    write_model_that_reads_sevens(path)
    with h5py.File(path, "a") as file:
        del file["digits"].attrs["serving_sha256"], file["digits/known_digits"]


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
        (write_model_that_reads_sevens, "the model reads 2 of 20 known digits right, and as [7, 7, "),
        (write_model_of_another_scale, "It may want pixels on another scale or in another order than 0 to 1"),
        (write_model_that_has_drifted, "the model's probabilities for known digits differ by 0.002 from those in the"),
        (write_another_graph_than_was_checked, "the serving graph is not the one that was written"),
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


@pytest.mark.parametrize(
    ("precision", "drifted"),
    [
        ("fp32", "known_digits"),
        pytest.param("int8", "int8", marks=NEEDS_INT8),
    ],
)
def test_start_compares_with_what_the_same_graph_gave(tmp_path: Path, precision: str, drifted: str) -> None:
    path = tmp_path / "digits.h5"
    write_with_graph(path, h5py.File(MODEL)["digits/serving_graph"][()].tobytes())
    with h5py.File(path, "a") as file:
        file[f"digits/{drifted}/probabilities"][3, 3] -= 0.002
    complaint = refuse_start(tmp_path, DIGITS_MODEL_PATH=str(path), DIGITS_PRECISION=precision)
    assert "probabilities for known digits differ by 0.002 from those in the file" in complaint


def test_start_with_an_old_model_says_how_to_add_its_checks(tmp_path: Path) -> None:
    path = tmp_path / "digits.h5"
    write_old_model(path)
    command = f"Add them: `python -m digits.training.export {path}`."
    with serve(tmp_path, DIGITS_MODEL_PATH=str(path)) as server:
        assert command in server.log
    add_checks(path)
    with serve(tmp_path, DIGITS_MODEL_PATH=str(path)) as server:
        assert command not in server.log


def test_start_with_an_old_model_that_misreads_a_plain_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "digits.h5"
    write_old_model_that_reads_sevens(path)
    complaint = refuse_start(tmp_path, DIGITS_MODEL_PATH=str(path))
    assert "the model reads 0 of 1 known digits right, and as [7], expected [1]." in complaint


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


def test_full_collection_of_garbage_looks_at_little_once_the_service_is_ready() -> None:
    """Without this, one request in a hundred takes 30 ms instead of 2, because a collection runs meanwhile."""
    code = """
import asyncio, gc, uvicorn

async def count_objects():
    server = uvicorn.Server(uvicorn.Config("app.predict:app", port=0, log_level="warning"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.05)
    print(len(gc.get_objects()), gc.get_freeze_count())
    server.should_exit = True
    await serving

asyncio.run(count_objects())
"""
    finished = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'web_service'}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    watched, frozen = map(int, finished.stdout.split())
    assert frozen > 10 * watched
