"""Loading the models, each checked on known digits before the service takes its first request."""

import logging
import os
from typing import NoReturn

import numpy as np

from app.settings import Settings
from digits.data.images import MAX_PIXEL, SIZE, draw_one, make_batch
from digits.errors import ArtifactError, DigitsError
from digits.inference.classifier import Classifier, load_classifier
from digits.inference.line_reader import load_line_reader
from digits.inference.page_detector import load_page_detector
from digits.inference.page_reader import PageReader, read_page

# The logger that uvicorn shows in its own format, so that a failed start reads like one log.
logger = logging.getLogger("uvicorn.error")

KNOWN_DIGIT = 1
# The status with which uvicorn itself ends when an application cannot start. Its parent process does not
# restart a worker that ends with this status.
_EXIT_STATUS = 3


def load_models(settings: Settings) -> PageReader:
    """Load all models; one that cannot be used ends the process with one line in the log."""
    try:
        classifier = load_classifier(settings.model_path, settings.num_threads)
        _check_known_digit(classifier)
        line_reader = load_line_reader(settings.line_model_path, settings.num_threads)
        page_reader = PageReader(
            load_page_detector(settings.page_model_path, settings.num_threads), line_reader, classifier
        )
        _check_known_page(page_reader)
    except Exception as error:
        refuse_to_start(error)
    detector = page_reader.detector.artifact
    logger.info("Model %s finds digits: %s", detector.version, detector.path)
    logger.info("Model %s reads lines: %s", line_reader.artifact.version, line_reader.artifact.path)
    logger.info("Model %s is ready: %s", classifier.artifact.version, classifier.artifact.path)
    return page_reader


def refuse_to_start(error: Exception) -> NoReturn:
    """Log why the service cannot serve, and end the process at once.

    An exception would leave the lifespan as pages of the server's own traceback. The process holds nothing yet that
    would have to be given back.
    """
    # An error of this project says all there is to say. Of any other error the traceback is the only trace.
    logger.critical("Cannot serve. %s", error, exc_info=not isinstance(error, DigitsError | OSError))
    os._exit(_EXIT_STATUS)


def _check_known_digit(classifier: Classifier) -> None:
    probabilities = classifier.predict(make_batch(draw_one()[np.newaxis]))[0]
    digit = int(probabilities.argmax())
    if digit != KNOWN_DIGIT or not np.isfinite(probabilities).all():
        raise ArtifactError(
            f"{classifier.artifact.path}: the model reads a plain {KNOWN_DIGIT} as a {digit}, expected {KNOWN_DIGIT}. "
            "Train it anew with `make run_train`, or name another file."
        )


def _check_known_page(reader: PageReader) -> None:
    """Read two ones, which takes the page network and the line network."""
    drawing = np.pad(np.tile(MAX_PIXEL - draw_one(), 2), SIZE, constant_values=MAX_PIXEL)
    expected = f"{KNOWN_DIGIT}{KNOWN_DIGIT}"
    numbers = [line.number for line in read_page(drawing, reader).lines]
    if numbers != [expected]:
        raise ArtifactError(
            f"{reader.detector.artifact.path} and {reader.line_reader.artifact.path}: together they read two plain "
            f"{KNOWN_DIGIT}s as {numbers}, expected {[expected]}. Train them anew with `make train_pages` and "
            "`make train_lines`, or name other files."
        )
