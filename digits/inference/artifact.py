"""Read the .h5 that is trained once and used everywhere; `training.export` writes it.

It is a plain Keras file. Beside Keras's own groups it holds one more, `digits`:

    digits/serving_graph     uint8, the same network as ONNX, so that serving needs no TensorFlow
    digits/acceptance_graph  uint8, the network that tells digits from all else, as ONNX; older files lack it
    digits/provenance        JSON: configuration, data, versions, metrics, time
    digits/known_digits      twenty digits, their labels, and the probabilities that the serving graph gave for them;
                             older files and those that read lines lack it
    digits/int8              the same graphs for 8-bit integers, with checksums of their own, the SHA-256 of the serving
                             graph that they were made from, and the probabilities for the known digits; files lack
                             it that are older, whose answers would be worse, or that were left without
    digits.attrs             format; weights_sha256 of the weights that the serving graph was made from;
                             serving_sha256 of the serving graph, which older files lack;
                             acceptance_sha256 of the acceptance graph
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from digits.errors import ArtifactError

FORMAT = 1
GROUP = "digits"
SERVING, ACCEPTANCE = "serving_graph", "acceptance_graph"
CHECKSUMS = {SERVING: "serving_sha256", ACCEPTANCE: "acceptance_sha256"}
"""For each graph the attribute with its SHA-256."""

KNOWN, INT8 = "known_digits", "int8"
SOURCE = "source_sha256"
"""The attribute of `INT8` with the SHA-256 of the serving graph that it was made from."""

_RETRAIN = "Train one with `make run_train`, lines.h5 with `make train_lines`, or name another file."


@dataclass(frozen=True)
class KnownDigits:
    """Digits that a network must read as it did when its file was written.

    Attributes:
        images: uint8 `(n, 28, 28)`.
        labels: uint8 `(n,)`.
        probabilities: What the serving graph gave for them, float32 `(n, 10)`.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    probabilities: NDArray[np.float32]


@dataclass(frozen=True)
class Int8Graphs:
    """The graphs for 8-bit integers.

    Attributes:
        serving_graph: ONNX; empty once it is released.
        acceptance_graph: ONNX, or None: then the one for floats stands beside it.
        known_probabilities: What the serving graph gave for the known digits, float32 `(n, 10)`, or None without them.
    """

    serving_graph: bytes
    acceptance_graph: bytes | None
    known_probabilities: NDArray[np.float32] | None


@dataclass(frozen=True)
class Artifact:
    """What an .h5 holds for serving.

    Attributes:
        path: Where it was read.
        sha256: Of the whole file.
        serving_graph: ONNX, or None in a Keras file from elsewhere, and once a session has taken it over.
        provenance: How it came about; empty in a file from elsewhere.
        acceptance_graph: ONNX, or None in a file without, and once a session has taken it over.
        known_digits: What it must read, or None in a file without.
        int8: The same graphs for 8-bit integers, or None in a file without.
        has_checksum: Whether the file has the SHA-256 of its serving graph, by which it was checked.
        is_stale: The weights were changed after the serving graph was made from them.
    """

    path: Path
    sha256: str
    serving_graph: bytes | None
    provenance: Mapping[str, Any]
    acceptance_graph: bytes | None = None
    known_digits: KnownDigits | None = None
    int8: Int8Graphs | None = None
    has_checksum: bool = False
    is_stale: bool = False

    @property
    def version(self) -> str:
        """The first 12 digits of the SHA-256, enough to tell two models apart."""
        return self.sha256[:12]

    def release_graphs(self) -> "Artifact":
        """Return it without its graphs, for whoever has loaded them: those of all models are 7 MB."""
        int8 = None if self.int8 is None else replace(self.int8, serving_graph=b"", acceptance_graph=None)
        return replace(self, serving_graph=None, acceptance_graph=None, int8=int8)


def read_artifact(path: Path, allow_stale: bool = False) -> Artifact:
    """Read what serving needs. Nothing in the file is executed.

    Raises:
        ArtifactError: If the file is missing, empty, truncated, not HDF5, no Keras model, refers to other
            files, or its serving graph is stale and that is not allowed.
    """
    with open_keras_file(path) as file:
        contents = _read_group(path, file)
    if contents.get("is_stale") and not allow_stale:
        raise ArtifactError(
            f"{path}: the weights changed after the serving graph was made from them. "
            f"Make it anew: `python -m digits.training.export {path}`."
        )
    with path.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    return Artifact(path, sha256, **contents)


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
            refuse_outside_data(path, file, size_bytes)
            if "model_config" not in file.attrs or not isinstance(file.get("model_weights"), h5py.Group):
                raise ArtifactError(f"{path}: received an HDF5 file without a Keras model. {_RETRAIN}")
            yield file
    except ArtifactError:
        raise
    # h5py raises any of these for damaged bytes.
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise ArtifactError(
            f"{path}: received {size_bytes:,} bytes that are not a whole Keras .h5 ({error}). {_RETRAIN}"
        ) from error


def _read_group(path: Path, file: h5py.File) -> dict[str, Any]:
    """Return what an `Artifact` has beside its path and its own checksum."""
    if GROUP not in file:
        return {"serving_graph": None, "provenance": {}}
    group = file[GROUP]
    try:
        format_found, weights_sha256 = int(group.attrs["format"]), group.attrs["weights_sha256"]
        serving_graph = _read_graph(group, SERVING, is_checked=CHECKSUMS[SERVING] in group.attrs)
        contents = {
            "serving_graph": serving_graph,
            "provenance": json.loads(group["provenance"][()]),
            "acceptance_graph": _read_graph(group, ACCEPTANCE) if ACCEPTANCE in group else None,
            "known_digits": _read_known(group[KNOWN]) if KNOWN in group else None,
            "int8": _read_int8(group[INT8], serving_graph) if INT8 in group else None,
            "has_checksum": CHECKSUMS[SERVING] in group.attrs,
        }
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{path}: its group `{GROUP}` is damaged ({error}). {_RETRAIN}") from error
    if format_found != FORMAT:
        raise ArtifactError(
            f"{path}: received artifact format {format_found}, expected {FORMAT}. Use the version that wrote it."
        )
    return {**contents, "is_stale": weights_sha256 != hash_weights(file)}


def _read_graph(group: h5py.Group, name: str, is_checked: bool = True) -> bytes:
    graph = np.asarray(group[name], np.uint8).tobytes()
    if is_checked and group.attrs[CHECKSUMS[name]] != hashlib.sha256(graph).hexdigest():
        raise ValueError(f"the {name.replace('_', ' ')} is not the one that was written")
    return graph


def _read_int8(group: h5py.Group, source: bytes) -> Int8Graphs:
    if group.attrs[SOURCE] != hashlib.sha256(source).hexdigest():
        raise ValueError("the graph for int8 was made from another serving graph")
    return Int8Graphs(
        _read_graph(group, SERVING),
        _read_graph(group, ACCEPTANCE) if ACCEPTANCE in group else None,
        np.asarray(group["probabilities"], np.float32) if "probabilities" in group else None,
    )


def _read_known(group: h5py.Group) -> KnownDigits:
    types = {"images": np.uint8, "labels": np.uint8, "probabilities": np.float32}
    known = KnownDigits(**{name: np.asarray(group[name], kind) for name, kind in types.items()})
    num = len(known.labels)
    if (known.images.shape, known.labels.shape, known.probabilities.shape) != ((num, 28, 28), (num,), (num, 10)):
        raise ValueError("the known digits are not of one number")
    return known


def hash_weights(file: h5py.File) -> str:
    """Return the SHA-256 of a Keras file's weights and their names."""
    digest = hashlib.sha256()

    def add(name: str, item: h5py.Dataset | h5py.Group) -> None:
        if isinstance(item, h5py.Dataset):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(item).tobytes())

    file["model_weights"].visititems(add)
    return digest.hexdigest()


def refuse_outside_data(path: Path, group: h5py.Group, size_bytes: int) -> None:
    """Refuse links and external storage, which could read other files of the machine.

    Raises:
        ArtifactError: If there is any, or more data than the file can hold.
    """
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ArtifactError(f"{path}: received a link to elsewhere at {name!r}, expected everything inside.")
        item = group[name]
        if isinstance(item, h5py.Group):
            refuse_outside_data(path, item, size_bytes)
        elif isinstance(item, h5py.Dataset):
            if item.external or item.is_virtual:
                raise ArtifactError(f"{path}: received data stored elsewhere at {name!r}, expected everything inside.")
            # Keras does not compress, so a dataset larger than its file would only fill the memory.
            if (item.size or 0) * item.dtype.itemsize > size_bytes:
                raise ArtifactError(
                    f"{path}: received {name!r} of shape {item.shape} in a file of {size_bytes:,} bytes, expected "
                    f"uncompressed data. {_RETRAIN}"
                )
