"""`GET /metrics`, for Prometheus."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from app.middleware.metrics import get_metrics
from app.openapi.examples import document_errors
from app.prediction.state import get_state

router = APIRouter()


@router.get(
    "/metrics",
    summary="What happened so far, in numbers",
    response_class=Response,
    responses={
        200: {"description": "Prometheus's text format.", "content": {"text/plain": {"schema": {"type": "string"}}}},
        **document_errors("/metrics"),
    },
)
async def write_metrics(request: Request) -> Response:
    """Count requests, predictions and refusals, and measure the images, of this worker process since it started."""
    artifact = get_state(request.app).classifier.artifact
    return Response(get_metrics(request.app).write(artifact), media_type=CONTENT_TYPE_LATEST)
