"""`POST /predict/batch`: many images in one request, as JSON, as bytes or as CSV."""

from functools import partial

from fastapi import APIRouter, Request, Response

from app.errors.refusals import FEWER_IMAGES
from app.openapi.schemas import BatchPrediction
from app.prediction.run import read_images
from app.prediction.state import get_state
from app.requests.body import read_body
from app.requests.images import choose_parser
from app.routes.answers import answer_json, describe_digit

router = APIRouter()


@router.post("/predict/batch", summary="Read many digits", responses={200: {"model": BatchPrediction}})
async def predict_batch(request: Request) -> Response:
    """Send images as JSON, as bytes or as CSV, and get their digits in the same order.

    One image that is wrong refuses the whole batch; the error's `field` names it, as `images[3].pixel12`.
    """
    parse = choose_parser(request.headers.get("content-type"))
    state = get_state(request.app)
    body = await read_body(request, state.settings.max_batch_body_bytes, FEWER_IMAGES)
    reading = await read_images(request, len(body), partial(parse, body, state.settings.max_batch_images))
    predictions = [describe_digit(*one) for one in zip(reading.probabilities, reading.reasons, strict=True)]
    return answer_json({"predictions": predictions, "model": state.classifier.artifact.version})
