"""Loading the model: beside the running server, checked on a known digit, or not at all."""

import logging
import multiprocessing
import os
from threading import Thread
from typing import NoReturn

import numpy as np
from fastapi import FastAPI

from app.settings import Settings
from digits.data.images import MAX_PIXEL, draw_one, make_batch
from digits.errors import ArtifactError, DigitsError
from digits.inference.classifier import Classifier, load_classifier
from digits.inference.line_reader import LineReader, load_line_reader, read_number

# The logger that uvicorn shows in its own format, so that a failed start reads like one log.
logger = logging.getLogger("uvicorn.error")

KNOWN_DIGIT = 1
# What uvicorn itself exits with when an application cannot start.
_EXIT_STATUS = 3


def start_loading(app: FastAPI, settings: Settings) -> None:
    """Load the models: in a thread, so that `/healthz` and `/readyz` answer meanwhile.

    One worker of several loads it before it takes its first connection: until then the others are there to answer.

    Sets `app.state.classifier` once the model has read a known digit correctly, and `app.state.line_reader` before; a
    model that cannot be used ends the process with one line in the log.
    """
    if multiprocessing.parent_process() is not None:
        _load(app, settings)
        return
    Thread(target=_load, args=(app, settings), name="load-model", daemon=True).start()


def refuse_to_start(error: Exception) -> NoReturn:
    """Log why the service cannot serve, and end the process.

    At once, without unwinding: an exception would reach the log as pages of the server's own traceback, from the
    lifespan, or from a thread not end the process at all. Nothing is held yet that would need to be given back.
    """
    # An error of our own says all there is to say; of any other, the traceback is the only trace.
    logger.critical("Cannot serve. %s", error, exc_info=not isinstance(error, DigitsError | OSError))
    os._exit(_EXIT_STATUS)


def _load(app: FastAPI, settings: Settings) -> None:
    try:
        classifier = load_classifier(settings.model_path, settings.num_threads)
        _check_known_digit(classifier)
        line_reader = load_line_reader(settings.line_model_path, settings.num_threads)
        _check_known_line(line_reader, classifier)
    except Exception as error:
        refuse_to_start(error)
    app.state.line_reader = line_reader
    # Last: it is what says that all is loaded.
    app.state.classifier = classifier
    logger.info("Model %s reads lines: %s", line_reader.artifact.version, line_reader.artifact.path)
    logger.info("Model %s is ready: %s", classifier.artifact.version, classifier.artifact.path)


def _check_known_digit(classifier: Classifier) -> None:
    probabilities = classifier.predict(make_batch(draw_one()[np.newaxis]))[0]
    digit = int(probabilities.argmax())
    if digit != KNOWN_DIGIT or not np.isfinite(probabilities).all():
        raise ArtifactError(
            f"{classifier.artifact.path}: the model reads a plain {KNOWN_DIGIT} as a {digit}, expected {KNOWN_DIGIT}. "
            "Train it anew with `make run_train`, or name another file."
        )


def _check_known_line(line_reader: LineReader, classifier: Classifier) -> None:
    drawing = np.tile(MAX_PIXEL - draw_one(), 2)
    digits = [one.digit for one in read_number(drawing, line_reader, classifier)]
    if digits != [KNOWN_DIGIT, KNOWN_DIGIT]:
        raise ArtifactError(
            f"{line_reader.artifact.path}: the model reads two plain {KNOWN_DIGIT}s as {digits}, expected "
            f"{[KNOWN_DIGIT, KNOWN_DIGIT]}. Train it anew with `make train_lines`, or name another file."
        )
