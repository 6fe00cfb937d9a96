"""What every route needs: the loaded model, and an answer in JSON."""

from collections.abc import Mapping

import orjson
from fastapi import Request, Response

from app.errors import ModelNotReadyError
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


def answer_json(content: Mapping[str, object]) -> Response:
    """Answer 200 with JSON; arrays of numpy may be in it."""
    return Response(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")
