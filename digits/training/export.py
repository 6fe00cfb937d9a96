"""Write the .h5 of a trained network, with everything that serving needs; `inference.artifact` describes and reads it.

Usage:
    python -m digits.training.export path/to/model.h5     adds the graph that serving needs to a Keras file
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

from digits.data.files import replace_file
from digits.data.images import draw_one, make_batch
from digits.errors import ArtifactError, end_in_one_line
from digits.inference.artifact import ACCEPTANCE, FORMAT, GROUP, hash_weights, read_artifact
from digits.inference.onnx_session import open_graph
from digits.training.keras_configuration import write_simplified
from digits.training.keras_file import load_network

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
        write_simplified(unfinished)
        with h5py.File(unfinished, "a") as file:
            group = file.create_group(GROUP)
            group["serving_graph"] = np.frombuffer(graph, np.uint8)
            group["provenance"] = json.dumps({**provenance, "graph_difference": difference})
            group.attrs["format"] = FORMAT
            group.attrs["weights_sha256"] = hash_weights(file)
            if acceptance_graph is not None:
                group[ACCEPTANCE] = np.frombuffer(acceptance_graph, np.uint8)
                group.attrs["acceptance_sha256"] = hashlib.sha256(acceptance_graph).hexdigest()


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


def main() -> None:
    """Add a serving graph to the file named on the command line."""
    parser = argparse.ArgumentParser(description="Give a Keras .h5 the graph that serving needs.")
    parser.add_argument("model", type=Path)
    path = parser.parse_args().model
    add_serving_graph(path)
    print(f"{path} now carries a serving graph.")


if __name__ == "__main__":
    with end_in_one_line("the file is as it was."):
        main()
