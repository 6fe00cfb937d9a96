"""Loading the models, each checked on known digits before the service takes its first request."""

import ctypes
import logging
import os
import time
from contextlib import suppress
from typing import NoReturn

import numpy as np

from app.settings import Settings
from digits.data.images import MAX_PIXEL, NUM_CLASSES, SIZE, draw_one, make_batch
from digits.errors import ArtifactError, DigitsError
from digits.inference.artifact import Artifact, KnownDigits
from digits.inference.classifier import Classifier, load_classifier
from digits.inference.line_reader import load_line_reader
from digits.inference.page_detector import load_page_detector
from digits.inference.page_reader import PageReader, read_page

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


def load_models(settings: Settings, has_healthy_siblings: bool = False) -> PageReader:
    """Load all models; one that cannot be used ends the process with one line in the log.

    Args:
        settings: Which models.
        has_healthy_siblings: Other workers serve. They go on, and this one is started anew until it can load them.
    """
    try:
        options = settings.num_threads, settings.precision
        classifier = load_classifier(settings.model_path, *options)
        _check_known_digits(classifier)
        line_reader = load_line_reader(settings.line_model_path, *options)
        page_reader = PageReader(load_page_detector(settings.page_model_path, *options), line_reader, classifier)
        _check_known_page(page_reader)
    except Exception as error:
        refuse_to_start(error, has_healthy_siblings)
    _give_back_memory()
    detector = page_reader.detector.artifact
    logger.info("Model %s finds digits: %s", detector.version, detector.path)
    logger.info("Model %s reads lines: %s", line_reader.artifact.version, line_reader.artifact.path)
    logger.info("Model %s is ready: %s", classifier.artifact.version, classifier.artifact.path)
    return page_reader


def _give_back_memory() -> None:
    """Hand back to the system what loading and checking took and freed; the C library would keep it: 8 MB."""
    # Only glibc has this function.
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


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
    expected = known.probabilities
    if classifier.precision == "int8" and (int8 := classifier.artifact.int8) and int8.known_probabilities is not None:
        expected = int8.known_probabilities
    difference = float(np.abs(probabilities[: len(expected)] - expected).max(initial=0))
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


def _check_known_page(reader: PageReader) -> None:
    """Read two ones, which takes the page network and the line network."""
    for artifact in (reader.line_reader.artifact, reader.detector.artifact):
        if not artifact.has_checksum:
            _warn_of_missing_checks(artifact)
    drawing = np.pad(np.tile(MAX_PIXEL - draw_one(), 2), SIZE, constant_values=MAX_PIXEL)
    expected = f"{KNOWN_DIGIT}{KNOWN_DIGIT}"
    numbers = [line.number for line in read_page(drawing, reader).lines]
    if numbers != [expected]:
        raise ArtifactError(
            f"{reader.detector.artifact.path} and {reader.line_reader.artifact.path}: together they read two plain "
            f"{KNOWN_DIGIT}s as {numbers}, expected {[expected]}. Train them anew with `make train_pages` and "
            "`make train_lines`, or name other files."
        )
