"""What every route needs: the loaded model, and an answer in JSON."""

from collections.abc import Mapping

import numpy as np
import orjson
from fastapi import Request, Response
from numpy.typing import NDArray

from app.errors.server_faults import ModelNotReadyError, ShuttingDownError
from digits.inference.classifier import Classifier
from digits.inference.line_reader import LineReader
from digits.inference.rejection import Reason


def get_classifier(request: Request) -> Classifier:
    """Return the model.

    Raises:
        ModelNotReadyError: While it is still being loaded.
    """
    classifier: Classifier | None = request.app.state.classifier
    if classifier is None:
        raise ModelNotReadyError
    return classifier


def get_line_reader(request: Request) -> LineReader:
    """Return the model that reads lines.

    Raises:
        ModelNotReadyError: While it is still being loaded.
    """
    get_classifier(request)
    line_reader: LineReader = request.app.state.line_reader
    return line_reader


def check_ready(request: Request) -> Classifier:
    """Return the model if new requests are welcome.

    Raises:
        ModelNotReadyError: While it is still being loaded.
        ShuttingDownError: Once the process was told to end.
    """
    if request.app.state.is_draining:
        raise ShuttingDownError
    return get_classifier(request)


def describe_digit(probabilities: NDArray[np.float32], reason: Reason | None) -> dict[str, object]:
    """Describe what was read of one image.

    Args:
        probabilities: float32 `(10,)`.
        reason: Why it is not accepted, if it is not.
    """
    digit = int(probabilities.argmax())
    return {
        "digit": digit,
        "confidence": probabilities[digit],
        "probabilities": probabilities,
        "accepted": reason is None,
        "reason": reason,
    }


def answer_json(content: Mapping[str, object]) -> Response:
    """Answer 200 with JSON; arrays of numpy may be in it."""
    return Response(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")
