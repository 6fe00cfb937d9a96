import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax

from digits.training.metrics import evaluate, fit_temperature, measure_calibration_error


def make_probabilities(confidence: list[float], digits: list[int]) -> NDArray[np.float32]:
    """Return rows that give `digits` the confidence, and the rest to the nine others evenly."""
    probabilities = np.repeat((1 - np.array(confidence, np.float32)[:, None]) / 9, 10, axis=1)
    probabilities[np.arange(len(digits)), digits] = confidence
    return probabilities.astype(np.float32)


def test_evaluate_counts_errors_by_the_true_digit() -> None:
    probabilities = make_probabilities([0.9] * 5, [0, 1, 2, 3, 4])
    evaluation = evaluate(probabilities, np.array([0, 7, 7, 3, 9]))
    assert evaluation.num_digits == 5
    assert evaluation.num_errors == 3
    assert evaluation.errors_per_digit == [0, 0, 0, 0, 0, 0, 0, 2, 0, 1]
    assert evaluation.accuracy == pytest.approx(0.4)


def test_evaluate_negative_log_likelihood_by_hand() -> None:
    probabilities = make_probabilities([0.5, 0.8], [3, 4])
    expected = -(np.log(0.5) + np.log(0.2 / 9)) / 2
    assert evaluate(probabilities, np.array([3, 5])).negative_log_likelihood == pytest.approx(expected, rel=1e-6)


def test_evaluate_perfect_predictions() -> None:
    labels = np.arange(10)
    evaluation = evaluate(np.eye(10, dtype=np.float32), labels)
    assert (evaluation.num_errors, evaluation.accuracy) == (0, 1.0)
    assert evaluation.errors_per_digit == [0] * 10
    assert evaluation.negative_log_likelihood == 0
    assert evaluation.calibration_error == 0


def test_evaluate_zero_probability_of_the_truth_is_finite() -> None:
    evaluation = evaluate(np.eye(10, dtype=np.float32), np.roll(np.arange(10), 1))
    assert evaluation.num_errors == 10
    assert 80 < evaluation.negative_log_likelihood < 100
    assert evaluation.calibration_error == 1


def test_measure_calibration_error_by_hand() -> None:
    # Two bins of fifteen hold digits: 0.50 and 0.52 (one of two right), 0.90 twice (both right).
    probabilities = make_probabilities([0.50, 0.52, 0.90, 0.90], [0, 1, 2, 3])
    labels = np.array([0, 9, 2, 3])
    expected = (2 * abs(0.5 - 0.51) + 2 * abs(1.0 - 0.90)) / 4
    assert measure_calibration_error(probabilities, labels) == pytest.approx(expected, abs=1e-6)


def test_measure_calibration_error_cancels_within_a_bin_only() -> None:
    """A digit too sure and one too unsure make up for each other in one bin, not in two."""
    probabilities = make_probabilities([0.95, 0.25], [0, 1])
    labels = np.array([1, 1])
    assert measure_calibration_error(probabilities, labels, num_bins=1) == pytest.approx(0.1, abs=1e-6)
    assert measure_calibration_error(probabilities, labels, num_bins=15) == pytest.approx(0.85, abs=1e-6)


def test_measure_calibration_error_certainty_belongs_to_the_last_bin() -> None:
    probabilities = make_probabilities([1.0, 0.95], [0, 1])
    assert measure_calibration_error(probabilities, np.array([9, 1])) == pytest.approx((1.0 - 0.05) / 2, abs=1e-6)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_fit_temperature_recovers_a_known_one(temperature: float) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (20_000, 10))
    truth = softmax(logits / temperature, axis=1)
    labels = (truth.cumsum(axis=1) < random.random((20_000, 1))).sum(axis=1)
    fitted = fit_temperature(softmax(logits, axis=1).astype(np.float32), labels)
    assert fitted == pytest.approx(temperature, rel=0.03)


def test_fit_temperature_one_zero_probability_of_the_truth_does_not_decide() -> None:
    """Confidence 0.7, right seven times in ten: calibrated, but for a single digit whose truth got nothing."""
    probabilities = make_probabilities([0.7] * 10_000, [0] * 10_000)
    labels = np.where(np.arange(10_000) % 10 < 7, 0, 1 + np.arange(10_000) % 9)
    assert fit_temperature(probabilities, labels) == pytest.approx(1.0, rel=0.01)
    impossible = np.eye(10, dtype=np.float32)[:1]
    fitted = fit_temperature(np.concatenate([probabilities, impossible]), np.append(labels, 5))
    assert fitted == pytest.approx(1.0, rel=0.05)
