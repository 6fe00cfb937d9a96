import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from digits.data.dataset import LabelledImages
from digits.data.images import make_batch
from digits.errors import ArtifactError
from digits.inference.artifact import read_artifact
from digits.inference.classifier import load_classifier
from digits.inference.line_reader import load_line_reader
from digits.inference.precision import choose_precision, has_int8_arithmetic
from digits.training import int8
from digits.training.export import add_checks, export_graph, write_artifact
from digits.training.int8 import add_int8
from tests.conftest import ROOT, RunPython
from tests.wordings import wording

if TYPE_CHECKING:
    import keras

SHIPPED = ROOT / "models" / "digits.h5"


@pytest.fixture(scope="module")
def built() -> "keras.Model":
    """The classifier as it is before training."""
    import keras

    from digits.networks.classifier import build_network

    keras.utils.set_random_seed(1)
    return build_network()


@pytest.fixture
def path(built: "keras.Model", small_batch: NDArray[np.float32], tmp_path: Path) -> Path:
    import keras

    path = tmp_path / "digits.h5"
    provenance = {"config": {}, "acceptance": {"thresholds": {"acceptance": 0.1, "confidence": 0.5}}}
    rejector, _ = export_graph(keras.Model(built.input, built.output[:, :1]), small_batch)
    write_artifact(path, built, provenance, small_batch, rejector)
    return path


def test_add_int8_writes_graphs_that_answer_nearly_alike(
    path: Path, small_digits: LabelledImages, small_batch: NDArray[np.float32]
) -> None:
    before = read_artifact(path)
    add_int8(path, small_digits)
    after = read_artifact(path)
    assert (after.serving_graph, after.acceptance_graph) == (before.serving_graph, before.acceptance_graph)
    assert after.int8 is not None
    assert after.int8.acceptance_graph is not None
    fp32, found = (load_classifier(path, precision=precision) for precision in ("fp32", "int8"))
    assert (fp32.precision, found.precision) == ("fp32", "int8")
    difference = np.abs(fp32.predict(small_batch) - found.predict(small_batch)).max()
    assert 0 < difference < 0.05
    assert [path.name] == [one.name for one in path.parent.iterdir()]


def test_add_int8_tells_what_it_changes(path: Path, small_digits: LabelledImages) -> None:
    before = read_artifact(path).provenance
    sentence = add_int8(path, small_digits)
    after = read_artifact(path).provenance
    found = after["int8"]
    assert after == {**before, "int8": found}
    assert found["num_answers"] == len(small_digits)
    assert abs(found["right_in_fp32"] - found["right_in_int8"]) <= found["answers_changed"]
    assert 0 < found["largest_difference"] < 0.05
    likelihoods = found["negative_log_likelihood"]
    assert likelihoods["fp32"] == pytest.approx(likelihoods["int8"], abs=0.05)
    assert sentence.startswith(f"{path}: the graph for int8 reads {found['right_in_int8']} of 200 right where")


def test_add_int8_twice_writes_the_same(path: Path, small_digits: LabelledImages) -> None:
    add_int8(path, small_digits)
    once = read_artifact(path)
    add_int8(path, small_digits)
    twice = read_artifact(path)
    assert twice.provenance == once.provenance
    assert (twice.int8 and twice.int8.serving_graph) == (once.int8 and once.int8.serving_graph)


def test_add_int8_that_would_read_worse_leaves_floats_alone(
    path: Path, small_digits: LabelledImages, small_batch: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The graph for int8 is another network, and the labels are what the first one reads."""
    add_int8(path, small_digits)
    labels = load_classifier(path, precision="fp32").predict(small_batch).argmax(axis=1)
    quantise = int8.quantise_graph

    def quantise_badly(graph: bytes, calibration: NDArray[np.float32], *more: Any) -> bytes | None:
        return quantise(graph, calibration * 1e-3, *more)  # All activations beyond a thousandth are cut off.

    monkeypatch.setattr(int8, "quantise_graph", quantise_badly)
    sentence = add_int8(path, LabelledImages(small_digits.images, labels, small_digits.sha256))
    artifact = read_artifact(path)
    assert "no graph for int8, which would read" in sentence
    assert artifact.int8 is None
    assert artifact.provenance["int8"]["is_worse"] is True
    assert load_classifier(path, precision="int8").precision == "fp32"


def test_add_checks_removes_a_graph_for_int8_of_another_serving_graph(
    path: Path, small_digits: LabelledImages, shared_artifact: Path
) -> None:
    add_int8(path, small_digits)
    other = read_artifact(shared_artifact).serving_graph
    with h5py.File(path, "a") as file:
        group = file["digits"]
        del group["serving_graph"], group.attrs["serving_sha256"]
        group["serving_graph"] = np.frombuffer(other or b"", np.uint8)
    with pytest.raises(ArtifactError, match=wording("artifact_group_damaged", path=path)):
        read_artifact(path)
    add_checks(path)
    assert read_artifact(path).int8 is None


def test_read_artifact_with_a_damaged_graph_for_int8_is_refused(path: Path, small_digits: LabelledImages) -> None:
    add_int8(path, small_digits)
    with h5py.File(path, "a") as file:
        graph = file["digits/int8/serving_graph"]
        graph[100] ^= 1
    with pytest.raises(ArtifactError, match=wording("artifact_group_damaged", path=path)):
        read_artifact(path)


def test_export_command_gives_a_trained_file_its_graph_for_int8(
    path: Path, small_csv: Path, run_command: RunPython
) -> None:
    exported = run_command("digits.training.export", path, "--training-digits", small_csv)
    assert exported.returncode == 0, exported.stderr
    assert "the graph for int8 reads" in exported.stderr
    assert read_artifact(path).int8 is not None


def test_export_command_without_training_digits_says_so(path: Path, run_command: RunPython) -> None:
    exported = run_command("digits.training.export", path, "--training-digits", path.with_name("absent.csv"))
    assert exported.returncode == 0, exported.stderr
    assert f"no graph for int8 was made, which needs {path.with_name('absent.csv')}" in exported.stderr
    assert read_artifact(path).int8 is None


def test_shipped_graphs_for_int8_read_the_known_digits_as_their_file_says() -> None:
    artifact = read_artifact(SHIPPED)
    assert artifact.known_digits is not None
    assert artifact.int8 is not None
    assert artifact.int8.known_probabilities is not None
    if not has_int8_arithmetic():
        pytest.skip("this processor saturates")
    probabilities = load_classifier(SHIPPED, precision="int8").predict(make_batch(artifact.known_digits.images))
    np.testing.assert_allclose(probabilities, artifact.int8.known_probabilities, atol=1e-3)
    assert choose_precision(artifact, "auto") == "int8"


# A made-up line has three or four digits on average, each of which may change it.
@pytest.mark.parametrize(("name", "most"), [("digits.h5", 0.01), ("lines.h5", 0.03)])
def test_shipped_graphs_for_int8_change_few_answers(name: str, most: float) -> None:
    found: Mapping[str, Any] = json.loads(json.dumps(read_artifact(ROOT / "models" / name).provenance["int8"]))
    assert not found["is_worse"]
    assert found["answers_changed"] < most * found["num_answers"]


def test_load_line_reader_takes_the_graph_that_is_named() -> None:
    path = ROOT / "models" / "lines.h5"
    assert [load_line_reader(path, precision=one).precision for one in ("fp32", "int8")] == ["fp32", "int8"]
