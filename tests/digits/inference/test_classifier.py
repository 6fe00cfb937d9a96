"""From an .h5 to probabilities and reasons: agreement with the network, and what cannot be loaded."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from digits.errors import ArtifactError, PixelError, ServingGraphError
from digits.inference.artifact import read_artifact
from digits.inference.classifier import load_classifier
from tests.wordings import quote, wording

if TYPE_CHECKING:
    import keras


def test_classifier_agrees_with_the_network(
    shared_artifact: Path, tiny_network: "keras.Model", small_batch: NDArray[np.float32]
) -> None:
    probabilities = load_classifier(shared_artifact).predict(small_batch)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, tiny_network.predict(small_batch, verbose=0), atol=1e-5)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("num_images", [0, 1, 7])
def test_classifier_any_number_of_images(
    shared_artifact: Path, small_batch: NDArray[np.float32], num_images: int
) -> None:
    assert load_classifier(shared_artifact).predict(small_batch[:num_images]).shape == (num_images, 10)


def test_classifier_threads_do_not_change_the_answer(shared_artifact: Path, small_batch: NDArray[np.float32]) -> None:
    one, two = (load_classifier(shared_artifact, num_threads).predict(small_batch) for num_threads in (1, 2))
    np.testing.assert_allclose(one, two, atol=1e-6)


@pytest.mark.parametrize(
    "batch",
    [
        np.zeros((1, 28, 28, 1), np.float64),
        np.zeros((1, 28, 28, 1), np.uint8),
        np.zeros((1, 28, 28), np.float32),
        np.zeros((28, 28, 1), np.float32),
        np.zeros((1, 784), np.float32),
        np.zeros((), np.float32),
    ],
)
def test_classifier_wrong_batch(shared_artifact: Path, batch: NDArray[np.float32]) -> None:
    received = f"{batch.dtype} {batch.shape}"
    with pytest.raises(PixelError, match=wording("batch_shape", received=received)) as caught:
        load_classifier(shared_artifact).predict(batch)
    assert caught.value.code == "wrong_shape"


def test_classifier_with_a_rejector_refuses_what_it_rejects(
    artifact_with_rejector: Path, tiny_rejector: "keras.Model", small_batch: NDArray[np.float32]
) -> None:
    classifier = load_classifier(artifact_with_rejector)
    acceptance = classifier.measure_acceptance(small_batch[:3])
    np.testing.assert_allclose(acceptance, tiny_rejector.predict(small_batch[:3], verbose=0)[:, 0], atol=1e-5)
    assert classifier.find_reasons(small_batch[:3], classifier.predict(small_batch[:3])) == ["not_a_digit"] * 3


def test_classifier_without_a_rejector_still_refuses_blanks(
    shared_artifact: Path, small_batch: NDArray[np.float32]
) -> None:
    classifier = load_classifier(shared_artifact)
    batch = np.concatenate([small_batch[:1], np.zeros_like(small_batch[:1])])
    sure = np.eye(10, dtype=np.float32)[:2]
    assert classifier.measure_acceptance(batch) is None
    assert classifier.find_reasons(batch, sure) == [None, "blank"]


@pytest.mark.parametrize("name", ["acceptance", "confidence"])
def test_load_classifier_impossible_threshold(artifact_with_rejector: Path, name: str) -> None:
    with h5py.File(artifact_with_rejector, "a") as file:
        del file["digits/provenance"]
        file["digits/provenance"] = json.dumps({"acceptance": {"thresholds": {name: 2}}})
    impossible = quote("threshold_impossible", value=2.0, name=name)
    with pytest.raises(ArtifactError, match=wording("thresholds_unreadable", error=impossible)) as caught:
        load_classifier(artifact_with_rejector)
    assert str(caught.value).startswith(f"{artifact_with_rejector}: ")


def test_load_classifier_keras_file_without_a_graph_is_refused(keras_file: Path) -> None:
    with pytest.raises(ServingGraphError, match=wording("graph_missing", path=keras_file)):
        load_classifier(keras_file)


@pytest.mark.parametrize(
    "damage",
    [lambda graph: graph[: len(graph) // 2], lambda graph: b"\xff" * len(graph), lambda graph: b""],
    ids=["half", "overwritten", "empty"],
)
def test_load_classifier_corrupt_graph(artifact_path: Path, damage: Callable[[bytes], bytes]) -> None:
    graph = read_artifact(artifact_path).serving_graph
    assert graph is not None
    with h5py.File(artifact_path, "a") as file:
        del file["digits/serving_graph"], file["digits"].attrs["serving_sha256"]
        file["digits/serving_graph"] = np.frombuffer(damage(graph), np.uint8)
    with pytest.raises(ArtifactError, match=wording("graph_unreadable")) as caught:
        load_classifier(artifact_path)
    assert str(caught.value).startswith(f"{artifact_path}: ")
