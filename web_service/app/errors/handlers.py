"""The one JSON shape in which every refusal is answered, and who answers."""

from collections.abc import Callable, Mapping, Sequence
from typing import get_args

import orjson
from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import Scope

from app.errors.paths import is_open_inference
from app.errors.refusals import ServiceError
from digits.errors import DrawingError, PixelError

CLIENT_GONE = 499
"""What the log says, as nginx's does, of a client that went away before there was an answer."""

Refusable = ServiceError | PixelError | DrawingError
_CONTENT_STATUS = 422
_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


def get_status(error: Refusable) -> int:
    """Return the HTTP status; what is wrong with the content itself is 422."""
    return error.refusal.status if isinstance(error, ServiceError) else _CONTENT_STATUS


def summarise(error: Refusable) -> str:
    """Return when such an error is answered, in a sentence for the OpenAPI document."""
    return error.refusal.summary if isinstance(error, ServiceError) else (type(error).__doc__ or "").splitlines()[0]


def describe_error(error: Refusable) -> dict[str, dict[str, str | None]]:
    """Return the one shape: `{"error": {"code": ..., "message": ..., "field": ..., "hint": ...}}`."""
    field = error.field if isinstance(error, PixelError) else None
    return {"error": {"code": error.code, "message": error.message, "field": field, "hint": error.hint}}


def describe_protocol_error(error: Refusable) -> dict[str, str]:
    """Return the Open Inference Protocol's shape, which its clients expect: `{"error": "<text>"}`."""
    return {"error": f"{error.message} {error.hint}"}


def choose_shape(path: str) -> Callable[[Refusable], Mapping[str, object]]:
    """Return what describes an error in the shape that belongs to the path."""
    return describe_protocol_error if is_open_inference(path) else describe_error


def handle_errors(app: FastAPI) -> None:
    """Make every error of the application answer in the one shape."""
    for refusal in get_args(Refusable):
        app.add_exception_handler(refusal, _handle_refusal)
    app.add_exception_handler(404, _handle_unknown_path)
    app.add_exception_handler(405, _handle_method_not_allowed)
    app.add_exception_handler(ClientDisconnect, _handle_disconnect)
    # uvicorn logs the exception itself after this has answered.
    app.add_exception_handler(Exception, _handle_fault)


def refuse_method(scope: Scope, allowed: Sequence[str]) -> ServiceError:
    """Return the error that names the methods that the path allows."""
    return ServiceError(
        "method_not_allowed",
        method=scope["method"],
        path=scope["path"],
        methods=" or ".join(allowed),
        allow=", ".join(allowed),
    )


def answer_refusal(error: Refusable, scope: Scope) -> Response:
    """Return the error as an answer, in the shape that belongs to the path, and leave a note of it."""
    scope["observation"].code = error.code
    headers = error.headers if isinstance(error, ServiceError) else None
    return Response(
        orjson.dumps(choose_shape(scope["path"])(error)), get_status(error), headers, media_type="application/json"
    )


async def _handle_refusal(request: Request, error: Exception) -> Response:
    refusal = error if isinstance(error, Refusable) else ServiceError("internal_error")
    return answer_refusal(refusal, request.scope)


async def _handle_unknown_path(request: Request, error: Exception) -> Response:
    return answer_refusal(ServiceError("not_found", path=request.scope["path"]), request.scope)


async def _handle_method_not_allowed(request: Request, error: Exception) -> Response:
    # Starlette names the methods of the first route that matches only; GET and HEAD of one path are two routes.
    routes = request.app.routes
    allowed = [
        method
        for method in _METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]
    return answer_refusal(refuse_method(request.scope, allowed), request.scope)


async def _handle_disconnect(request: Request, error: Exception) -> Response:
    # The client went away: nobody reads this, the log does, and it is no fault worth a traceback.
    return Response(status_code=CLIENT_GONE)


async def _handle_fault(request: Request, error: Exception) -> Response:
    return answer_refusal(ServiceError("internal_error"), request.scope)
