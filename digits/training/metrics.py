"""Measure how good a model is: errors, likelihood and calibration."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from digits.data.images import NUM_CLASSES

NUM_CALIBRATION_BINS = 15


@dataclass(frozen=True)
class Evaluation:
    """The figures of one model on one set of digits."""

    num_digits: int
    num_errors: int
    errors_per_digit: list[int]  # The number of misread digits for each of the ten labels.
    negative_log_likelihood: float  # The mean over the digits, in nats.
    calibration_error: float  # The expected calibration error over 15 bins, in [0, 1].

    @property
    def accuracy(self) -> float:
        """The share of digits that are read right, in [0, 1]."""
        return 1 - self.num_errors / self.num_digits


def evaluate(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> Evaluation:
    """Compare probabilities with the labels.

    Args:
        probabilities: float32 `(n, 10)`, rows sum to 1.
        labels: int64 `(n,)`, 0-9.
    """
    misread = probabilities.argmax(axis=1) != labels
    of_label = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    # float32 probabilities can underflow to 0, whose logarithm would make the mean infinite.
    log_likelihood = np.log(np.maximum(of_label, np.finfo(np.float32).tiny))
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

    It uses bins of equal width, as equation 3 of Guo et al., "On Calibration of Modern Neural Networks"
    (arXiv 1706.04599).

    Args:
        probabilities: float32 `(n, 10)`, rows sum to 1.
        labels: int64 `(n,)`, 0-9.
        num_bins: The number of bins.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * num_bins).astype(int), num_bins - 1)
    gaps = np.bincount(bins, weights=right - confidence.astype(np.float64), minlength=num_bins)
    return float(np.abs(gaps).sum() / len(labels))


def fit_temperature(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Return the temperature that maximises the likelihood of held-out digits (arXiv 1706.04599, section 4.2).

    Args:
        probabilities: float32 `(n, 10)`, of digits that were held out of training.
        labels: int64 `(n,)`, 0-9.
    """
    # The logarithms of the probabilities are the logits plus a constant in each row, which softmax ignores.
    logits = np.log(np.maximum(probabilities.astype(np.float64), np.finfo(np.float32).tiny))

    def measure_loss(temperature: float) -> float:
        return float(-log_softmax(logits / temperature, axis=1)[np.arange(len(labels)), labels].mean())

    return float(minimize_scalar(measure_loss, bounds=(0.2, 5.0), method="bounded").x)
