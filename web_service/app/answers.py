"""What every route needs: the loaded model, and an answer in JSON."""

from collections.abc import Mapping

import orjson
from fastapi import Request, Response

from app.errors import ModelNotReadyError, ShuttingDownError
from digits.classifier import Classifier


def get_classifier(request: Request) -> Classifier:
    """Return the model.

    Raises:
        ModelNotReadyError: While it is still being loaded.
    """
    classifier: Classifier | None = request.app.state.classifier
    if classifier is None:
        raise ModelNotReadyError
    return classifier


def check_ready(request: Request) -> Classifier:
    """Return the model if new requests are welcome.

    Raises:
        ModelNotReadyError: While it is still being loaded.
        ShuttingDownError: Once the process was told to end.
    """
    if request.app.state.is_draining:
        raise ShuttingDownError
    return get_classifier(request)


def answer_json(content: Mapping[str, object]) -> Response:
    """Answer 200 with JSON; arrays of numpy may be in it."""
    return Response(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")
