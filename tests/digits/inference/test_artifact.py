import hashlib
import json
import os
import signal
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from digits.errors import ArtifactError
from digits.inference.artifact import read_artifact
from digits.training.export import write_artifact

if TYPE_CHECKING:
    import keras


def list_folder(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_read_artifact_gives_back_what_was_written(shared_artifact: Path, tiny_provenance: Mapping[str, Any]) -> None:
    artifact = read_artifact(shared_artifact)
    difference = artifact.provenance["graph_difference"]
    assert artifact.provenance == {**tiny_provenance, "graph_difference": difference}
    assert 0 <= difference <= 1e-5
    assert artifact.serving_graph
    assert artifact.sha256 == hashlib.sha256(shared_artifact.read_bytes()).hexdigest()
    assert artifact.version == artifact.sha256[:12]


def test_read_artifact_gives_back_the_acceptance_graph(judging_artifact: Path, tiny_graph: bytes) -> None:
    assert read_artifact(judging_artifact).acceptance_graph == tiny_graph


def test_read_artifact_without_an_acceptance_graph(shared_artifact: Path) -> None:
    assert read_artifact(shared_artifact).acceptance_graph is None


def _swap_acceptance(file: h5py.File) -> None:
    del file["digits/acceptance_graph"]
    file["digits/acceptance_graph"] = np.frombuffer(b"another graph", np.uint8)


@pytest.mark.parametrize("edit", [_swap_acceptance, lambda file: file["digits"].attrs.__delitem__("acceptance_sha256")])
def test_read_artifact_acceptance_graph_that_is_not_the_one_written(
    judging_artifact: Path, edit: Callable[[h5py.File], object]
) -> None:
    with pytest.raises(ArtifactError, match="its group `digits` is damaged"):
        read_artifact(edit_file(judging_artifact, edit))


def test_write_artifact_keras_loads_it_without_custom_objects(
    shared_artifact: Path, tiny_network: "keras.Model", small_batch: NDArray[np.float32]
) -> None:
    import keras

    network = keras.saving.load_model(shared_artifact)
    expected = tiny_network.predict(small_batch, verbose=0)
    np.testing.assert_allclose(network.predict(small_batch, verbose=0), expected, atol=1e-6)


def test_write_artifact_leaves_nothing_beside_it(shared_artifact: Path) -> None:
    assert list_folder(shared_artifact.parent) == ["tiny.h5"]


def test_write_artifact_makes_the_folder_and_a_file_that_others_may_read(
    tiny_network: "keras.Model", small_batch: NDArray[np.float32], tmp_path: Path
) -> None:
    path = tmp_path / "new" / "folder" / "model.h5"
    write_artifact(path, tiny_network, {}, small_batch)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~_read_umask()


def _read_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("provenance", [{"path": Path("x")}, {"array": np.zeros(2)}])
def test_write_artifact_that_fails_leaves_the_earlier_file_whole(
    artifact_path: Path, tiny_network: "keras.Model", small_batch: NDArray[np.float32], provenance: Mapping[str, Any]
) -> None:
    before = artifact_path.read_bytes()
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_artifact(artifact_path, tiny_network, provenance, small_batch)
    assert artifact_path.read_bytes() == before
    assert list_folder(artifact_path.parent) == ["tiny.h5"]


def test_write_artifact_killed_leaves_the_earlier_file_whole(
    artifact_path: Path, run_python: Callable[..., Any]
) -> None:
    """The provenance is written last; this one kills the process while it is being formatted."""
    before = artifact_path.read_bytes()
    code = f"""
import os, signal
from pathlib import Path
import keras, numpy as np
from digits.inference.artifact import write_artifact

class Killer:
    def keys(self):
        os.kill(os.getpid(), signal.SIGKILL)

pixels = keras.Input((28, 28, 1))
network = keras.Model(pixels, keras.layers.Dense(10, activation="softmax")(keras.layers.Flatten()(pixels)))
write_artifact(Path({str(artifact_path)!r}), network, Killer(), np.zeros((1, 28, 28, 1), np.float32))
"""
    assert run_python("-c", code).returncode == -signal.SIGKILL
    assert artifact_path.read_bytes() == before
    read_artifact(artifact_path)


def test_write_artifact_graph_that_differs_is_refused(artifact_path: Path, small_batch: NDArray[np.float32]) -> None:
    import keras

    class Drifting(keras.layers.Layer):
        """Answers otherwise when it is traced for the third time: built, asked, exported."""

        num_traces = 0

        def call(self, probabilities: Any) -> Any:
            self.num_traces += 1
            return keras.ops.roll(probabilities, 1, axis=1) if self.num_traces > 2 else probabilities

    pixels = keras.Input((28, 28, 1))
    probabilities = keras.layers.Dense(10, activation="softmax")(keras.layers.Flatten()(pixels))
    network = keras.Model(pixels, Drifting()(probabilities))
    before = artifact_path.read_bytes()
    with pytest.raises(ArtifactError, match=r"probabilities differ from the network's by .* nothing was written"):
        write_artifact(artifact_path, network, {}, small_batch[:32])
    assert artifact_path.read_bytes() == before
    assert list_folder(artifact_path.parent) == ["tiny.h5"]


def test_read_artifact_keras_file_from_elsewhere(tiny_network: "keras.Model", tmp_path: Path) -> None:
    tiny_network.save(tmp_path / "elsewhere.h5")
    artifact = read_artifact(tmp_path / "elsewhere.h5")
    assert artifact.serving_graph is None
    assert artifact.provenance == {}


def test_read_artifact_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"absent\.h5: no such file\. Train one with `make run_train`"):
        read_artifact(tmp_path / "absent.h5")


def test_read_artifact_folder(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no such file"):
        read_artifact(tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_read_artifact_truncated(artifact_path: Path, share: float) -> None:
    content = artifact_path.read_bytes()
    artifact_path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ArtifactError, match=r"bytes that are not a whole Keras \.h5 .* Train one with"):
        read_artifact(artifact_path)


def test_read_artifact_random_bytes(tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(np.random.default_rng(0).bytes(5_000))
    with pytest.raises(ArtifactError, match=r"received 5,000 bytes that are not a whole Keras \.h5"):
        read_artifact(path)


@pytest.mark.parametrize("seed", range(40))
def test_read_artifact_damaged_bytes_never_raise_anything_else(artifact_path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    content = np.frombuffer(artifact_path.read_bytes(), np.uint8).copy()
    start = random.integers(len(content) - 64)
    content[start : start + 64] = random.integers(0, 256, 64)
    artifact_path.write_bytes(content.tobytes())
    try:
        read_artifact(artifact_path)
    except ArtifactError as error:
        assert str(artifact_path) in str(error)  # noqa: PT017  # some damage goes unnoticed, and may


def edit_file(path: Path, edit: Callable[[h5py.File], object]) -> Path:
    with h5py.File(path, "a") as file:
        edit(file)
    return path


def replace_data(name: str, value: object) -> Callable[[h5py.File], None]:
    def replace(file: h5py.File) -> None:
        del file[name]
        file[name] = value

    return replace


def add_one(file: h5py.File) -> None:
    for dataset in _list_datasets(file["model_weights"])[-1:]:
        dataset[...] += 1


def _list_datasets(group: h5py.Group) -> list[h5py.Dataset]:
    found: list[h5py.Dataset] = []
    group.visititems(lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
    return found


def change_format(file: h5py.File) -> None:
    file["digits"].attrs["format"] = 2


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda file: file.attrs.__delitem__("model_config"), "an HDF5 file without a Keras model"),
        (lambda file: file.__delitem__("model_weights"), "an HDF5 file without a Keras model"),
        (replace_data("model_weights", np.zeros(3)), "an HDF5 file without a Keras model"),
        (lambda file: file["digits"].__delitem__("serving_graph"), "its group `digits` is damaged"),
        (lambda file: file["digits"].__delitem__("provenance"), "its group `digits` is damaged"),
        (lambda file: file["digits"].attrs.__delitem__("format"), "its group `digits` is damaged"),
        (lambda file: file["digits"].attrs.__delitem__("weights_sha256"), "its group `digits` is damaged"),
        (replace_data("digits/provenance", "{not JSON"), "its group `digits` is damaged"),
        (replace_data("digits/serving_graph", "text"), "its group `digits` is damaged"),
        (replace_data("digits", np.zeros(3)), "its group `digits` is damaged"),
        (change_format, "received artifact format 2, expected 1. Use the version that wrote it"),
        (add_one, r"weights changed after .* Make it anew: `python -m digits\.serving_graph "),
        (
            lambda file: file.create_dataset("huge", (2**40,), "u1", chunks=(2**20,)),
            r"received 'huge' of shape \(1099511627776,\) in a file of [0-9,]+ bytes",
        ),
        (lambda file: file["model_weights"].__setitem__("loop", file["/"]), r"not a whole Keras \.h5 \(maximum rec"),
    ],
)
def test_read_artifact_damaged(artifact_path: Path, edit: Callable[[h5py.File], object], message: str) -> None:
    edit_file(artifact_path, edit)
    with pytest.raises(ArtifactError, match=message):
        read_artifact(artifact_path)


@pytest.mark.parametrize("edit", [lambda file: file.__setitem__("type", np.dtype("f4"))])
def test_read_artifact_harmless_addition(artifact_path: Path, edit: Callable[[h5py.File], object]) -> None:
    assert read_artifact(edit_file(artifact_path, edit)).serving_graph


def test_read_artifact_empty_dataset_is_harmless(artifact_path: Path) -> None:
    edit_file(artifact_path, lambda file: file.create_dataset("empty", data=h5py.Empty("f4")))
    assert read_artifact(artifact_path).serving_graph


def make_virtual_dataset(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "secret", (4,))
    file.create_virtual_dataset("model_weights/stolen", layout)


@pytest.mark.parametrize(
    "edit",
    [
        lambda file: file.__setitem__("stolen", h5py.ExternalLink("other.h5", "/secret")),
        lambda file: file.__setitem__("stolen", h5py.SoftLink("/model_weights")),
        lambda file: file["model_weights"].__setitem__("stolen", h5py.ExternalLink("other.h5", "/secret")),
        lambda file: file.create_dataset("stolen", (4,), "u1", external=[("secret.bin", 0, 4)]),
        make_virtual_dataset,
    ],
    ids=["external link", "soft link", "external link below", "external storage", "virtual dataset"],
)
def test_read_artifact_data_elsewhere(
    artifact_path: Path, monkeypatch: pytest.MonkeyPatch, edit: Callable[[h5py.File], object]
) -> None:
    monkeypatch.chdir(artifact_path.parent)
    Path("secret.bin").write_bytes(b"1234")
    with h5py.File("other.h5", "w") as other:
        other["secret"] = np.ones(4, np.float32)
    edit_file(artifact_path, edit)
    with pytest.raises(ArtifactError, match=r"elsewhere at '(stolen|.*stolen)', expected everything inside"):
        read_artifact(artifact_path)


def test_read_artifact_provenance_is_json(shared_artifact: Path) -> None:
    with h5py.File(shared_artifact, "r") as file:
        assert json.loads(file["digits/provenance"][()])["note"] == "ünïcode"
