"""Reading the .h5: what it holds, and that a file which is broken, foreign or unsafe is refused and runs nothing."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from digits.data.images import make_batch
from digits.errors import ArtifactError
from digits.inference.artifact import read_artifact
from tests.wordings import wording

if TYPE_CHECKING:
    import keras


def test_read_artifact_gives_back_what_was_written(shared_artifact: Path, tiny_provenance: Mapping[str, Any]) -> None:
    artifact = read_artifact(shared_artifact)
    difference = artifact.provenance["graph_difference"]
    assert artifact.provenance == {**tiny_provenance, "graph_difference": difference}
    assert 0 <= difference <= 1e-5
    assert artifact.serving_graph
    assert artifact.sha256 == hashlib.sha256(shared_artifact.read_bytes()).hexdigest()
    assert artifact.version == artifact.sha256[:12]


def test_read_artifact_gives_back_the_rejectors_graph(artifact_with_rejector: Path, tiny_rejector_graph: bytes) -> None:
    assert read_artifact(artifact_with_rejector).acceptance_graph == tiny_rejector_graph


def test_read_artifact_without_a_rejector(shared_artifact: Path) -> None:
    assert read_artifact(shared_artifact).acceptance_graph is None


def _swap_rejector(file: h5py.File) -> None:
    del file["digits/acceptance_graph"]
    file["digits/acceptance_graph"] = np.frombuffer(b"another graph", np.uint8)


@pytest.mark.parametrize("edit", [_swap_rejector, lambda file: file["digits"].attrs.__delitem__("acceptance_sha256")])
def test_read_artifact_with_another_rejector_than_was_written(
    artifact_with_rejector: Path, edit: Callable[[h5py.File], object]
) -> None:
    with pytest.raises(ArtifactError, match=wording("artifact_group_damaged", path=artifact_with_rejector)):
        read_artifact(edit_file(artifact_with_rejector, edit))


def test_read_artifact_with_any_flipped_bit_in_its_serving_graph_is_refused(artifact_path: Path) -> None:
    with h5py.File(artifact_path) as file:
        graph = file["digits/serving_graph"]
        start, size = graph.id.get_offset(), graph.size
    content = artifact_path.read_bytes()
    for number in range(40):
        damaged = bytearray(content)
        damaged[start + number * size // 40] ^= 1 << number % 8
        artifact_path.write_bytes(damaged)
        with pytest.raises(ArtifactError, match=wording("artifact_group_damaged", path=artifact_path)):
            read_artifact(artifact_path)


def test_read_artifact_has_two_known_digits_of_each_label(shared_artifact: Path, tiny_network: "keras.Model") -> None:
    artifact = read_artifact(shared_artifact)
    known = artifact.known_digits
    assert artifact.has_checksum
    assert known is not None
    assert np.bincount(known.labels).tolist() == [2] * 10
    expected = tiny_network.predict(make_batch(known.images), verbose=0)
    np.testing.assert_allclose(known.probabilities, expected, atol=1e-5)


def test_read_artifact_without_a_checksum_is_read_and_says_so(artifact_path: Path) -> None:
    def remove_checks(file: h5py.File) -> None:
        del file["digits"].attrs["serving_sha256"], file["digits/known_digits"]

    artifact = read_artifact(edit_file(artifact_path, remove_checks))
    assert artifact.serving_graph
    assert (artifact.has_checksum, artifact.known_digits) == (False, None)


def _shorten_labels(file: h5py.File) -> None:
    labels = file["digits/known_digits/labels"][:5]
    del file["digits/known_digits/labels"]
    file["digits/known_digits/labels"] = labels


@pytest.mark.parametrize("edit", [_shorten_labels, lambda file: file["digits/known_digits"].__delitem__("images")])
def test_read_artifact_with_damaged_known_digits(artifact_path: Path, edit: Callable[[h5py.File], object]) -> None:
    with pytest.raises(ArtifactError, match=wording("artifact_group_damaged", path=artifact_path)):
        read_artifact(edit_file(artifact_path, edit))


def test_read_artifact_keras_file_from_elsewhere(tiny_network: "keras.Model", tmp_path: Path) -> None:
    tiny_network.save(tmp_path / "elsewhere.h5")
    artifact = read_artifact(tmp_path / "elsewhere.h5")
    assert artifact.serving_graph is None
    assert artifact.provenance == {}


def test_read_artifact_no_such_file(tmp_path: Path) -> None:
    path = tmp_path / "absent.h5"
    with pytest.raises(ArtifactError, match=wording("artifact_missing", path=path)):
        read_artifact(path)


def test_read_artifact_folder(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=wording("artifact_missing", path=tmp_path)):
        read_artifact(tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_read_artifact_truncated(artifact_path: Path, share: float) -> None:
    content = artifact_path.read_bytes()
    kept = content[: int(share * len(content))]
    artifact_path.write_bytes(kept)
    with pytest.raises(ArtifactError, match=wording("artifact_not_whole", path=artifact_path, size=f"{len(kept):,}")):
        read_artifact(artifact_path)


def test_read_artifact_random_bytes(tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(np.random.default_rng(0).bytes(5_000))
    with pytest.raises(ArtifactError, match=wording("artifact_not_whole", path=path, size="5,000")):
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
    ("edit", "kind", "parts"),
    [
        (lambda file: file.attrs.__delitem__("model_config"), "artifact_without_model", {}),
        (lambda file: file.__delitem__("model_weights"), "artifact_without_model", {}),
        (replace_data("model_weights", np.zeros(3)), "artifact_without_model", {}),
        (lambda file: file["digits"].__delitem__("serving_graph"), "artifact_group_damaged", {}),
        (lambda file: file["digits"].__delitem__("provenance"), "artifact_group_damaged", {}),
        (lambda file: file["digits"].attrs.__delitem__("format"), "artifact_group_damaged", {}),
        (lambda file: file["digits"].attrs.__delitem__("weights_sha256"), "artifact_group_damaged", {}),
        (replace_data("digits/provenance", "{not JSON"), "artifact_group_damaged", {}),
        (replace_data("digits/serving_graph", "text"), "artifact_group_damaged", {}),
        (replace_data("digits", np.zeros(3)), "artifact_group_damaged", {}),
        (change_format, "artifact_format", {"format": 2}),
        (add_one, "artifact_stale", {}),
        (
            lambda file: file.create_dataset("huge", (2**40,), "u1", chunks=(2**20,)),
            "artifact_too_large",
            {"name": "'huge'", "shape": "(1099511627776,)"},
        ),
        (
            lambda file: file["model_weights"].__setitem__("loop", file["/"]),
            "artifact_not_whole",
            {"error": re.compile("maximum recursion.*")},
        ),
    ],
)
def test_read_artifact_damaged(
    artifact_path: Path, edit: Callable[[h5py.File], object], kind: str, parts: dict[str, object]
) -> None:
    edit_file(artifact_path, edit)
    with pytest.raises(ArtifactError, match=wording(kind, path=artifact_path, **parts)):
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
    ("edit", "kind"),
    [
        (lambda file: file.__setitem__("stolen", h5py.ExternalLink("other.h5", "/secret")), "artifact_link"),
        (lambda file: file.__setitem__("stolen", h5py.SoftLink("/model_weights")), "artifact_link"),
        (
            lambda file: file["model_weights"].__setitem__("stolen", h5py.ExternalLink("other.h5", "/secret")),
            "artifact_link",
        ),
        (
            lambda file: file.create_dataset("stolen", (4,), "u1", external=[("secret.bin", 0, 4)]),
            "artifact_data_elsewhere",
        ),
        (make_virtual_dataset, "artifact_data_elsewhere"),
    ],
    ids=["external link", "soft link", "external link below", "external storage", "virtual dataset"],
)
def test_read_artifact_data_elsewhere(
    artifact_path: Path, monkeypatch: pytest.MonkeyPatch, edit: Callable[[h5py.File], object], kind: str
) -> None:
    monkeypatch.chdir(artifact_path.parent)
    Path("secret.bin").write_bytes(b"1234")
    with h5py.File("other.h5", "w") as other:
        other["secret"] = np.ones(4, np.float32)
    edit_file(artifact_path, edit)
    with pytest.raises(ArtifactError, match=wording(kind, path=artifact_path, name=re.compile("'.*stolen'"))):
        read_artifact(artifact_path)


def test_read_artifact_provenance_is_json(shared_artifact: Path) -> None:
    with h5py.File(shared_artifact, "r") as file:
        assert json.loads(file["digits/provenance"][()])["note"] == "ünïcode"
