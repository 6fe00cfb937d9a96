"""What the shipped recipe is compared with: the same network unless it says otherwise, and peers that teach."""

import csv
from dataclasses import replace

import keras
import numpy as np
import pytest

from benchmarks.training import variants as training_variants
from benchmarks.training.variants import (
    VARIANTS,
    build_stages,
    compute_mutual_loss,
    fit_beside_peer,
    fit_on_targets,
    read_committee,
)
from digits.data.dataset import read_labelled_images
from digits.errors import DatasetError
from digits.networks.classifier import build_network, count_multiply_adds
from digits.training.classifier import TrainingConfig, fit_network
from tests.conftest import ROOT

BENCHMARKS = ROOT / "benchmarks"

with (BENCHMARKS / "training/training.csv").open(newline="") as file:
    # The earlier recipe is that of another commit, which its name gives.
    MEASURED = [row for row in csv.DictReader(file) if not row["config"].startswith("earlier recipe")]


@pytest.mark.parametrize("name", sorted({row["config"] for row in MEASURED}))
def test_every_measured_variant_is_of_the_size_that_was_measured(name):
    network = VARIANTS[name].build()
    sizes = {(row["parameters"], row["multiply_adds"]) for row in MEASURED if row["config"] == name}
    assert sizes == {(str(network.count_params()), str(count_multiply_adds(network)))}


def test_build_stages_with_the_shipped_channels_builds_the_shipped_network():
    networks = []
    for build in (build_network, lambda: build_stages((32,), (64, 64))):
        keras.utils.set_random_seed(7)
        networks.append(build())
    for shipped, built in zip(*(network.get_weights() for network in networks), strict=True):
        np.testing.assert_array_equal(built, shipped)
    for network in networks:
        assert [layer.name for layer in network.layers][-2:] == ["logits", "probabilities"]


def test_mutual_loss_is_the_cross_entropy_to_half_the_label_and_half_the_other_answer():
    logits = np.random.default_rng(0).normal(size=(5, 2, 10)).astype(np.float32)
    labels = np.array([3, 1, 4, 1, 5])
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    expected = np.zeros(5)
    for network, other in ((0, 1), (1, 0)):
        target = 0.5 * np.eye(10)[labels] + 0.5 * probabilities[:, other]
        expected -= (target * np.log(probabilities[:, network])).sum(axis=1)
    received = compute_mutual_loss(keras.ops.convert_to_tensor(labels), keras.ops.convert_to_tensor(logits))
    np.testing.assert_allclose(received, expected, rtol=1e-5)


@pytest.mark.slow
def test_fit_beside_peer_without_a_share_of_the_peer_learns_what_the_network_alone_does(
    small_digits, small_batch, tmp_path, monkeypatch
):
    config = replace(TrainingConfig(), epochs=2, batch_size=50)

    def fit(function) -> np.ndarray:
        keras.utils.set_random_seed(1)
        network = build_stages((4,), (8,))
        function(network, small_digits, config, tmp_path / "c.weights.h5", resume=False, verbose=0)
        return network.predict(small_batch, verbose=0)

    alone, taught = fit(fit_network), fit(fit_beside_peer)
    monkeypatch.setattr(training_variants, "_PEER_SHARE", 0.0)
    np.testing.assert_allclose(fit(fit_beside_peer), alone, atol=1e-4)
    assert np.abs(taught - alone).max() > 0.01


@pytest.mark.slow
def test_fit_on_targets_of_a_teacher_who_answers_the_labels_learns_what_fit_network_does(
    small_digits, small_batch, tmp_path
):
    config = replace(TrainingConfig(), epochs=2, batch_size=50)
    labels = np.eye(10, dtype=np.float32)[small_digits.labels]

    def fit(function, **more) -> np.ndarray:
        keras.utils.set_random_seed(1)
        network = build_stages((4,), (8,))
        function(network, small_digits, config, tmp_path / "c.weights.h5", resume=False, verbose=0, **more)
        return network.predict(small_batch, verbose=0)

    alone = fit(fit_network)
    np.testing.assert_allclose(fit(fit_on_targets, answers=labels), alone, atol=1e-4)
    assert np.abs(fit(fit_on_targets, answers=np.full_like(labels, 0.1)) - alone).max() > 0.01


def test_committee_answers_the_committed_digits_and_no_others():
    digits = read_labelled_images(ROOT / "data/train.csv.gz")
    answers = read_committee(digits.sha256)
    assert answers.shape == (60_000, 10)
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)
    # Networks that met none of the writers misread 0.42 % of the digits.
    assert 0.004 < (answers.argmax(axis=1) != digits.labels).mean() < 0.0045
    with pytest.raises(DatasetError, match="expected answers on the digits of other, received others"):
        read_committee("other")
