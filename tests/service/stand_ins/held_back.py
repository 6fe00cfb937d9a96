"""The service with a model that is not loaded before the file named in HELD_UNTIL exists."""

import os
import time
from pathlib import Path

from app.predict import create_app
from app.prediction import loading
from digits.inference.classifier import Classifier, load_classifier


def load_later(path: Path, num_threads: int) -> Classifier:
    while not Path(os.environ["HELD_UNTIL"]).exists():
        time.sleep(0.01)
    return load_classifier(path, num_threads)


loading.load_classifier = load_later
app = create_app()
