"""The web service. From the repository root: `uvicorn app.predict:app --app-dir web_service --port 9696`."""

import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from fastapi import APIRouter, FastAPI, Request, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors.handlers import answer_error, handle_errors
from app.errors.paths import STATIC_PATH
from app.middleware.access_log import AccessLog, keep_logs_from_blocking, take_over_access_log
from app.middleware.cross_origin import allow_origins
from app.middleware.limits import Limits
from app.middleware.metrics import Metrics
from app.middleware.metrics_folder import has_live_workers
from app.middleware.metrics_port import MetricsPort, listen_for_metrics
from app.middleware.shutdown import attend_server
from app.openapi.document import complete_document
from app.openapi.schemas import Prediction
from app.prediction.loading import load_models, refuse_to_start
from app.prediction.reading import Pixels
from app.prediction.run import read_few_images
from app.prediction.state import ServiceState, get_state
from app.requests.body import parse_json, read_json_body
from app.routes import batch, health, model, open_inference, page, pictures
from app.routes import metrics as metrics_route
from app.routes.answers import answer_json, describe_digit
from app.settings import Settings, read_settings
from digits.data.pixel_json import parse_row, read_row_text
from digits.errors import ConfigurationError

DESCRIPTION = """Reads handwritten digits, from drawings, photos or 784 grey levels.

Every error has the shape `{"error": {"code", "message", "field", "hint"}}`, but below `/v2`, where the Open Inference
Protocol has `{"error": "<text>"}`. Beside those listed with each request, an unknown path answers 404 `not_found`, a
wrong method 405 `method_not_allowed`, a body that comes too slowly 408 `request_timeout`, a request beyond those that
are taken at once 503 `overloaded`, a batch or picture that would wait too long 503 `wait_too_long`, one with headers
without end 431 `headers_too_large`, what is no HTTP/1.1 400 `invalid_http`, and, where the operator asks for a key, a
request without it 401 `unauthorized`."""

# FastAPI puts this into the scope of a request that has a span.
_TRACED = "fastapi.telemetry"

router = APIRouter()


@router.post("/predict", summary="Read one digit", responses={200: {"model": Prediction}})
async def predict(request: Request) -> Response:
    """Send `{"pixel0": 0, ..., "pixel783": 0}`, in any key order, and get the digit that it shows."""
    state = get_state(request.app)
    body = await read_json_body(request, state.settings.max_body_bytes)
    reading = await read_few_images(request, partial(_parse_row, body))
    answer = describe_digit(reading.probabilities[0], reading.reasons[0])
    return answer_json({**answer, "model": state.classifier.artifact.version})


def _parse_row(body: bytearray) -> Pixels:
    row = read_row_text(body)
    return (parse_row(parse_json(body)) if row is None else row)[np.newaxis]


ROUTERS = (router, *(module.router for module in (health, batch, pictures, model, open_inference, metrics_route, page)))


@asynccontextmanager
async def _run(app: "DigitsService") -> AsyncIterator[None]:
    """Load the models before the server takes its first connection, and let SIGTERM end the server in order."""
    try:
        settings = app.settings = app.settings or read_settings()
    except ConfigurationError as error:
        refuse_to_start(error)
    is_logging = take_over_access_log(settings)
    server = attend_server(app, settings)
    page_reader = load_models(settings, has_healthy_siblings=has_live_workers())
    metrics = app.state.metrics = Metrics(page_reader.classifier.artifact)
    keep_logs_from_blocking(metrics.count_dropped_line)
    app.state.service = ServiceState(settings, page_reader, is_logging)
    # The stack stands already, because this function runs inside it. What the settings add to it is known only now.
    app.middleware_stack = app.build_middleware_stack()
    # What the imports and the models have made stays until the end. A full collection of garbage would look at all of
    # it, and requests would wait for 30 ms.
    gc.collect()
    gc.freeze()
    try:
        async with listen_for_metrics(server, settings):
            yield
    finally:
        gc.unfreeze()


class DirectRoutes:
    """ASGI middleware that hands the POSTs of some paths to their functions, past FastAPI's routing.

    FastAPI resolves dependencies and opens four stacks of contexts for each request: 97 µs on top of the 311 µs that a
    row takes here. FastAPI still knows the routes, for its OpenAPI document. Where somebody collects OpenTelemetry's
    spans, it routes all requests, because it names a span's route only then.
    """

    def __init__(self, app: ASGIApp, endpoints: Mapping[str, Callable[[Request], Awaitable[Response]]]) -> None:
        self._app = app
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is meant for an endpoint, and pass on the rest."""
        endpoint = self._endpoints.get(scope["path"]) if scope["type"] == "http" else None
        if endpoint is None or scope["method"] != "POST" or _TRACED in scope:
            await self._app(scope, receive, send)
            return
        try:
            answer = await endpoint(Request(scope, receive))
        except Exception as error:
            answer = answer_error(error, scope)
            if answer.status_code == 500:
                await answer(scope, receive, send)
                # uvicorn logs the fault.
                raise
        await answer(scope, receive, send)


class DigitsService(FastAPI):
    """The application.

    Attributes:
        settings: The operator's settings; None until a server starts the application, if none were given.
    """

    settings: Settings | None = None

    def build_middleware_stack(self) -> ASGIApp:
        """Put access log, limits and direct routes around everything, so that they see faults as well.

        What the operator has not asked for is left out, and so costs nothing.
        """
        routes = chain(self.routes, *(one.routes for one in ROUTERS))
        paths = frozenset(route.path for route in routes if isinstance(route, Route))
        endpoints = {"/predict": predict, "/predict/batch": batch.predict_batch}
        stack: ASGIApp = DirectRoutes(super().build_middleware_stack(), endpoints)
        if self.settings and self.settings.metrics_port is not None:
            stack = MetricsPort(stack, self.settings.metrics_port)
        stack = Limits(stack)
        if self.settings and self.settings.cors_origins:
            stack = allow_origins(stack, self.settings.cors_origins)
        return AccessLog(stack, paths)

    def openapi(self) -> dict[str, Any]:
        """Return the document with the limits of the settings; the first call makes it."""
        if not self.openapi_schema:
            complete_document(super().openapi(), self.settings or Settings.model_construct())
        return super().openapi()


def create_app(settings: Settings | None = None) -> FastAPI:
    """Make the application; it loads its models when a server starts it.

    Args:
        settings: The settings; if None, they are read from the environment when a server starts the application.
    """
    app = DigitsService(
        title="Handwritten digits",
        version="0.1.0",
        description=DESCRIPTION,
        lifespan=_run,
        redirect_slashes=False,
        openapi_url=None,  # The routes answer with it, too; FastAPI would write it anew for each request.
        docs_url=None,  # The routes have a page of their own, without scripts from elsewhere.
        redoc_url=None,
        # This project has its own metrics and log. OpenTelemetry's spans remain, for whoever sets it up.
        telemetry={"metrics": False, "logs": False},
    )
    app.settings = settings
    for one in ROUTERS:
        app.include_router(one)
    app.mount(STATIC_PATH, page.files)
    handle_errors(app)
    return app


app = create_app()
