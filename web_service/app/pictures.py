"""`POST /predict/image` and `POST /read`: digits as people draw and photograph them."""

from collections.abc import Callable
from functools import partial
from time import perf_counter

import numpy as np
from fastapi import APIRouter, Request, Response
from numpy.typing import NDArray

from app.answers import answer_json, describe_digit, get_classifier
from app.body import read_body
from app.errors import SMALLER_PICTURE
from app.openapi import document_errors
from app.picture_body import check_picture_type, unpack_picture
from app.pictures_openapi import document_picture, list_picture_errors
from app.reading import Reading, compute_in_lane, read_pixels
from app.schemas import DrawingPrediction
from digits.classifier import Classifier
from digits.drawings import decode_drawing
from digits.images import NUM_PIXELS
from digits.normalisation import normalise_drawing

Drawing = NDArray[np.uint8]

router = APIRouter()


@router.post(
    "/predict/image",
    summary="Read one digit from a drawing or photo",
    responses={200: {"model": DrawingPrediction}, **document_errors(*list_picture_errors())},
    openapi_extra=document_picture(),
)
async def predict_image(request: Request) -> Response:
    """Send a PNG, JPEG, WebP, GIF, BMP or TIFF of any size that shows one digit, dark on light or light on dark.

    The answer adds the 28x28 pixels that the network saw.
    """
    classifier = get_classifier(request)
    decode = await _receive_picture(request)
    image, reading = await compute_in_lane(request, partial(_read_digit, classifier, decode))
    request.scope["observation"].reading = reading
    answer = describe_digit(reading.probabilities[0], reading.reasons[0])
    return answer_json({**answer, "image": image, "model": classifier.artifact.version})


async def _receive_picture(request: Request) -> Callable[[], Drawing]:
    """Receive a body, to be decoded where it holds up nobody."""
    content_type = request.headers.get("content-type")
    check_picture_type(content_type)
    settings = request.app.state.settings
    body = await read_body(request, settings.max_image_bytes, SMALLER_PICTURE)
    return lambda: decode_drawing(unpack_picture(content_type, body), settings.max_image_pixels)


def _read_digit(classifier: Classifier, decode: Callable[[], Drawing]) -> tuple[Drawing, Reading]:
    started = perf_counter()
    image = normalise_drawing(decode())
    return image, read_pixels(classifier, image.reshape(1, NUM_PIXELS), perf_counter() - started)
