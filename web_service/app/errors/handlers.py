"""The one JSON shape in which every refusal is answered, and who answers."""

from collections.abc import Callable, Mapping
from typing import get_args

import orjson
from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import Scope

from app.errors.paths import is_open_inference
from app.errors.refusals import MethodNotAllowedError, ServiceError, UnknownPathError
from app.errors.server_faults import InternalError
from digits.errors import DrawingError, PixelError

CLIENT_GONE = 499
"""What the log says, as nginx's does, of a client that went away before there was an answer."""

Refusal = ServiceError | PixelError | DrawingError
_CONTENT_STATUS = 422
_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


def get_status(error: Refusal) -> int:
    """Return the HTTP status; what is wrong with the content itself is 422."""
    return error.status if isinstance(error, ServiceError) else _CONTENT_STATUS


def describe_error(error: Refusal) -> dict[str, dict[str, str | None]]:
    """Return the one shape: `{"error": {"code": ..., "message": ..., "field": ..., "hint": ...}}`."""
    field = None if isinstance(error, DrawingError) else error.field
    return {"error": {"code": error.code, "message": error.message, "field": field, "hint": error.hint}}


def describe_protocol_error(error: Refusal) -> dict[str, str]:
    """Return the Open Inference Protocol's shape, which its clients expect: `{"error": "<text>"}`."""
    return {"error": f"{error.message} {error.hint}"}


def choose_shape(path: str) -> Callable[[Refusal], Mapping[str, object]]:
    """Return what describes an error in the shape that belongs to the path."""
    return describe_protocol_error if is_open_inference(path) else describe_error


def handle_errors(app: FastAPI) -> None:
    """Make every error of the application answer in the one shape."""
    for refusal in get_args(Refusal):
        app.add_exception_handler(refusal, _handle_refusal)
    app.add_exception_handler(404, _handle_unknown_path)
    app.add_exception_handler(405, _handle_method_not_allowed)
    app.add_exception_handler(ClientDisconnect, _handle_disconnect)
    # uvicorn logs the exception itself after this has answered.
    app.add_exception_handler(Exception, _handle_fault)


def answer_refusal(error: Refusal, scope: Scope) -> Response:
    """Return the error as an answer, in the shape that belongs to the path, and leave a note of it."""
    scope["observation"].code = error.code
    headers = error.headers if isinstance(error, ServiceError) else None
    return Response(
        orjson.dumps(choose_shape(scope["path"])(error)), get_status(error), headers, media_type="application/json"
    )


async def _handle_refusal(request: Request, error: Exception) -> Response:
    refusal = error if isinstance(error, Refusal) else InternalError()
    return answer_refusal(refusal, request.scope)


async def _handle_unknown_path(request: Request, error: Exception) -> Response:
    return answer_refusal(UnknownPathError(request.scope["path"]), request.scope)


async def _handle_method_not_allowed(request: Request, error: Exception) -> Response:
    # Starlette names the methods of the first route that matches only; GET and HEAD of one path are two routes.
    routes = request.app.routes
    allowed = [
        method
        for method in _METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]
    return answer_refusal(MethodNotAllowedError(request.method, request.scope["path"], allowed), request.scope)


async def _handle_disconnect(request: Request, error: Exception) -> Response:
    # The client went away: nobody reads this, the log does, and it is no fault worth a traceback.
    return Response(status_code=CLIENT_GONE)


async def _handle_fault(request: Request, error: Exception) -> Response:
    return answer_refusal(InternalError(), request.scope)
