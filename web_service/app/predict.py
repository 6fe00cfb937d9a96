"""The web service. From the repository root: `uvicorn app.predict:app --app-dir web_service --port 9696`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import orjson
from fastapi import APIRouter, FastAPI, Request, Response

from app.body import read_json
from app.errors import InternalError, ModelNotReadyError, handle_errors
from app.loading import refuse_to_start, start_loading
from app.openapi import document_errors, document_row, list_predict_errors, restore_nulls
from app.schemas import Liveness, Prediction, Readiness
from app.settings import Settings, read_settings
from digits.classifier import Classifier
from digits.errors import ConfigurationError
from digits.images import make_batch, parse_row

DESCRIPTION = """Reads one handwritten digit from 784 grey levels.

Every error, on every path, has the shape `{"error": {"code", "message", "field", "hint"}}`; beside those listed with
each request, an unknown path answers 404 `not_found` and a wrong method 405 `method_not_allowed`."""

router = APIRouter()


@router.post(
    "/predict",
    summary="Read one digit",
    responses={200: {"model": Prediction}, **document_errors(*list_predict_errors())},
    openapi_extra=document_row(),
)
async def predict(request: Request) -> Response:
    """Send `{"pixel0": 0, ..., "pixel783": 0}`, in any key order, and get the digit that it shows."""
    classifier = _get_classifier(request)
    row = parse_row(await read_json(request, request.app.state.settings.max_body_bytes))
    # Here and not in a worker thread: one image takes less time than the way to a thread and back.
    probabilities = classifier.predict(make_batch(row[np.newaxis]))[0]
    digit = int(probabilities.argmax())
    return _answer(
        {
            "digit": digit,
            "confidence": probabilities[digit],
            "probabilities": probabilities,
            "model": classifier.artifact.version,
        }
    )


@router.get("/healthz", summary="Is the process alive?", responses={200: {"model": Liveness}})
@router.head("/healthz", include_in_schema=False)
async def report_liveness() -> Response:
    """For liveness probes: answers 200 whatever the model does."""
    return _answer({"status": "alive"})


@router.get(
    "/readyz",
    summary="Can it predict?",
    responses={200: {"model": Readiness}, **document_errors(InternalError(), ModelNotReadyError())},
)
@router.head("/readyz", include_in_schema=False)
@router.get(
    "/healthcheck",
    summary="Can it predict? As /readyz, under the name that load balancers know",
    responses={200: {"model": Readiness}, **document_errors(InternalError(), ModelNotReadyError())},
)
@router.head("/healthcheck", include_in_schema=False)
async def report_readiness(request: Request) -> Response:
    """For readiness probes and load balancers: answers 200 once the model has read a known digit correctly."""
    return _answer({"status": "ready", "model": _get_classifier(request).artifact.version})


def _get_classifier(request: Request) -> Classifier:
    classifier: Classifier | None = request.app.state.classifier
    if classifier is None:
        raise ModelNotReadyError
    return classifier


def _answer(content: dict[str, object]) -> Response:
    return Response(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")


@asynccontextmanager
async def _run(app: FastAPI) -> AsyncIterator[None]:
    try:
        app.state.settings = app.state.settings or read_settings()
    except ConfigurationError as error:
        refuse_to_start(error)
    start_loading(app, app.state.settings)
    yield


class DigitsService(FastAPI):
    """The application; its OpenAPI document is exact to the nulls."""

    def openapi(self) -> dict[str, Any]:
        """Return the document, made at the first call."""
        if not self.openapi_schema:
            restore_nulls(super().openapi())
        return super().openapi()


def create_app(settings: Settings | None = None) -> FastAPI:
    """Make the application; it loads its model when a server starts it.

    Args:
        settings: Read from the environment at that time if None.
    """
    app = DigitsService(
        title="Handwritten digits",
        version="0.1.0",
        description=DESCRIPTION,
        lifespan=_run,
        redirect_slashes=False,
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.classifier = None
    app.include_router(router)
    handle_errors(app)
    return app


app = create_app()
