"""The folds of writers: what two recipes differ by, and how sure that is."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from benchmarks.training import folds
from benchmarks.training.folds import bootstrap_difference, calibrate, compare
from benchmarks.training.variants import WeightAverage
from digits.data.dataset import LabelledImages
from digits.networks.classifier import build_network
from digits.training.classifier import TrainingConfig, fit_network


def answer(labels: np.ndarray, misread: np.ndarray, confidence: float = 0.9) -> np.ndarray:
    digits = np.where(misread, (labels + 1) % 10, labels)
    others = (1 - confidence) / 9
    return np.where(np.eye(10)[digits] > 0, confidence, others).astype(np.float32)


@pytest.fixture
def answered(tmp_path, monkeypatch):
    """600 digits by 60 writers in two folds, and a recipe with 30 errors beside the baseline with 60."""
    labels, writers = np.tile(np.arange(10), 60), np.repeat(np.arange(60), 10).astype(np.uint16)
    fold_of = writers % 2
    monkeypatch.setattr(folds, "PREDICTIONS", tmp_path)
    monkeypatch.setattr(folds, "load", lambda: (LabelledImages(np.zeros((600, 28, 28)), labels, ""), writers, fold_of))
    for name, misread in (("default", np.arange(600) % 10 == 3), ("better", np.arange(600) % 20 == 3)):
        for fold in (0, 1):
            chosen = fold_of == fold
            probabilities = answer(labels, misread)[chosen]
            with (tmp_path / f"{name} {fold}.npz").open("wb") as file:
                np.savez(file, probabilities=probabilities, corruption_error=2.0 + 2 * fold)


def test_compare_counts_by_digit_what_a_recipe_misreads_less(answered):
    baseline, better = compare(["default", "better"])
    assert (baseline["num_errors"], better["num_errors"], better["num_digits"]) == (60, 30, 600)
    assert (baseline["error_difference"], better["error_difference"]) == (0, -30)
    assert -50 < better["error_difference_from"] < -30 < better["error_difference_to"] < -15
    assert better["likelihood_difference"] < 0
    assert better["corruption_error_percent"] == 3.0


def test_compare_leaves_out_what_every_recipe_misreads(answered):
    baseline, better = compare(["default", "better"])
    assert (baseline["num_errors_but_common"], better["num_errors_but_common"]) == (30, 0)


def test_compare_takes_only_folds_that_both_recipes_have(answered, tmp_path):
    (tmp_path / "better 1.npz").unlink()
    _, better = compare(["default", "better"])
    assert (better["folds"], better["num_digits"]) == (1, 300)


def test_interval_is_wider_where_the_same_writers_are_misread():
    differences = np.zeros(1000)
    differences[:50] = 1
    one_by_one = bootstrap_difference(differences, np.arange(1000).astype(np.uint16))
    by_few_writers = bootstrap_difference(differences, (np.arange(1000) // 25).astype(np.uint16))
    assert np.diff(by_few_writers) > 2 * np.diff(one_by_one)


def test_calibrate_takes_back_a_temperature():
    labels = np.tile(np.arange(10), 50)
    misread = np.arange(500) % 10 == 3
    sure, unsure = (calibrate(answer(labels, misread, confidence), labels, 0.0) for confidence in (0.999, 0.7))
    np.testing.assert_allclose(sure.probabilities, unsure.probabilities, atol=1e-3)
    assert sure.temperature > 1 > unsure.temperature


def test_weight_average_is_the_mean_of_the_last_third(small_digits, tmp_path):
    keras.utils.set_random_seed(1)
    network = build_network()
    config = replace(TrainingConfig(), epochs=2, batch_size=50)
    taken = []

    class Taker(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            taken.append(self.model.get_weights()[0])

    average = WeightAverage(share=1 / 3, interval=1)
    fit_network(network, small_digits, config, tmp_path / "c.weights.h5", False, 0, [average, Taker()])
    average.apply(network)
    last = taken[len(taken) * 2 // 3 :]
    np.testing.assert_allclose(network.get_weights()[0], np.mean(last, axis=0), rtol=1e-4, atol=1e-6)
