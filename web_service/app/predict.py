"""The web service. From the repository root: `uvicorn app.predict:app --app-dir web_service --port 9696`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import numpy as np
from anyio import CapacityLimiter
from fastapi import APIRouter, FastAPI, Request, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from app.errors.handlers import handle_errors
from app.errors.server_faults import InternalError, ModelNotReadyError, ShuttingDownError
from app.fast_lane import FastLane
from app.middleware.access_log import Observer, take_over_access_log
from app.middleware.limits import Guard
from app.middleware.metrics import Metrics
from app.middleware.shutdown import attend_server
from app.openapi.examples import document_errors, document_row, list_predict_errors, restore_nulls
from app.openapi.live_limits import show_settings
from app.openapi.schemas import Liveness, Prediction, Readiness
from app.prediction.batching import Gatherer, read_few_images
from app.prediction.loading import refuse_to_start, start_loading
from app.prediction.run import Pixels
from app.requests.body import parse_json, read_json_body
from app.routes import batch, open_inference, page, pictures
from app.routes import metrics as metrics_route
from app.routes import model as model_info
from app.routes.answers import answer_json, describe_digit, get_classifier
from app.settings import DEFAULTS, Settings, read_settings
from digits.data.pixel_json import parse_row, read_row_text
from digits.errors import ConfigurationError

DESCRIPTION = """Reads handwritten digits, from drawings, photos or 784 grey levels.

Every error has the shape `{"error": {"code", "message", "field", "hint"}}`, but below `/v2`, where the Open Inference
Protocol has `{"error": "<text>"}`. Beside those listed with each request, an unknown path answers 404 `not_found`, a
wrong method 405 `method_not_allowed`, a body that comes too slowly 408 `request_timeout`, a request beyond those that
are taken at once 503 `overloaded`, and, where the operator asks for a key, a request without it 401 `unauthorized`."""

READINESS_ERRORS = (InternalError(), ModelNotReadyError(), ShuttingDownError())

router = APIRouter()


@router.post(
    "/predict",
    summary="Read one digit",
    responses={200: {"model": Prediction}, **document_errors(*list_predict_errors())},
    openapi_extra=document_row(),
)
async def predict(request: Request) -> Response:
    """Send `{"pixel0": 0, ..., "pixel783": 0}`, in any key order, and get the digit that it shows."""
    classifier = get_classifier(request)
    body = await read_json_body(request, request.app.state.settings.max_body_bytes)
    reading = await read_few_images(request, partial(_parse_row, body))
    answer = describe_digit(reading.probabilities[0], reading.reasons[0])
    return answer_json({**answer, "model": classifier.artifact.version})


@router.get("/healthz", summary="Is the process alive?", responses={200: {"model": Liveness}})
@router.head("/healthz", include_in_schema=False)
async def report_liveness() -> Response:
    """For liveness probes: answers 200 whatever the model does."""
    return answer_json({"status": "alive"})


@router.get(
    "/readyz",
    summary="Can it predict?",
    responses={200: {"model": Readiness}, **document_errors(*READINESS_ERRORS)},
)
@router.head("/readyz", include_in_schema=False)
@router.get(
    "/healthcheck",
    summary="Can it predict? As /readyz, under the name that load balancers know",
    responses={200: {"model": Readiness}, **document_errors(*READINESS_ERRORS)},
)
@router.head("/healthcheck", include_in_schema=False)
async def report_readiness(request: Request) -> Response:
    """For readiness probes and load balancers: 200 from when both models have read known digits to SIGTERM."""
    if request.app.state.is_draining:
        raise ShuttingDownError
    return answer_json({"status": "ready", "model": get_classifier(request).artifact.version})


def _parse_row(body: bytearray) -> Pixels:
    row = read_row_text(body)
    return (parse_row(parse_json(body)) if row is None else row)[np.newaxis]


def _list_routers() -> list[APIRouter]:
    others = (batch, pictures, model_info, open_inference, metrics_route, page)
    return [router, *(module.router for module in others)]


@asynccontextmanager
async def _run(app: FastAPI) -> AsyncIterator[None]:
    try:
        app.state.settings = app.state.settings or read_settings()
    except ConfigurationError as error:
        refuse_to_start(error)
    app.state.is_logging = take_over_access_log(app.state.settings)
    attend_server(app, app.state.settings)
    start_loading(app, app.state.settings)
    yield


class DigitsService(FastAPI):
    """The application; its OpenAPI document is exact to the nulls, and every answer is observed."""

    def build_middleware_stack(self) -> ASGIApp:
        """Put observer, guard and fast lane round everything, faults included."""
        routes = [*self.routes, *(route for one in _list_routers() for route in one.routes)]
        paths = frozenset(route.path for route in routes if isinstance(route, Route))
        endpoints = {"/predict": predict, "/predict/batch": batch.predict_batch}
        return Observer(Guard(FastLane(super().build_middleware_stack(), endpoints)), paths)

    def openapi(self) -> dict[str, Any]:
        """Return the document, made at the first call: by then the settings are known."""
        if not self.openapi_schema:
            openapi = super().openapi()
            restore_nulls(openapi)
            show_settings(openapi, self.state.settings or DEFAULTS)
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
        # Metrics and log are the observer's; OpenTelemetry's spans remain, for who sets it up.
        telemetry={"metrics": False, "logs": False},
    )
    app.state.settings = settings
    app.state.classifier = None
    app.state.line_reader = None
    app.state.metrics = Metrics()
    app.state.is_logging = False
    app.state.batch_lane = CapacityLimiter(1)
    app.state.gatherer = Gatherer()
    app.state.is_draining = False
    for one in _list_routers():
        app.include_router(one)
    app.mount(page.STATIC_PATH, page.files)
    handle_errors(app)
    return app


app = create_app()
