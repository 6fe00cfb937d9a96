"""Turn an ONNX graph into a function from a batch to the network's outputs.

ONNX Runtime was chosen because it answers one image in a fraction of a millisecond from 70 MB installed. TensorFlow
needs 100 ms and 1.3 GB.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digits.data.images import BATCH_SHAPE, NUM_CLASSES
from digits.errors import ArtifactError
from digits.inference.artifact import Artifact, read_artifact
from digits.inference.precision import Precision, Served, choose_precision

# Since 1.29 ONNX Runtime tells its makers of every session, unless it is told not to before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime

Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def open_graph(
    graph: bytes,
    num_threads: int = 1,
    input_shape: tuple[int | None, ...] = BATCH_SHAPE,
    output_shape: tuple[int | None, ...] = (NUM_CLASSES,),
    *,
    frees_memory: bool = False,
    simulates_int8: bool = False,
) -> Predict:
    """Turn an ONNX graph into a function.

    Args:
        graph: ONNX.
        num_threads: Threads for one call.
        input_shape: The shape of one of the batch; None stands for any size.
        output_shape: The same of the output.
        frees_memory: Give back after each call what a large input took. It costs a call some time.
        simulates_int8: Compute in floats what a graph computes in 8-bit integers: slow, and right on any processor.

    Raises:
        ArtifactError: If it is no ONNX graph from float `(n, *input_shape)` to float `(n, *output_shape)`.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.inter_op_num_threads = 1
    # A graph may name files for its data, below a folder of our choice. Below this one there can be none.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    options.add_session_config_entry("session.load_model_format", "ONNX")
    if simulates_int8:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    # ONNX Runtime raises a dozen unrelated types for a bad graph, several of them bare Exceptions.
    except Exception as error:
        raise ArtifactError(f"The serving graph cannot be read ({error}). Train anew.") from error
    # It would keep the graph's bytes for another try with another provider.
    session._model_bytes = None
    inputs, outputs = session.get_inputs(), session.get_outputs()
    # A size that may vary is a name or None, and no number.
    found = [
        (tensor.type, *(size if isinstance(size, int) else None for size in tensor.shape))
        for tensor in (*inputs, *outputs)
    ]
    if found != [("tensor(float)", None, *shape) for shape in (input_shape, output_shape)]:
        raise ArtifactError(
            f"Received a serving graph from {[(tensor.type, tensor.shape) for tensor in inputs]} to "
            f"{[(tensor.type, tensor.shape) for tensor in outputs]}, expected float (n, {_name(input_shape)}) to "
            f"(n, {_name(output_shape)}). Train anew."
        )
    input_name, output_names = inputs[0].name, [outputs[0].name]
    run_options = onnxruntime.RunOptions()
    if frees_memory:
        run_options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")

    def compute(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        answers: NDArray[np.float32] = session.run(output_names, {input_name: batch}, run_options)[0]
        return answers

    return compute


def open_artifact(
    path: Path,
    num_threads: int,
    input_shape: tuple[int | None, ...],
    output_shape: tuple[int | None, ...],
    command: str,
    precision: Precision | None,
    *,
    frees_memory: bool = False,
) -> tuple[Artifact, Predict, Served]:
    """Read an .h5 and turn its serving graph into a function; the arguments are those of `open_graph`.

    Args:
        path: The file.
        num_threads: Threads for one call.
        input_shape: The shape of one of the batch.
        output_shape: The same of the output.
        command: Trains such a network; named in the error if the file has no graph.
        precision: Which graph; None stands for what the environment chooses.
        frees_memory: Give back after each call what a large input took.

    Returns:
        The file, the function, and which graph it computes.

    Raises:
        ArtifactError: If the file cannot be used.
    """
    artifact = read_artifact(path)
    if artifact.serving_graph is None:
        raise ArtifactError(f"{path}: received a Keras file without a serving graph. Train one: `{command}`.")
    served = choose_precision(artifact, precision)
    graph = artifact.serving_graph if served == "fp32" or artifact.int8 is None else artifact.int8.serving_graph
    try:
        compute = open_graph(graph, num_threads, input_shape, output_shape, frees_memory=frees_memory)
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}") from error
    return artifact.release_graphs(), compute, served


def compute_in_parts(
    compute: Callable[[NDArray[Any]], NDArray[Any]], batch: NDArray[Any], num_at_once: int = 1_000
) -> NDArray[Any]:
    """Compute a large batch in parts, so that memory does not grow with it.

    Args:
        compute: A function of a part of the batch, such as `open_graph` returns.
        batch: `(n, ...)`, n at least 1.
        num_at_once: How many of the batch make a part.

    Returns:
        What `compute` returned, one part after another.
    """
    parts = range(0, len(batch), num_at_once)
    return np.concatenate([compute(batch[start : start + num_at_once]) for start in parts])


def _name(shape: tuple[int | None, ...]) -> str:
    return ", ".join("any" if size is None else str(size) for size in shape)
