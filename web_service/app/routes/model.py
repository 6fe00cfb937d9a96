"""`GET /model`: which models answer, and how they came about."""

from fastapi import APIRouter, Request, Response

from app.openapi.schemas import ModelInfo
from app.prediction.state import get_state
from app.routes.answers import answer_json
from digits.inference.classifier import Classifier
from digits.inference.line_reader import LineReader
from digits.inference.page_detector import PageDetector

router = APIRouter()


@router.get("/model", summary="Which model answers?", responses={200: {"model": ModelInfo}})
async def describe_model(request: Request) -> Response:
    """Tell each model's version, its file's SHA-256 and its provenance, and of the first its measured accuracy."""
    state = get_state(request.app)
    metrics = state.classifier.artifact.provenance.get("metrics")
    accuracy = metrics.get("accuracy") if isinstance(metrics, dict) else None
    lines, pages = _describe(state.line_reader), _describe(state.page_reader.detector)
    return answer_json({**_describe(state.classifier), "accuracy": accuracy, "lines": lines, "pages": pages})


def _describe(model: Classifier | LineReader | PageDetector) -> dict[str, object]:
    artifact = model.artifact
    return {
        "model": artifact.version,
        "sha256": artifact.sha256,
        "precision": model.precision,
        "provenance": artifact.provenance,
    }
