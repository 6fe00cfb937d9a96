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
    for kind in (*get_args(Refusable), ClientDisconnect):
        app.add_exception_handler(kind, _handle)
    app.add_exception_handler(404, _handle_unknown_path)
    app.add_exception_handler(405, _handle_method_not_allowed)
    # Starlette raises such an exception again once it is answered, and uvicorn logs it.
    app.add_exception_handler(Exception, _handle)


def answer_error(error: Exception, scope: Scope) -> Response:
    """Return the answer to an error, in the shape that belongs to the path, and note its code for the log."""
    if isinstance(error, ClientDisconnect):
        # Nobody reads this answer. The log shows its status, and no traceback, because nothing went wrong here.
        return Response(status_code=CLIENT_GONE)
    refusal = error if isinstance(error, Refusable) else ServiceError("internal_error")
    scope["observation"].code = refusal.code
    headers = refusal.headers if isinstance(refusal, ServiceError) else None
    content = orjson.dumps(choose_shape(scope["path"])(refusal))
    return Response(content, get_status(refusal), headers, media_type="application/json")


def refuse_method(scope: Scope, allowed: Sequence[str]) -> ServiceError:
    """Return the error that names the methods that the path allows."""
    return ServiceError(
        "method_not_allowed",
        method=scope["method"],
        path=scope["path"],
        methods=" or ".join(allowed),
        allow=", ".join(allowed),
    )


async def _handle(request: Request, error: Exception) -> Response:
    return answer_error(error, request.scope)


async def _handle_unknown_path(request: Request, error: Exception) -> Response:
    return answer_error(ServiceError("not_found", path=request.scope["path"]), request.scope)


async def _handle_method_not_allowed(request: Request, error: Exception) -> Response:
    # Starlette names the methods of the first route that matches, but GET and HEAD of one path are two routes.
    routes = request.app.routes
    allowed = [
        method
        for method in _METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]
    return answer_error(refuse_method(request.scope, allowed), request.scope)
