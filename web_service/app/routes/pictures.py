"""`POST /predict/image` and `POST /read`: digits as people draw and photograph them."""

from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response
from numpy.typing import NDArray

from app.errors.refusals import SMALLER_PICTURE
from app.openapi.schemas import DrawingPrediction, NumberReading
from app.prediction.reading import Pixels, Reading
from app.prediction.run import compute_in_thread
from app.prediction.state import ServiceState, get_state
from app.requests.body import read_body
from app.requests.picture import check_picture_type, unpack_picture
from app.routes.answers import answer_json, describe_digit
from digits.data.image_file import Picture, decode_picture
from digits.data.images import NUM_CLASSES, NUM_PIXELS
from digits.inference.digit_reader import read_drawing
from digits.inference.input_statistics import measure_moments
from digits.inference.line_reader import ReadDigit
from digits.inference.page_reader import PageReader, PageReading, ReadLine, read_line, read_page

router = APIRouter()
# FastAPI's own check of a parameter would bring its own shape of errors.
_ONE_LINE = {
    "name": "lines",
    "in": "query",
    "required": False,
    "description": "1: all digits of the picture are one line, and no line is searched for.",
    "schema": {"type": "string"},
}


@router.post(
    "/predict/image",
    summary="Read one digit from a drawing or photo",
    responses={200: {"model": DrawingPrediction}},
)
async def predict_image(request: Request) -> Response:
    """Send a PNG, JPEG, WebP, GIF, BMP or TIFF of any size that shows one digit, dark on light or light on dark.

    The answer adds the 28x28 pixels that the digit was read from, by two networks: `model`, which `/predict` asks,
    and the one that reads the lines of `/read`. The probabilities are their geometric mean.
    """
    state = get_state(request.app)
    decode = await _receive_picture(request, state)
    image, reading = await compute_in_thread(request, partial(_read_digit, state, decode))
    request.scope["observation"].reading = reading
    answer = describe_digit(reading.probabilities[0], reading.reasons[0])
    return answer_json({**answer, "image": image, "model": state.classifier.artifact.version})


@router.post(
    "/read",
    summary="Read a page from a drawing or photo",
    responses={200: {"model": NumberReading}},
    openapi_extra={"parameters": [_ONE_LINE]},
)
async def read_several(request: Request) -> Response:
    """Send a picture of a page, and get the numbers on it, line by line.

    Digits may touch, stand in cells or on printed paper, and slope; stops, commas, dashes and letters are passed over.
    A digit that might be another as well is in `number` by the best guess, and not accepted. What stands alone and
    looks like none is left out of it.
    """
    state = get_state(request.app)
    decode = await _receive_picture(request, state)
    read = read_line if request.query_params.get("lines") == "1" else read_page
    answer, reading = await compute_in_thread(request, partial(_read_page, state, decode, read))
    request.scope["observation"].reading = reading
    return answer_json({**answer, "model": state.line_reader.artifact.version})


async def _receive_picture(request: Request, state: ServiceState) -> Callable[[], Picture]:
    """Receive a body, and return what decodes it; call that in a worker thread."""
    content_type = request.headers.get("content-type")
    check_picture_type(content_type)
    body = await read_body(request, state.settings.max_image_bytes, SMALLER_PICTURE)
    return lambda: decode_picture(unpack_picture(content_type, body), state.settings.max_image_pixels)


def _read_digit(state: ServiceState, decode: Callable[[], Picture]) -> tuple[Pixels, Reading]:
    started = perf_counter()
    luminance = decode().luminance
    decoded = perf_counter()
    drawn = read_drawing(luminance, state.classifier, state.line_reader)
    moments = measure_moments(drawn.image.reshape(1, NUM_PIXELS))
    seconds = perf_counter() - decoded
    return drawn.image, Reading(moments, drawn.probabilities[None], [drawn.reason], decoded - started, seconds)


def _read_page(
    state: ServiceState,
    decode: Callable[[], Picture],
    read: Callable[[NDArray[np.uint8], PageReader], PageReading],
) -> tuple[dict[str, object], Reading]:
    started = perf_counter()
    picture = decode()
    decoded = perf_counter()
    page = read(picture.luminance, state.page_reader)
    digits = [digit for line in page.lines for digit in line.digits]
    pixels = np.array([one.image for one in digits], np.uint8).reshape(-1, NUM_PIXELS)
    probabilities = np.array([one.probabilities for one in digits], np.float32).reshape(-1, NUM_CLASSES)
    reasons = [one.reason for one in digits]
    reading = Reading(measure_moments(pixels), probabilities, reasons, decoded - started, perf_counter() - decoded)
    lines = [_describe_line(line, index, picture.scale) for index, line in enumerate(page.lines)]
    answer: dict[str, object] = {
        "number": "\n".join(line.number for line in page.lines),
        "digits": [digit for line in lines for digit in line["digits"]],
        "lines": lines,
        "reason": page.reason,
        "orientation": page.orientation,
    }
    return answer, reading


def _describe_line(line: ReadLine, index: int, scale: int) -> dict[str, Any]:
    return {
        "number": line.number,
        "box": [side * scale for side in line.box],
        "angle": round(line.angle, 1),
        "accepted": line.accepted,
        "digits": [{**_describe_part(one, scale), "line": index} for one in line.digits],
    }


def _describe_part(part: ReadDigit, scale: int) -> dict[str, object]:
    return {
        "digit": part.digit,
        "confidence": part.probabilities[part.digit],
        "accepted": part.reason is None,
        "reason": part.reason,
        "box": [side * scale for side in part.box],
    }
