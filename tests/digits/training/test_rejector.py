from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from digits.data.dataset import LabelledImages
from digits.data.images import make_batch
from digits.inference.artifact import read_artifact
from digits.inference.classifier import load_classifier
from digits.inference.onnx_session import open_graph
from digits.networks.classifier import count_multiply_adds
from digits.networks.rejector import build_rejector
from digits.synthesis.negatives import make_negatives
from digits.training.rejector import RejectorConfig, configure_rejector, train_rejector
from tests.conftest import RunPython

Trained = tuple[bytes, Mapping[str, Any]]


def answer_one(batch: NDArray[np.float32]) -> NDArray[np.float32]:
    """A classifier that takes everything for a 1."""
    return np.eye(10, dtype=np.float32)[np.ones(len(batch), int)]


def train(digits: LabelledImages) -> Trained:
    config = RejectorConfig()
    short = replace(config, training=replace(config.training, epochs=8, batch_size=50))
    return train_rejector(digits, answer_one, short, verbose=0)


@pytest.fixture(scope="module")
def trained(small_digits: LabelledImages) -> Trained:
    return train(small_digits)


def test_rejector_is_small() -> None:
    assert count_multiply_adds(build_rejector()) <= 1_000_000


def test_train_rejector_tells_digits_from_scribbles(trained: Trained, small_digits: LabelledImages) -> None:
    compute_acceptance = open_graph(trained[0], output_shape=(1,))
    scribbles = make_negatives(200, small_digits.images, small_digits.labels, 99, ("scribbles", "silhouettes"))
    digits, others = (compute_acceptance(make_batch(images)) for images in (small_digits.images, scribbles))
    assert np.median(digits) > np.quantile(others, 0.9)


def test_train_rejector_sets_the_threshold_below_nearly_all_held_out_digits(trained: Trained) -> None:
    said = trained[1]
    assert said["num_held_out"] == 33
    assert said["accepted_share"] == 1
    assert 0 <= said["thresholds"]["acceptance"] < 1


def test_train_rejector_same_seed_same_network(
    trained: Trained, small_digits: LabelledImages, small_batch: NDArray[np.float32]
) -> None:
    again = train(small_digits)
    assert again[1]["thresholds"] == trained[1]["thresholds"]
    answers = [open_graph(graph, output_shape=(1,))(small_batch) for graph in (again[0], trained[0])]
    np.testing.assert_array_equal(*answers)


def test_configure_rejector_takes_the_seed_and_is_short_when_fast() -> None:
    whole, fast = (configure_rejector(7, is_fast) for is_fast in (False, True))
    assert (whole.training.seed, fast.training.seed) == (7, 7)
    assert fast.num_digits * fast.training.epochs < whole.num_digits * whole.training.epochs / 10


@pytest.mark.slow
def test_rejector_command_gives_a_file_its_rejector_and_keeps_the_rest(
    artifact_path: Path, small_csv: Path, small_batch: NDArray[np.float32], run_python: RunPython
) -> None:
    before = load_classifier(artifact_path)
    done = run_python("-m", "digits.training.rejector", artifact_path, "--data", small_csv, "--fast")
    assert done.returncode == 0, done.stderr
    assert f"{artifact_path} now carries an acceptance network, which accepts " in done.stdout
    after = load_classifier(artifact_path)
    np.testing.assert_allclose(after.predict(small_batch), before.predict(small_batch), atol=1e-6)
    assert after.artifact.provenance["note"] == before.artifact.provenance["note"]
    acceptance = after.measure_acceptance(small_batch)
    assert acceptance is not None
    assert acceptance.shape == (len(small_batch),)
    assert (
        after.thresholds.acceptance == read_artifact(artifact_path).provenance["acceptance"]["thresholds"]["acceptance"]
    )
