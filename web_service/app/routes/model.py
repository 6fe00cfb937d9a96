"""`GET /model`: which models answer, and how they came about."""

from fastapi import APIRouter, Request, Response

from app.openapi.schemas import ModelInfo
from app.prediction.state import get_state
from app.routes.answers import answer_json
from digits.inference.artifact import Artifact

router = APIRouter()


@router.get("/model", summary="Which model answers?", responses={200: {"model": ModelInfo}})
async def describe_model(request: Request) -> Response:
    """Tell each model's version, its file's SHA-256 and its provenance, and of the first its measured accuracy."""
    state = get_state(request.app)
    artifact = state.classifier.artifact
    metrics = artifact.provenance.get("metrics")
    accuracy = metrics.get("accuracy") if isinstance(metrics, dict) else None
    lines = _describe_file(state.line_reader.artifact)
    pages = _describe_file(state.page_reader.detector.artifact)
    return answer_json({**_describe_file(artifact), "accuracy": accuracy, "lines": lines, "pages": pages})


def _describe_file(artifact: Artifact) -> dict[str, object]:
    return {"model": artifact.version, "sha256": artifact.sha256, "provenance": artifact.provenance}
