"""`GET /metrics`, for Prometheus."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from app.errors.server_faults import InternalError
from app.middleware.metrics import Metrics
from app.openapi.examples import document_errors

router = APIRouter()


@router.get(
    "/metrics",
    summary="What happened so far, in numbers",
    response_class=Response,
    responses={
        200: {"description": "Prometheus's text format.", "content": {"text/plain": {"schema": {"type": "string"}}}},
        **document_errors(InternalError()),
    },
)
async def write_metrics(request: Request) -> Response:
    """Count requests, predictions and refusals, and measure the images, of this worker process since it started."""
    classifier = request.app.state.classifier
    metrics: Metrics = request.app.state.metrics
    return Response(metrics.write(classifier and classifier.artifact), media_type=CONTENT_TYPE_LATEST)
