"""The service with a model that reads the known digit and line and fails ever after."""

from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.predict import create_app
from app.prediction import loading
from digits.inference.classifier import Classifier, load_classifier
from digits.inference.precision import Precision

NUM_CHECKS = 5  # The known digits; the known page, whose one line is read in two ways and sheared twice.


def load_faulty(path: Path, num_threads: int, precision: Precision) -> Classifier:
    classifier, calls = load_classifier(path, num_threads, precision), count()

    def compute_probabilities(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        if next(calls) >= NUM_CHECKS:
            raise ValueError("the secret inside")
        return classifier.compute_probabilities(batch)

    return replace(classifier, compute_probabilities=compute_probabilities)


loading.load_classifier = load_faulty
app = create_app()
