"""Write and read the .h5 that is trained once and used everywhere.

It is a plain Keras file. Beside Keras's own groups it holds one more, `digits`:

    digits/serving_graph     uint8, the same network as ONNX, so that serving needs no TensorFlow
    digits/acceptance_graph  uint8, the network that tells digits from all else, as ONNX; older files lack it
    digits/provenance        JSON: configuration, data, versions, metrics, time
    digits.attrs             format; weights_sha256 of the weights that the serving graph was made from;
                             acceptance_sha256 of the acceptance graph

Reading needs h5py alone; only what takes or returns a Keras model needs Keras.
"""

import hashlib
import json
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from digits.errors import ArtifactError

if TYPE_CHECKING:
    import keras

FORMAT = 1
GRAPH_TOLERANCE = 1e-5
_GROUP = "digits"
_ACCEPTANCE = "acceptance_graph"
_RETRAIN = "Train one with `make run_train`, lines.h5 with `make train_lines`, or name another file."


@dataclass(frozen=True)
class Artifact:
    """What an .h5 holds for serving.

    Attributes:
        path: Where it was read.
        sha256: Of the whole file.
        serving_graph: ONNX, or None in a Keras file from elsewhere.
        provenance: How it came about; empty in a file from elsewhere.
        acceptance_graph: ONNX, or None in a file without.
        is_stale: The weights were changed after the serving graph was made from them.
    """

    path: Path
    sha256: str
    serving_graph: bytes | None
    provenance: Mapping[str, Any]
    acceptance_graph: bytes | None = None
    is_stale: bool = False

    @property
    def version(self) -> str:
        """The first 12 digits of the SHA-256: enough to tell two models apart."""
        return self.sha256[:12]


def read_artifact(path: Path, allow_stale: bool = False) -> Artifact:
    """Read what serving needs; runs nothing that the file holds.

    Raises:
        ArtifactError: If the file is missing, empty, truncated, not HDF5, no Keras model, refers to other
            files, or its serving graph is stale and that is not allowed.
    """
    with open_keras_file(path) as file:
        contents = _read_group(path, file)
    if contents[-1] and not allow_stale:
        raise ArtifactError(
            f"{path}: the weights changed after the serving graph was made from them. "
            f"Make it anew: `python -m digits.training.keras_file {path}`."
        )
    with path.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    return Artifact(path, sha256, *contents)


@contextmanager
def open_keras_file(path: Path) -> Iterator[h5py.File]:
    """Open an .h5 that holds a Keras model and refers to nothing outside itself.

    Raises:
        ArtifactError: If it is missing or anything else, or if reading from it fails.
    """
    if not path.is_file():
        raise ArtifactError(f"{path}: no such file. {_RETRAIN}")
    size_bytes = path.stat().st_size
    try:
        with h5py.File(path, "r") as file:
            _refuse_outside_data(path, file, size_bytes)
            if "model_config" not in file.attrs or not isinstance(file.get("model_weights"), h5py.Group):
                raise ArtifactError(f"{path}: received an HDF5 file without a Keras model. {_RETRAIN}")
            yield file
    except ArtifactError:
        raise
    # What h5py raises for damaged bytes, depending on where they are.
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise ArtifactError(
            f"{path}: received {size_bytes:,} bytes that are not a whole Keras .h5 ({error}). {_RETRAIN}"
        ) from error


def _read_group(path: Path, file: h5py.File) -> tuple[bytes | None, Mapping[str, Any], bytes | None, bool]:
    """Return serving graph, provenance, acceptance graph, and whether the serving graph is stale."""
    if _GROUP not in file:
        return None, {}, None, False
    group = file[_GROUP]
    try:
        format_found, weights_sha256 = int(group.attrs["format"]), group.attrs["weights_sha256"]
        serving_graph = np.asarray(group["serving_graph"], np.uint8).tobytes()
        provenance = json.loads(group["provenance"][()])
        acceptance_graph = _read_acceptance(group)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{path}: its group `{_GROUP}` is damaged ({error}). {_RETRAIN}") from error
    if format_found != FORMAT:
        raise ArtifactError(
            f"{path}: received artifact format {format_found}, expected {FORMAT}. Use the version that wrote it."
        )
    return serving_graph, provenance, acceptance_graph, weights_sha256 != _hash_weights(file)


def _read_acceptance(group: h5py.Group) -> bytes | None:
    if _ACCEPTANCE not in group:
        return None
    graph = np.asarray(group[_ACCEPTANCE], np.uint8).tobytes()
    if group.attrs["acceptance_sha256"] != hashlib.sha256(graph).hexdigest():
        raise ValueError("the acceptance graph is not the one that was written")
    return graph


def write_artifact(
    path: Path,
    network: "keras.Model",
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
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, because a rename is atomic only inside one file system.
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".writing-") as folder:
        try:
            graph, difference = export_graph(network, sample)
        except ArtifactError as error:
            raise ArtifactError(f"{path}: {error}") from error
        unfinished = Path(folder, "network.h5")
        network.save(unfinished)
        with h5py.File(unfinished, "a") as file:
            group = file.create_group(_GROUP)
            group["serving_graph"] = np.frombuffer(graph, np.uint8)
            group["provenance"] = json.dumps({**provenance, "graph_difference": difference})
            group.attrs["format"] = FORMAT
            group.attrs["weights_sha256"] = _hash_weights(file)
            if acceptance_graph is not None:
                group[_ACCEPTANCE] = np.frombuffer(acceptance_graph, np.uint8)
                group.attrs["acceptance_sha256"] = hashlib.sha256(acceptance_graph).hexdigest()
        unfinished.replace(path)


def export_graph(network: "keras.Model", sample: NDArray[np.float32]) -> tuple[bytes, float]:
    """Return a network as ONNX, and by how much its answers differ.

    Args:
        network: From one input to one output, in [0, 1].
        sample: float32, what the network reads, on which graph and network must agree.

    Raises:
        ArtifactError: If they do not.
    """
    # Here, not above: serving has no exporter, and `classifier` reads artifacts through this module.
    import onnxslim

    from digits.inference.classifier import open_graph

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


def _hash_weights(file: h5py.File) -> str:
    digest = hashlib.sha256()

    def add(name: str, item: h5py.Dataset | h5py.Group) -> None:
        if isinstance(item, h5py.Dataset):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(item).tobytes())

    file["model_weights"].visititems(add)
    return digest.hexdigest()


def _refuse_outside_data(path: Path, group: h5py.Group, size_bytes: int) -> None:
    """A link or external storage could make this file read others on the machine."""
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ArtifactError(f"{path}: received a link to elsewhere at {name!r}, expected everything inside.")
        item = group[name]
        if isinstance(item, h5py.Group):
            _refuse_outside_data(path, item, size_bytes)
        elif isinstance(item, h5py.Dataset):
            if item.external or item.is_virtual:
                raise ArtifactError(f"{path}: received data stored elsewhere at {name!r}, expected everything inside.")
            # Keras does not compress, so what claims more than the file holds would only fill the memory.
            if (item.size or 0) * item.dtype.itemsize > size_bytes:
                raise ArtifactError(
                    f"{path}: received {name!r} of shape {item.shape} in a file of {size_bytes:,} bytes, expected "
                    f"uncompressed data. {_RETRAIN}"
                )
