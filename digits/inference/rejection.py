"""Why an image is rejected as no digit: out-of-distribution detection from ink, probabilities and the acceptance.

The acceptance comes from a second, small network (`digits.networks.rejector`), which was trained on digits and on
images that are no digits. This module needs NumPy alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from digits.errors import ArtifactError

Reason = Literal["blank", "not_a_digit", "ambiguous"]

# The faintest of MNIST's training digits has as much ink as 20 full pixels, and all of them reach level 254 of 255.
_LEAST_INK = 6.0  # Full pixels.
_LEAST_CONTRAST = 0.2  # Between the darkest and the lightest pixel, of 1.


@dataclass(frozen=True)
class Thresholds:
    """The least acceptance and confidence at which an image is accepted."""

    acceptance: float = 0.0
    """It was chosen on held-out training digits and is kept in the provenance; at 0 no image is rejected for it."""
    confidence: float = 0.5
    """Below a half no digit has the majority."""

    def __post_init__(self) -> None:
        for name in ("acceptance", "confidence"):
            if not 0 <= getattr(self, name) <= 1:
                raise ArtifactError(f"Received the threshold {getattr(self, name)} for {name}, expected 0 to 1.")


def read_thresholds(provenance: Mapping[str, Any]) -> Thresholds:
    """Return the thresholds that the provenance keeps of the rejector's training.

    Raises:
        ArtifactError: If they are missing or impossible.
    """
    try:
        return Thresholds(**{name: float(value) for name, value in provenance["acceptance"]["thresholds"].items()})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(
            f"The acceptance network's thresholds cannot be read ({error}). Train anew with `make run_train`."
        ) from error


def find_reasons(
    batch: NDArray[np.float32],
    probabilities: NDArray[np.float32],
    acceptance: NDArray[np.float32] | None,
    thresholds: Thresholds,
) -> list[Reason | None]:
    """Find for each image why it is not accepted as a digit.

    Args:
        batch: float32 `(n, 28, 28, 1)` in [0, 1].
        probabilities: float32 `(n, 10)`, rows sum to 1.
        acceptance: float32 `(n,)` in [0, 1], or None where there is no second network: then only blank and ambiguous
            images can be told.
        thresholds: Of the same artifact.

    Returns:
        None for what is accepted.
    """
    pixels = batch.reshape(len(batch), -1)
    is_blank = (pixels.sum(axis=1) < _LEAST_INK) | (np.ptp(pixels, axis=1) < _LEAST_CONTRAST)
    is_ambiguous = probabilities.max(axis=1) < thresholds.confidence
    is_foreign = np.zeros(len(batch), bool) if acceptance is None else acceptance < thresholds.acceptance
    return [
        "blank" if blank else "not_a_digit" if foreign else "ambiguous" if ambiguous else None
        for blank, foreign, ambiguous in zip(is_blank.tolist(), is_foreign.tolist(), is_ambiguous.tolist(), strict=True)
    ]
