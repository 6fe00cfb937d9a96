"""Write the .h5 of a trained network, with everything that serving needs; `inference.artifact` describes and reads it.

Usage:
    python -m digits.training.export path/to/model.h5

It adds what serving needs and the file lacks: to a Keras file the graph, to a file with a graph its checksum and the
known digits. Weights and a graph that fits them stay as they are.
"""

import argparse
import hashlib
import json
import sys
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import onnxslim
from numpy.typing import NDArray
from PIL import Image

from digits.data.files import replace_file
from digits.data.images import NUM_CLASSES, SIZE, draw_one, make_batch
from digits.errors import ArtifactError, end_in_one_line
from digits.inference.artifact import ACCEPTANCE, CHECKSUMS, FORMAT, GROUP, KNOWN, SERVING, hash_weights, read_artifact
from digits.inference.onnx_session import open_graph
from digits.training.keras_file import load_network

KNOWN_LABELS = np.tile(np.arange(NUM_CLASSES, dtype=np.uint8), 2)
GRAPH_TOLERANCE = 1e-5
"""By so much the probabilities of network and graph may differ."""


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
        with warnings.catch_warnings(action="ignore", category=FutureWarning):  # Of NumPy's old names.
            network.export(graph_path, format="onnx", verbose=False)
        # This removes nine small steps with which Keras's Flatten would compute its shape for each image.
        graph: bytes = onnxslim.slim(str(graph_path)).SerializeToString()
    compute = open_graph(graph, 1, network.input_shape[1:], network.output_shape[1:])
    difference = float(np.abs(compute(sample) - expected).max())
    if not difference <= GRAPH_TOLERANCE:
        raise ArtifactError(
            f"the serving graph's probabilities differ from the network's by {difference:.2g}, expected "
            f"at most {GRAPH_TOLERANCE:.0e}; nothing was written. Use layers that ONNX can express."
        )
    return graph, difference


def add_serving_graph(path: Path) -> None:
    """Write a Keras .h5 anew with a serving graph; its provenance and its rejector are kept.

    Raises:
        ArtifactError: If the file cannot be loaded, or graph and network do not agree.
    """
    network = load_network(path)
    provenance: Mapping[str, Any] = {}
    acceptance_graph = None
    try:
        artifact = read_artifact(path, allow_stale=True)
        provenance, acceptance_graph = artifact.provenance, artifact.acceptance_graph
        if artifact.is_stale:
            # Everything else describes the weights before they were changed. The rejector does not depend on them.
            provenance = {name: value for name, value in provenance.items() if name == "acceptance"}
    except ArtifactError as error:
        print(f"Only the network is kept: {error}", file=sys.stderr)
    write_artifact(path, network, provenance, make_batch(draw_one()[None]), acceptance_graph)


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
    """Add what serving needs to the file named on the command line."""
    parser = argparse.ArgumentParser(description="Give a Keras .h5 the graph that serving needs, and checks of it.")
    parser.add_argument("model", type=Path)
    path = parser.parse_args().model
    if _has_fitting_graph(path):
        add_checks(path)
        print(f"{path} now carries checks of its serving graph.")
    else:
        add_serving_graph(path)
        print(f"{path} now carries a serving graph.")


def _has_fitting_graph(path: Path) -> bool:
    try:
        return read_artifact(path).serving_graph is not None
    except ArtifactError:
        return False


if __name__ == "__main__":
    with end_in_one_line("the file is as it was."):
        main()
