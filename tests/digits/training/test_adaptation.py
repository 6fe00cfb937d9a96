"""Networks from elsewhere: the form of their pixels is found by reading digits, and computed inside of them."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from digits.data.dataset import LabelledImages, read_labelled_images
from digits.data.images import make_batch
from digits.errors import ArtifactError
from digits.inference.artifact import read_artifact
from digits.inference.classifier import load_classifier
from digits.training.adaptation import FORMS
from digits.training.export import export_network
from tests.conftest import ROOT
from tests.wordings import wording

if TYPE_CHECKING:
    import keras


@pytest.fixture(scope="module")
def digits() -> LabelledImages:
    return read_labelled_images(ROOT / "data" / "test.csv.gz")


@pytest.fixture(scope="module")
def weights(digits: LabelledImages) -> list[NDArray[np.float32]]:
    """The weights of a small network, trained on pixels of 0 to 1 of other digits than those that are read."""
    import keras

    keras.utils.set_random_seed(1)
    layers = [keras.layers.Flatten(), keras.layers.Dense(48, "relu"), keras.layers.Dense(10, "softmax")]
    network = keras.Sequential([keras.Input((28, 28, 1)), *layers])
    network.compile("adam", "sparse_categorical_crossentropy")
    others = digits.take(slice(1_000, None))
    network.fit(make_batch(others.images), others.labels, batch_size=50, epochs=4, verbose=0)
    found: list[NDArray[np.float32]] = network.get_weights()
    return found


Build = Callable[[str, tuple[int, ...], bool], "keras.Model"]


@pytest.fixture
def build(weights: list[NDArray[np.float32]]) -> Build:
    """Build the network that has learnt the same from another form of pixels."""

    def transform(form_name: str, shape: tuple[int, ...], has_softmax: bool) -> "keras.Model":
        import keras

        (form,) = (one for one in FORMS if one.name == form_name)
        layers = keras.layers
        head = layers.Dense(10, "softmax" if has_softmax else None)
        network = keras.Sequential([keras.Input(shape), layers.Flatten(), layers.Dense(48, "relu"), head])
        kernel, bias, *rest = weights
        network.set_weights([kernel / form.scale, bias - form.offset / form.scale * kernel.sum(axis=0), *rest])
        return network

    return transform


@pytest.mark.parametrize(
    ("name", "form_name", "shape", "has_softmax"),
    [
        ("theirs.h5", "0 to 1", (28, 28, 1), True),
        ("theirs.keras", "0 to 255", (784,), True),
        ("theirs.keras", "0 to 255, dark ink", (28, 28), False),
        ("theirs.h5", "standardised by MNIST's mean", (28, 28), False),
        ("theirs.keras", "-1 to 1", (28, 28, 1), False),
        ("theirs.h5", "0 to 1, dark ink", (784,), True),
    ],
)
def test_export_finds_the_form_of_the_pixels_and_folds_it_in(
    build: Build,
    digits: LabelledImages,
    tmp_path: Path,
    name: str,
    form_name: str,
    shape: tuple[int, ...],
    has_softmax: bool,
) -> None:
    network = build(form_name, shape, has_softmax)
    network.save(tmp_path / name)
    output, found = export_network(tmp_path / name, None, digits)
    assert (output.name, found.pixels, found.input_shape) == ("theirs.h5", form_name, shape)
    assert found.outputs == ("probabilities" if has_softmax else "logits")
    classifier = load_classifier(output)
    digits = digits.take(slice(1_000))
    probabilities = classifier.predict(make_batch(digits.images))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (probabilities.argmax(axis=1) == digits.labels).mean() == pytest.approx(found.accuracy, abs=0.002)
    assert classifier.artifact.provenance["metrics"]["accuracy"] == pytest.approx(found.accuracy, abs=0.002)


def test_export_of_what_was_exported_changes_nothing_more(build: Build, digits: LabelledImages, tmp_path: Path) -> None:
    build("0 to 255", (784,), False).save(tmp_path / "theirs.h5")
    once, _ = export_network(tmp_path / "theirs.h5", None, digits)
    expected = load_classifier(once).predict(make_batch(digits.images))
    twice, found = export_network(once, None, digits)
    assert (found.pixels, found.outputs) == ("0 to 1", "probabilities")
    np.testing.assert_allclose(load_classifier(twice).predict(make_batch(digits.images)), expected, atol=1e-6)
    assert read_artifact(twice).provenance["exported"]["pixels"] == "0 to 255"


def save_dense(path: Path, shape: tuple[int, ...], num_outputs: int, activation: str | None) -> Path:
    import keras

    keras.utils.set_random_seed(0)
    layers = [keras.layers.Flatten(), keras.layers.Dense(num_outputs, activation)]
    keras.Sequential([keras.Input(shape), *layers]).save(path)
    return path


def test_export_of_a_network_that_reads_no_digits_names_what_was_tried(digits: LabelledImages, tmp_path: Path) -> None:
    path = save_dense(tmp_path / "theirs.keras", (28, 28, 1), 10, "softmax")
    with pytest.raises(ArtifactError, match=wording("network_misreads", num="1,000")) as caught:
        export_network(path, None, digits)
    assert all(f"{form.name}: " in str(caught.value) for form in FORMS)
    assert not path.with_suffix(".h5").exists()


@pytest.mark.parametrize(("shape", "num_outputs"), [((28, 28, 3), 10), ((32, 32, 1), 10), ((28, 28, 1), 26)])
def test_export_of_a_network_of_another_shape_is_refused(
    digits: LabelledImages, tmp_path: Path, shape: tuple[int, ...], num_outputs: int
) -> None:
    path = save_dense(tmp_path / "theirs.keras", shape, num_outputs, None)
    with pytest.raises(ArtifactError, match=wording("network_shape", path=path)):
        export_network(path, None, digits)


def test_export_of_ten_sigmoids_is_refused(build: Build, digits: LabelledImages, tmp_path: Path) -> None:
    import keras

    network = build("0 to 1", (784,), False)
    sigmoids = keras.Sequential([network, keras.layers.Activation("sigmoid")])
    sigmoids.save(tmp_path / "theirs.keras")
    with pytest.raises(ArtifactError, match=wording("network_scores")):
        export_network(tmp_path / "theirs.keras", None, digits)


def test_served_graph_of_a_network_for_0_to_255_needs_no_scaling(
    build: Build, digits: LabelledImages, tmp_path: Path
) -> None:
    """What the service would have read without the folding: everything as the same digit, or nearly."""
    network = build("0 to 255", (28, 28, 1), True)
    network.save(tmp_path / "theirs.keras")
    output, _ = export_network(tmp_path / "theirs.keras", None, digits)
    expected: NDArray[np.float32] = network.predict(digits.images[:50].astype(np.float32)[..., None], verbose=0)
    np.testing.assert_allclose(load_classifier(output).predict(make_batch(digits.images[:50])), expected, atol=1e-4)
