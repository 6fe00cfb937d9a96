"""`GET /metrics`: the service's numbers, for Prometheus."""

from fastapi import APIRouter, Request, Response

from app.middleware.metrics import METRICS_TYPE, get_metrics

router = APIRouter()


@router.get(
    "/metrics",
    summary="What happened so far, in numbers",
    response_class=Response,
    responses={
        200: {"description": "Prometheus's text format.", "content": {"text/plain": {"schema": {"type": "string"}}}},
    },
)
async def write_metrics(request: Request) -> Response:
    """Count requests, predictions and refusals, and measure the images, of all worker processes since they started."""
    return Response(get_metrics(request.app).write(), media_type=METRICS_TYPE)
