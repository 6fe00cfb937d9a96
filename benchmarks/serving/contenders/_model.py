"""What every contender with ONNX Runtime shares: the network of models/digits.h5, on one thread."""

from pathlib import Path
from typing import Any

import numpy as np

from digits.data.images import PIXEL_NAMES
from digits.inference.classifier import load_classifier

MODEL = Path(__file__).resolve().parents[3] / "models" / "digits.h5"


class Model:
    """Reads a row as a tutorial would: a dictionary to an array, to a digit."""

    def __init__(self) -> None:
        self._classifier = load_classifier(MODEL)

    def read(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return the digit and its probabilities."""
        probabilities = self._classifier.predict(to_batch(row))[0]
        return {"digit": int(probabilities.argmax()), "probabilities": probabilities.tolist()}


def to_batch(row: dict[str, Any]) -> np.ndarray:
    """Return float32 `(1, 28, 28, 1)` in [0, 1]."""
    pixels = np.array([row[name] for name in PIXEL_NAMES], np.float32)
    return pixels.reshape(1, 28, 28, 1) / np.float32(255)
