"""Write the .h5 that is trained once and used everywhere; `inference.artifact` says what it holds, and reads it.

Usage:
    python -m digits.training.export path/to/model.h5     gives a Keras file the graph that serving needs
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
from digits.training.keras_file import load_network

GRAPH_TOLERANCE = 1e-5


def write_artifact(
    path: Path,
    network: keras.Model,
    provenance: Mapping[str, Any],
    sample: NDArray[np.float32],
    acceptance_graph: bytes | None = None,
) -> None:
    """Write network, graphs and provenance as one file, to the side and then renamed.

    Args:
        path: Where; its folder is made if need be, an earlier file stays whole until the last moment.
        network: From images to probabilities.
        provenance: Anything JSON can hold.
        sample: float32, real digits on which graph and network must agree.
        acceptance_graph: Of the acceptance network, as `export_graph` makes it; its thresholds are in `provenance`.

    Raises:
        ArtifactError: If the exported graph does not answer as the network does; nothing is written then.
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
            group["serving_graph"] = np.frombuffer(graph, np.uint8)
            group["provenance"] = json.dumps({**provenance, "graph_difference": difference})
            group.attrs["format"] = FORMAT
            group.attrs["weights_sha256"] = hash_weights(file)
            if acceptance_graph is not None:
                group[ACCEPTANCE] = np.frombuffer(acceptance_graph, np.uint8)
                group.attrs["acceptance_sha256"] = hashlib.sha256(acceptance_graph).hexdigest()


def export_graph(network: keras.Model, sample: NDArray[np.float32]) -> tuple[bytes, float]:
    """Return a network as ONNX, and by how much its answers differ.

    Args:
        network: From one input to one output, in [0, 1].
        sample: float32, what the network reads, on which graph and network must agree.

    Raises:
        ArtifactError: If they do not.
    """
    with tempfile.TemporaryDirectory() as folder:
        graph_path = Path(folder, "network.onnx")
        expected = network.predict(sample, verbose=0)  # First: Keras exports only what has been called.
        with warnings.catch_warnings(action="ignore", category=FutureWarning):  # The exporter probes NumPy's old names.
            network.export(graph_path, format="onnx", verbose=False)
        # Keras flattens by asking for the shape first: nine small steps that each image would pay for.
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
    """Rewrite a Keras .h5 with a serving graph; its provenance and its acceptance network are kept.

    Raises:
        ArtifactError: As `load_network` and `artifact.write_artifact`.
    """
    network = load_network(path)
    provenance, acceptance_graph = _read_what_to_keep(path)
    write_artifact(path, network, provenance, make_batch(draw_one()[None]), acceptance_graph)


def _read_what_to_keep(path: Path) -> tuple[Mapping[str, Any], bytes | None]:
    """Return provenance and acceptance graph."""
    try:
        artifact = read_artifact(path, allow_stale=True)
    except ArtifactError as error:
        print(f"Only the network is kept: {error}", file=sys.stderr)
        return {}, None
    if not artifact.is_stale:
        return artifact.provenance, artifact.acceptance_graph
    # What else it says is of other weights; the acceptance network looks at images alone.
    kept = {name: value for name, value in artifact.provenance.items() if name == "acceptance"}
    return kept, artifact.acceptance_graph


def main() -> None:
    """Add a graph to the file named on the command line."""
    parser = argparse.ArgumentParser(description="Give a Keras .h5 the graph that serving needs.")
    parser.add_argument("model", type=Path)
    path = parser.parse_args().model
    add_serving_graph(path)
    print(f"{path} now carries a serving graph.")


if __name__ == "__main__":
    with end_in_one_line("the file is as it was."):
        main()
