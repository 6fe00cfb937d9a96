"""Writing the .h5: graph and network agree, an earlier file stays whole, a Keras file from elsewhere gets its graph."""

import os
import re
import signal
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from digits.data.dataset import LabelledImages
from digits.data.images import make_batch
from digits.errors import ArtifactError, ServingGraphError
from digits.inference.artifact import read_artifact
from digits.inference.classifier import load_classifier
from digits.inference.onnx_session import open_graph
from digits.training.export import KNOWN_LABELS, export_network, read_known_images, write_artifact
from digits.training.keras_file import load_network
from tests.conftest import ROOT, RunPython
from tests.wordings import wording

if TYPE_CHECKING:
    import keras


def label(path: Path, digits: LabelledImages) -> LabelledImages:
    """Return digits with the labels that a network gives them, every twentieth wrong.

    So a network that is not trained reads 95 % of them, and is the less likely the surer it is of all.
    """
    labels = load_network(path).predict(make_batch(digits.images), verbose=0).argmax(axis=1)
    labels[::20] = (labels[::20] + 1) % 10
    return LabelledImages(digits.images, labels, digits.sha256)


def list_folder(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


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
from digits.training.export import write_artifact

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
        """Gives other answers when it is traced for the third time: after it was built and called, it is exported."""

        num_traces = 0

        def call(self, probabilities: Any) -> Any:
            self.num_traces += 1
            return keras.ops.roll(probabilities, 1, axis=1) if self.num_traces > 2 else probabilities

    pixels = keras.Input((28, 28, 1))
    probabilities = keras.layers.Dense(10, activation="softmax")(keras.layers.Flatten()(pixels))
    network = keras.Model(pixels, Drifting()(probabilities))
    before = artifact_path.read_bytes()
    with pytest.raises(ArtifactError, match=wording("graph_differs", path=artifact_path)):
        write_artifact(artifact_path, network, {}, small_batch[:32])
    assert artifact_path.read_bytes() == before
    assert list_folder(artifact_path.parent) == ["tiny.h5"]


def test_write_artifact_of_a_network_that_onnx_cannot_express(
    artifact_path: Path, small_batch: NDArray[np.float32]
) -> None:
    import keras

    layers = keras.layers
    network = keras.Sequential(
        [keras.Input((28, 28, 1)), layers.Flatten(), layers.Dense(4, "gelu"), layers.Dense(10, "softmax")]
    )
    before = artifact_path.read_bytes()
    with pytest.raises(ArtifactError, match=wording("graph_impossible", path=artifact_path)):
        write_artifact(artifact_path, network, {}, small_batch[:32])
    assert artifact_path.read_bytes() == before


def test_export_network_keeps_provenance_and_weights(
    artifact_path: Path, small_batch: NDArray[np.float32], small_digits: LabelledImages
) -> None:
    before = read_artifact(artifact_path)
    expected = load_classifier(artifact_path).predict(small_batch)
    export_network(artifact_path, None, label(artifact_path, small_digits))
    after = read_artifact(artifact_path)
    assert {**after.provenance, "graph_difference": 0} == {**before.provenance, "graph_difference": 0}
    np.testing.assert_allclose(load_classifier(artifact_path).predict(small_batch), expected, atol=1e-6)


def test_export_network_mends_a_stale_one(
    artifact_path: Path, small_batch: NDArray[np.float32], small_digits: LabelledImages
) -> None:
    with h5py.File(artifact_path, "a") as file:
        file["model_weights"].visititems(lambda _, item: _negate(item) if isinstance(item, h5py.Dataset) else None)
    with pytest.raises(ArtifactError, match=wording("artifact_stale")):
        read_artifact(artifact_path)
    export_network(artifact_path, None, label(artifact_path, small_digits))
    expected = load_network(artifact_path).predict(small_batch, verbose=0)
    np.testing.assert_allclose(load_classifier(artifact_path).predict(small_batch), expected, atol=1e-5)


def test_export_network_keeps_the_rejector(
    artifact_with_rejector: Path, tiny_rejector_graph: bytes, small_digits: LabelledImages
) -> None:
    before = read_artifact(artifact_with_rejector)
    export_network(artifact_with_rejector, None, label(artifact_with_rejector, small_digits))
    after = read_artifact(artifact_with_rejector)
    assert after.acceptance_graph == tiny_rejector_graph
    assert after.provenance["acceptance"] == before.provenance["acceptance"]


def test_export_network_of_changed_weights_keeps_the_rejector_and_measures_the_rest_anew(
    artifact_with_rejector: Path, tiny_rejector_graph: bytes, small_digits: LabelledImages
) -> None:
    with h5py.File(artifact_with_rejector, "a") as file:
        file["model_weights"].visititems(lambda _, item: _negate(item) if isinstance(item, h5py.Dataset) else None)
    export_network(artifact_with_rejector, None, label(artifact_with_rejector, small_digits))
    after = read_artifact(artifact_with_rejector)
    assert after.acceptance_graph == tiny_rejector_graph
    assert sorted(after.provenance) == ["acceptance", "exported", "graph_difference", "metrics", "scored_on"]


def test_export_network_that_can_keep_nothing_says_so(
    artifact_with_rejector: Path, capsys: pytest.CaptureFixture[str], small_digits: LabelledImages
) -> None:
    with h5py.File(artifact_with_rejector, "a") as file:
        del file["digits/provenance"]
    export_network(artifact_with_rejector, None, label(artifact_with_rejector, small_digits))
    assert "Only the network is kept: " in capsys.readouterr().err
    assert read_artifact(artifact_with_rejector).acceptance_graph is None


def _negate(dataset: h5py.Dataset) -> None:
    dataset[...] = -dataset[...]


def remove_configuration(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file.attrs["model_config"]


@pytest.mark.parametrize(
    ("damage", "kind", "parts"),
    [
        (Path.unlink, "artifact_missing", {}),
        (lambda path: path.write_bytes(b""), "artifact_not_whole", {"size": 0}),
        (lambda path: path.write_bytes(path.read_bytes()[:5_000]), "artifact_not_whole", {"size": "5,000"}),
        (remove_configuration, "artifact_without_model", {}),
    ],
    ids=["missing", "empty", "truncated", "no model"],
)
def test_export_network_of_an_unusable_file_is_refused_in_one_line(
    keras_file: Path,
    damage: Callable[[Path], object],
    kind: str,
    parts: dict[str, object],
    small_digits: LabelledImages,
) -> None:
    damage(keras_file)
    with pytest.raises(ArtifactError, match=wording(kind, path=keras_file, **parts)) as caught:
        export_network(keras_file, None, small_digits)
    assert str(caught.value).startswith(f"{keras_file}: ")
    assert "\n" not in str(caught.value)


def write_csv(path: Path, digits: LabelledImages) -> Path:
    rows = np.column_stack([digits.labels, digits.images.reshape(len(digits), -1)])
    header = ",".join(["label", *(f"pixel{index}" for index in range(784))])
    np.savetxt(path, rows, "%d", ",", header=header, comments="")
    return path


@pytest.mark.parametrize("command", [("digits.training.export",), ("digits", "export")])
def test_export_command_gives_a_keras_file_the_graph_that_serving_needs(
    keras_file: Path,
    tiny_network: "keras.Model",
    small_digits: LabelledImages,
    run_command: RunPython,
    tmp_path: Path,
    command: tuple[str, ...],
) -> None:
    with pytest.raises(ServingGraphError):
        load_classifier(keras_file)
    digits = write_csv(tmp_path / "digits.csv", label(keras_file, small_digits))
    exported = run_command(*command, keras_file, "--digits", digits)
    assert exported.returncode == 0, exported.stderr
    assert f"{keras_file} reads 95.0% of 200 digits; pixels 0 to 1." in exported.stdout
    batch = make_batch(small_digits.images)
    expected = tiny_network.predict(batch, verbose=0)
    np.testing.assert_allclose(load_classifier(keras_file).predict(batch), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["out.onnx", "out.tflite"])
def test_export_network_for_other_runtimes_answers_as_the_network(
    keras_file: Path, small_digits: LabelledImages, tmp_path: Path, name: str
) -> None:
    """A runtime of its own reads what was written, with a batch of another size."""
    written, _ = export_network(keras_file, tmp_path / name, label(keras_file, small_digits))
    batch = make_batch(small_digits.images[:7])
    expected = load_network(keras_file).predict(batch, verbose=0)
    np.testing.assert_allclose(RUNTIMES[written.suffix](written, batch), expected, atol=1e-5)


def run_onnx(path: Path, batch: NDArray[np.float32]) -> NDArray[np.float32]:
    return open_graph(path.read_bytes())(batch)


def run_litert(path: Path, batch: NDArray[np.float32]) -> NDArray[np.float32]:
    import tensorflow as tf

    read = tf.lite.Interpreter(str(path)).get_signature_runner()
    (name,) = read.get_input_details()
    answers: NDArray[np.float32] = read(**{name: batch})["output_0"]
    return answers


RUNTIMES = {".onnx": run_onnx, ".tflite": run_litert}


def test_export_network_names_the_tensors_as_the_guide_does(
    keras_file: Path, small_digits: LabelledImages, tmp_path: Path
) -> None:
    import onnxruntime

    written, _ = export_network(keras_file, tmp_path / "out.onnx", label(keras_file, small_digits))
    session = onnxruntime.InferenceSession(written)
    names = [(tensor.name, tensor.shape) for tensor in (*session.get_inputs(), *session.get_outputs())]
    assert names == [("pixels", ["n", 28, 28, 1]), ("probabilities", ["n", 10])]
    guide = (ROOT / "docs/other-runtimes.md").read_text()
    assert re.findall(r'name: "(\w+)"\s+data_type: TYPE_FP32\s+dims: \[([\d, ]+)\]', guide) == [
        ("pixels", "28, 28, 1"),
        ("probabilities", "10"),
    ]


def test_export_network_to_an_unknown_ending_is_refused(
    keras_file: Path, small_digits: LabelledImages, tmp_path: Path
) -> None:
    with pytest.raises(ArtifactError, match=wording("output_ending", ending="'.pb'")):
        export_network(keras_file, tmp_path / "out.pb", small_digits)


def test_export_network_replaces_no_file_that_was_not_named(
    keras_file: Path, tiny_network: "keras.Model", small_digits: LabelledImages
) -> None:
    other = keras_file.with_suffix(".keras")
    tiny_network.save(other)
    before = keras_file.read_bytes()
    with pytest.raises(ArtifactError, match=wording("output_is_there", path=keras_file)):
        export_network(other, None, small_digits)
    assert keras_file.read_bytes() == before
    written, _ = export_network(other, keras_file, label(keras_file, small_digits))
    assert load_classifier(written).artifact.provenance["exported"]["file"] == "elsewhere.keras"


def test_export_command_adds_checks_to_an_old_file_and_leaves_the_rest_as_it_is(
    artifact_with_rejector: Path, run_command: RunPython
) -> None:
    path = artifact_with_rejector
    with h5py.File(path, "a") as file:
        del file["digits"].attrs["serving_sha256"], file["digits/known_digits"]
    before = read_artifact(path)
    exported = run_command("digits.training.export", path)
    assert exported.returncode == 0, exported.stderr
    after = read_artifact(path)
    assert (before.has_checksum, after.has_checksum) == (False, True)
    assert after.known_digits is not None
    assert (after.serving_graph, after.acceptance_graph, after.provenance) == (
        before.serving_graph,
        before.acceptance_graph,
        before.provenance,
    )
    assert list_folder(path.parent) == [path.name]


def test_known_images_are_two_of_each_label_that_the_shipped_model_reads() -> None:
    probabilities = load_classifier(ROOT / "models" / "digits.h5").predict(make_batch(read_known_images()))
    assert probabilities.argmax(axis=1).tolist() == KNOWN_LABELS.tolist() == [*range(10)] * 2


def test_write_artifact_is_loaded_where_no_package_of_training_can_be_imported(
    shared_artifact: Path, run_as_served: RunPython
) -> None:
    load = f"load_classifier(Path({str(shared_artifact)!r}))"
    served = run_as_served(f"from pathlib import Path\nfrom digits.inference.classifier import load_classifier\n{load}")
    assert served.returncode == 0, served.stderr


def test_export_command_on_a_missing_file_ends_in_one_line(tmp_path: Path, run_command: RunPython) -> None:
    ended = run_command("digits.training.export", tmp_path / "absent.h5")
    assert ended.returncode == 1
    assert re.fullmatch("error: " + wording("artifact_missing", path=tmp_path / "absent.h5"), ended.stderr.rstrip("\n"))
