"""How several routes answer: the description of a digit, and JSON."""

from collections.abc import Mapping

import numpy as np
import orjson
from fastapi import Response
from numpy.typing import NDArray

from digits.inference.rejection import Reason


def describe_digit(probabilities: NDArray[np.float32], reason: Reason | None) -> dict[str, object]:
    """Describe what was read of one image.

    Args:
        probabilities: float32 `(10,)`, in [0, 1].
        reason: Why the image is not accepted as a digit; None if it is.
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
    """Answer 200 with JSON. The content may hold arrays and numbers of numpy."""
    return Response(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")
