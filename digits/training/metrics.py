"""How good a model is: errors, likelihood and calibration."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from digits.data.images import NUM_CLASSES

NUM_CALIBRATION_BINS = 15


@dataclass(frozen=True)
class Evaluation:
    """Figures of one model on one set of digits.

    Attributes:
        num_digits: How many were scored.
        num_errors: How many were misread.
        errors_per_digit: Misread digits by their true label, ten counts.
        negative_log_likelihood: Mean, in nats.
        calibration_error: Expected calibration error over 15 bins, in [0, 1].
    """

    num_digits: int
    num_errors: int
    errors_per_digit: list[int]
    negative_log_likelihood: float
    calibration_error: float

    @property
    def accuracy(self) -> float:
        """The share read right, in [0, 1]."""
        return 1 - self.num_errors / self.num_digits


def evaluate(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> Evaluation:
    """Score probabilities against the truth.

    Args:
        probabilities: float32 `(n, 10)`, rows sum to 1.
        labels: int64 `(n,)`, 0-9.
    """
    misread = probabilities.argmax(axis=1) != labels
    of_truth = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    # float32 probabilities can underflow to 0, whose logarithm would make the mean infinite.
    log_likelihood = np.log(np.maximum(of_truth, np.finfo(np.float32).tiny))
    return Evaluation(
        num_digits=len(labels),
        num_errors=int(misread.sum()),
        errors_per_digit=np.bincount(labels[misread], minlength=NUM_CLASSES).tolist(),
        negative_log_likelihood=float(-log_likelihood.mean()),
        calibration_error=measure_calibration_error(probabilities, labels),
    )


def measure_calibration_error(
    probabilities: NDArray[np.float32], labels: NDArray[np.int64], num_bins: int = NUM_CALIBRATION_BINS
) -> float:
    """Return the expected calibration error of the confidence, in [0, 1].

    Equal-width bins, as Guo et al., "On Calibration of Modern Neural Networks" (arXiv 1706.04599), equation 3.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * num_bins).astype(int), num_bins - 1)
    gaps = np.bincount(bins, weights=right - confidence.astype(np.float64), minlength=num_bins)
    return float(np.abs(gaps).sum() / len(labels))


def fit_temperature(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Return the temperature that makes held-out probabilities most likely (arXiv 1706.04599, section 4.2).

    Args:
        probabilities: float32 `(n, 10)`, of digits that were not trained on.
        labels: int64 `(n,)`, 0-9.
    """
    # The logarithm of probabilities equals the logits up to a constant a row, which softmax ignores.
    logits = np.log(np.maximum(probabilities.astype(np.float64), np.finfo(np.float32).tiny))

    def measure_loss(temperature: float) -> float:
        return float(-log_softmax(logits / temperature, axis=1)[np.arange(len(labels)), labels].mean())

    return float(minimize_scalar(measure_loss, bounds=(0.2, 5.0), method="bounded").x)
