"""Write the .h5 of a trained network, with everything that serving needs; `inference.artifact` describes and reads it.

Usage:
    digits export path/to/model.h5                  adds the graph that serving needs to a Keras file
    digits export path/to/model.keras model.h5      the same, of a file in Keras's own format
    digits export models/digits.h5 digits.onnx      writes the network for other runtimes; .tflite for LiteRT

A .h5 with a graph that fits its weights gets its checksum and the known digits; all else in it stays as it is. One that
this project trained gets its graphs for 8-bit integers, too, where the digits are that it was trained on.
"""

import argparse
import hashlib
import json
import sys
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import onnx
import onnxslim
import tensorflow as tf
from numpy.typing import NDArray
from PIL import Image

from digits.data.dataset import LabelledImages, read_labelled_images
from digits.data.files import replace_file
from digits.data.images import NUM_CLASSES, SIZE, make_batch
from digits.errors import ArtifactError, end_in_one_line
from digits.inference.artifact import (
    ACCEPTANCE,
    CHECKSUMS,
    FORMAT,
    GROUP,
    INT8,
    KNOWN,
    SERVING,
    SOURCE,
    hash_weights,
    read_artifact,
)
from digits.inference.onnx_session import open_graph
from digits.training.adaptation import NUM_DIGITS, Adaptation, adapt_network
from digits.training.int8 import add_int8
from digits.training.keras_configuration import write_simplified
from digits.training.keras_file import load_model
from digits.training.metrics import evaluate

KNOWN_LABELS = np.tile(np.arange(NUM_CLASSES, dtype=np.uint8), 2)
GRAPH_TOLERANCE = 1e-5
"""By so much the probabilities of network and graph may differ."""
DIGITS, TRAINING_DIGITS = Path("data/test.csv.gz"), Path("data/train.csv.gz")
_OUTPUTS = (".h5", ".onnx", ".tflite")


def write_artifact(
    path: Path,
    network: keras.Model,
    provenance: Mapping[str, Any],
    sample: NDArray[np.float32],
    acceptance_graph: bytes | None = None,
) -> None:
    """Write network, graphs and provenance as one file, to the side and then renamed.

    Args:
        path: The file. Its folder is made if it is missing; an earlier file stays until this one is whole.
        network: A network from images to probabilities.
        provenance: Anything that JSON can hold.
        sample: float32 batch of real images in [0, 1], for which graph and network must agree.
        acceptance_graph: The rejector's graph, as `export_graph` makes it; its thresholds are in `provenance`.

    Raises:
        ArtifactError: If graph and network do not agree; then nothing is written.
    """
    try:
        graph, difference = export_graph(network, sample)
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(path) as unfinished:
        network.save(unfinished)
        write_simplified(unfinished)
        with h5py.File(unfinished, "a") as file:
            group = file.create_group(GROUP)
            group[SERVING] = np.frombuffer(graph, np.uint8)
            group["provenance"] = json.dumps({**provenance, "graph_difference": difference})
            group.attrs["format"] = FORMAT
            group.attrs["weights_sha256"] = hash_weights(file)
            if acceptance_graph is not None:
                group[ACCEPTANCE] = np.frombuffer(acceptance_graph, np.uint8)
            _write_checks(group)


def _write_checks(group: h5py.Group) -> None:
    """Write the checksum of each graph, and what a network of single digits gives for the known ones."""
    for name, checksum in CHECKSUMS.items():
        if name in group:
            group.attrs[checksum] = hashlib.sha256(group[name][()].tobytes()).hexdigest()
    if INT8 in group and group[INT8].attrs[SOURCE] != group.attrs[CHECKSUMS[SERVING]]:
        del group[INT8]
    group.pop(KNOWN, None)
    try:
        compute = open_graph(group[SERVING][()].tobytes())
    except ArtifactError:
        return  # It reads lines.
    images = read_known_images()
    known = group.create_group(KNOWN)
    known["images"], known["labels"] = images, KNOWN_LABELS
    known["probabilities"] = compute(make_batch(images))


def read_known_images() -> NDArray[np.uint8]:
    """Return twenty of MNIST's training digits, plain ones; uint8 `(20, 28, 28)`, with the labels `KNOWN_LABELS`."""
    with Image.open(Path(__file__).with_name("known_digits.png")) as sheet:
        rows = np.asarray(sheet, np.uint8).reshape(2, SIZE, NUM_CLASSES, SIZE)
    return np.ascontiguousarray(rows.transpose(0, 2, 1, 3).reshape(-1, SIZE, SIZE))


def export_graph(network: keras.Model, sample: NDArray[np.float32]) -> tuple[bytes, float]:
    """Return a network as ONNX, and the largest difference between its answers and the network's.

    Args:
        network: A network from one input to one output in [0, 1].
        sample: float32 batch of inputs in [0, 1], for which graph and network must agree.

    Raises:
        ArtifactError: If graph and network do not agree.
    """
    with tempfile.TemporaryDirectory() as folder:
        graph_path = Path(folder, "network.onnx")
        expected = network.predict(sample, verbose=0)  # Keras exports only a network that was called before.
        try:
            with warnings.catch_warnings(action="ignore", category=FutureWarning):  # Of NumPy's old names.
                network.export(graph_path, format="onnx", verbose=False)
            # This removes nine small steps with which Keras's Flatten would compute its shape for each image.
            graph: bytes = onnxslim.slim(str(graph_path)).SerializeToString()
            compute = open_graph(graph, 1, network.input_shape[1:], network.output_shape[1:])
        # The exporter raises what it meets.
        except Exception as error:
            raise ArtifactError(
                f"the network cannot become ONNX ({error}); nothing was written. Use layers that ONNX can express."
            ) from error
    return graph, _compare(compute(sample), expected)


def _compare(answers: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Return the largest difference, and refuse one that is more than rounding."""
    difference = float(np.abs(answers - expected).max())
    if not difference <= GRAPH_TOLERANCE:
        raise ArtifactError(
            f"the serving graph's probabilities differ from the network's by {difference:.2g}, expected "
            f"at most {GRAPH_TOLERANCE:.0e}; nothing was written. Use layers that ONNX can express."
        )
    return difference


def export_network(path: Path, output: Path | None, digits: LabelledImages) -> tuple[Path, Adaptation]:
    """Write a Keras file's network in the form that is served, as .h5, .onnx or .tflite.

    Args:
        path: A Keras .h5 or .keras. Nothing in it is executed.
        output: The ending tells the format; None stands for an .h5 of the same name.
        digits: Labelled digits that the network was not trained on.

    Returns:
        Where it was written, and how the network was adapted.

    Raises:
        ArtifactError: If the file cannot be loaded, the network cannot be adapted, or what was written would answer
            differently.
    """
    output = _choose_output(path, output)
    network, adaptation = adapt_network(load_model(path), digits, path)
    sample = make_batch(digits.take(slice(NUM_DIGITS)).images)
    if output.suffix == ".h5":
        provenance, acceptance_graph = _keep_what_describes_it(path)
        if "metrics" not in provenance:
            provenance = {**provenance, **_describe(network, adaptation, digits, path)}
        write_artifact(output, network, provenance, sample, acceptance_graph)
        return output, adaptation
    try:
        is_onnx = output.suffix == ".onnx"
        content = name_tensors(export_graph(network, sample)[0]) if is_onnx else export_litert(network, sample)
    except ArtifactError as error:
        raise ArtifactError(f"{output}: {error}") from error
    with replace_file(output) as unfinished:
        unfinished.write_bytes(content)
    return output, adaptation


def name_tensors(graph: bytes) -> bytes:
    """Return an ONNX graph whose input is called `pixels` and whose output `probabilities`."""
    model = onnx.load_from_string(graph)
    names = {model.graph.input[0].name: "pixels", model.graph.output[0].name: "probabilities"}
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for tensor in (model.graph.input[0], model.graph.output[0]):
        tensor.name = names[tensor.name]
        tensor.type.tensor_type.shape.dim[0].dim_param = "n"
    onnx.checker.check_model(model, full_check=True)
    named: bytes = model.SerializeToString()
    return named


def export_litert(network: keras.Model, sample: NDArray[np.float32]) -> bytes:
    """Return a network as LiteRT, the format of phones, which was called TensorFlow Lite.

    Args:
        network: A network from one input to one output in [0, 1].
        sample: float32 batch of inputs in [0, 1], for which both must agree.

    Raises:
        ArtifactError: If they do not agree.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "network.tflite")
        expected = network.predict(sample, verbose=0)
        network.export(path, format="litert", verbose=False)
        content = path.read_bytes()
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # It moves to another package.
        interpreter = tf.lite.Interpreter(model_content=content)
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(taken["index"], sample.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(taken["index"], sample)
    interpreter.invoke()
    _compare(interpreter.get_tensor(given["index"]), expected)
    return content


def _choose_output(path: Path, output: Path | None) -> Path:
    """Return where to write; what the person did not name is written only in place of the file itself."""
    chosen = path.with_suffix(".h5") if output is None else output
    if chosen.suffix not in _OUTPUTS:
        raise ArtifactError(
            f"{chosen}: received the ending {chosen.suffix!r}, expected {', '.join(_OUTPUTS)}; name another output."
        )
    if output is None and chosen != path and chosen.exists():
        raise ArtifactError(f"{chosen}: is there already; name it as the output to replace it, or name another.")
    return chosen


def _keep_what_describes_it(path: Path) -> tuple[Mapping[str, Any], bytes | None]:
    """Return the provenance and the rejector of a file of this project; nothing of one from elsewhere."""
    try:
        artifact = read_artifact(path, allow_stale=True)
    except ArtifactError as error:
        if path.suffix == ".h5":
            print(f"Only the network is kept: {error}", file=sys.stderr)
        return {}, None
    provenance = artifact.provenance
    if artifact.is_stale:
        # Everything else describes the weights before they were changed. The rejector does not depend on them.
        provenance = {name: value for name, value in provenance.items() if name == "acceptance"}
    return provenance, artifact.acceptance_graph


def _describe(network: keras.Model, adaptation: Adaptation, digits: LabelledImages, path: Path) -> dict[str, Any]:
    some = digits.take(slice(NUM_DIGITS))
    evaluation = evaluate(network.predict(make_batch(some.images), verbose=0), some.labels)
    return {
        "exported": {"file": path.name, **asdict(adaptation)},
        "scored_on": {"what": f"the first {len(some):,} test digits", "sha256": digits.sha256},
        "metrics": {**asdict(evaluation), "accuracy": evaluation.accuracy},
    }


def add_checks(path: Path) -> None:
    """Write a file anew with the checksums of its graphs and with the known digits; all else stays as it is.

    Raises:
        ArtifactError: If the file has no graph, or one that does not belong to its weights.
    """
    content = path.read_bytes()
    with replace_file(path) as unfinished:
        unfinished.write_bytes(content)
        with h5py.File(unfinished, "a") as file:
            _write_checks(file[GROUP])
        read_artifact(unfinished)


def main() -> None:
    """Export the file named on the command line."""
    parser = argparse.ArgumentParser(description="Write a Keras network in the form that is served.")
    parser.add_argument("model", type=Path, help="a Keras .h5 or .keras, ours or from elsewhere")
    parser.add_argument("output", type=Path, nargs="?", help=".h5, .onnx or .tflite; default: an .h5 of the same name")
    parser.add_argument("--digits", type=Path, default=DIGITS, help=f"labelled test digits (default: {DIGITS})")
    parser.add_argument(
        "--training-digits",
        type=Path,
        default=TRAINING_DIGITS,
        help=f"for the graphs of 8-bit integers, what the network was trained on (default: {TRAINING_DIGITS})",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a sentence")
    arguments = parser.parse_args()
    if arguments.output is None and _has_fitting_graph(arguments.model):
        add_checks(arguments.model)
        print(
            json.dumps({"file": str(arguments.model)})
            if arguments.json
            else f"{arguments.model} now carries checks of its serving graph."
        )
        _add_int8(arguments.model, arguments.training_digits)
        return
    output, found = export_network(arguments.model, arguments.output, read_labelled_images(arguments.digits))
    if output.suffix == ".h5":
        _add_int8(output, arguments.training_digits)
    if arguments.json:
        print(json.dumps({"file": str(output), **asdict(found)}))
        return
    print(f"{arguments.model} reads {found.accuracy:.1%} of {found.num_digits:,} digits; pixels {found.pixels}.")
    print(f"Wrote {output}, which takes pixels 0 to 1 and gives probabilities.")


def _add_int8(path: Path, training_digits: Path) -> None:
    """Give a file that this project trained its graphs for int8."""
    if "config" not in read_artifact(path).provenance:
        return
    if not training_digits.is_file():
        print(f"{path}: no graph for int8 was made, which needs {training_digits}.", file=sys.stderr)
        return
    print(add_int8(path, read_labelled_images(training_digits)), file=sys.stderr)


def _has_fitting_graph(path: Path) -> bool:
    try:
        return read_artifact(path).serving_graph is not None
    except ArtifactError:
        return False


if __name__ == "__main__":
    with end_in_one_line("the file is as it was."):
        main()
