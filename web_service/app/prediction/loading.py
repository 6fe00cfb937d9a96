"""Loading the models, each checked on known digits before the service takes its first request."""

import logging
import os
import time
from typing import NoReturn

import numpy as np

from app.settings import Settings
from digits.data.images import MAX_PIXEL, NUM_CLASSES, draw_one, make_batch
from digits.errors import ArtifactError, DigitsError
from digits.inference.artifact import Artifact, KnownDigits
from digits.inference.classifier import Classifier, load_classifier
from digits.inference.line_reader import LineReader, load_line_reader, read_number

# The logger that uvicorn shows in its own format, so that a failed start reads like one log.
logger = logging.getLogger("uvicorn.error")

KNOWN_DIGIT = 1
"""What a model without known digits of its own must read."""

LEAST_SHARE = 0.9
"""Of the known digits so many must be read right. A network trained for a minute reads them all."""

TOLERANCE = 1e-3
"""By so much their probabilities may differ from those in the file, for another processor."""

# The status with which uvicorn itself ends when an application cannot start. Its parent process then ends all workers.
_EXIT_STATUS = 3
# A worker that ends with any other status is started anew. It waits first, so that trying costs the others little.
_RETRY_STATUS = 1
_RETRY_SECONDS = 5


def load_models(settings: Settings, has_healthy_siblings: bool = False) -> tuple[Classifier, LineReader]:
    """Load both models; one that cannot be used ends the process with one line in the log.

    Args:
        settings: Which models.
        has_healthy_siblings: Other workers serve. They go on, and this one is started anew until it can load them.
    """
    try:
        classifier = load_classifier(settings.model_path, settings.num_threads)
        _check_known_digits(classifier)
        line_reader = load_line_reader(settings.line_model_path, settings.num_threads)
        _check_known_line(line_reader, classifier)
    except Exception as error:
        refuse_to_start(error, has_healthy_siblings)
    logger.info("Model %s reads lines: %s", line_reader.artifact.version, line_reader.artifact.path)
    logger.info("Model %s is ready: %s", classifier.artifact.version, classifier.artifact.path)
    return classifier, line_reader


def refuse_to_start(error: Exception, has_healthy_siblings: bool = False) -> NoReturn:
    """Log why the service cannot serve, and end the process at once.

    An exception would leave the lifespan as pages of the server's own traceback. The process holds nothing yet that
    would have to be given back.
    """
    # An error of this project says all there is to say. Of any other error the traceback is the only trace.
    logger.critical("Cannot serve. %s", error, exc_info=not isinstance(error, DigitsError | OSError))
    if has_healthy_siblings:
        time.sleep(_RETRY_SECONDS)
        os._exit(_RETRY_STATUS)
    os._exit(_EXIT_STATUS)


def _check_known_digits(classifier: Classifier) -> None:
    known = classifier.artifact.known_digits
    if known is None or not classifier.artifact.has_checksum:
        _warn_of_missing_checks(classifier.artifact)
    if known is None:
        labels, probabilities = np.array([KNOWN_DIGIT], np.uint8), np.empty((0, NUM_CLASSES), np.float32)
        known = KnownDigits(draw_one()[np.newaxis], labels, probabilities)
    probabilities = classifier.predict(make_batch(known.images))
    digits = probabilities.argmax(axis=1)
    num_right = int((digits == known.labels).sum())
    if num_right < LEAST_SHARE * len(digits) or not np.isfinite(probabilities).all():
        raise ArtifactError(
            f"{classifier.artifact.path}: the model reads {num_right} of {len(digits)} known digits right, and as "
            f"{digits.tolist()}, expected {known.labels.tolist()}. It may want pixels on another scale or in another "
            "order than 0 to 1, row by row. Train it anew with `make run_train`, or name another file."
        )
    difference = float(np.abs(probabilities[: len(known.probabilities)] - known.probabilities).max(initial=0))
    if not difference <= TOLERANCE:
        raise ArtifactError(
            f"{classifier.artifact.path}: the model's probabilities for known digits differ by {difference:.2g} from "
            f"those in the file, expected at most {TOLERANCE:g}. Train it anew with `make run_train`."
        )


def _warn_of_missing_checks(artifact: Artifact) -> None:
    logger.warning(
        "%s has no checksum of its graph, or no known digits to read. Add them: `python -m digits.training.export %s`.",
        artifact.path,
        artifact.path,
    )


def _check_known_line(line_reader: LineReader, classifier: Classifier) -> None:
    if not line_reader.artifact.has_checksum:
        _warn_of_missing_checks(line_reader.artifact)
    drawing = np.tile(MAX_PIXEL - draw_one(), 2)
    digits = [one.digit for one in read_number(drawing, line_reader, classifier)]
    if digits != [KNOWN_DIGIT, KNOWN_DIGIT]:
        raise ArtifactError(
            f"{line_reader.artifact.path}: the model reads two plain {KNOWN_DIGIT}s as {digits}, expected "
            f"{[KNOWN_DIGIT, KNOWN_DIGIT]}. Train it anew with `make train_lines`, or name another file."
        )
