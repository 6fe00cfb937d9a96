"""`GET /model`: which model answers, and how it came about."""

from fastapi import APIRouter, Request, Response

from app.answers import answer_json, get_classifier
from app.openapi import document_errors
from app.schemas import ModelInfo
from app.server_errors import InternalError, ModelNotReadyError

router = APIRouter()


@router.get(
    "/model",
    summary="Which model answers?",
    responses={200: {"model": ModelInfo}, **document_errors(InternalError(), ModelNotReadyError())},
)
async def describe_model(request: Request) -> Response:
    """Tell the model's version, its file's SHA-256, its measured accuracy and its provenance, all from that file."""
    artifact = get_classifier(request).artifact
    metrics = artifact.provenance.get("metrics")
    accuracy = metrics.get("accuracy") if isinstance(metrics, dict) else None
    return answer_json(
        {
            "model": artifact.version,
            "sha256": artifact.sha256,
            "accuracy": accuracy,
            "provenance": artifact.provenance,
        }
    )
