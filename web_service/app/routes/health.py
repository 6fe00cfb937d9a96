"""`GET /healthz`, `GET /readyz` and `GET /healthcheck`: whether the process is alive, and whether it wants requests."""

from fastapi import APIRouter, Request, Response

from app.openapi.schemas import Liveness, Readiness
from app.prediction.state import check_ready
from app.routes.answers import answer_json

router = APIRouter()


@router.get("/healthz", summary="Is the process alive?", responses={200: {"model": Liveness}})
@router.head("/healthz", include_in_schema=False)
async def report_liveness() -> Response:
    """For liveness probes: answers 200 whatever the model does."""
    return answer_json({"status": "alive"})


@router.get("/readyz", summary="Can it predict?", responses={200: {"model": Readiness}})
@router.head("/readyz", include_in_schema=False)
@router.get(
    "/healthcheck",
    summary="Can it predict? As /readyz, under the name that load balancers know",
    responses={200: {"model": Readiness}},
)
@router.head("/healthcheck", include_in_schema=False)
async def report_readiness(request: Request) -> Response:
    """For readiness probes and load balancers: 200 from when both models have read known digits to SIGTERM."""
    return answer_json({"status": "ready", "model": check_ready(request).classifier.artifact.version})
