"""The one JSON shape of every error, and the handlers that answer with it."""

from typing import get_args

import orjson
from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import Scope

from app.errors.paths import is_open_inference, is_page
from app.errors.refusals import ServiceError
from digits.errors import DrawingError, PixelError

CLIENT_GONE = 499
"""The status in the log if a client went away before it was answered. nginx logs the same."""

Refusable = ServiceError | PixelError | DrawingError
_CONTENT_STATUS = 422
_PAGE_METHODS = ("GET", "HEAD")
_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


def get_status(error: Refusable) -> int:
    """Return the HTTP status; 422 if the content of a request is wrong."""
    return error.refusal.status if isinstance(error, ServiceError) else _CONTENT_STATUS


def describe_error(error: Refusable, path: str) -> dict[str, object]:
    """Return the answer's content in the shape that belongs to the path.

    The shape is `{"error": {"code": ..., "message": ..., "field": ..., "hint": ...}}`, but for the Open Inference
    Protocol, whose clients expect `{"error": "<text>"}`.
    """
    if is_open_inference(path):
        return {"error": f"{error.message} {error.hint}"}
    field = error.field if isinstance(error, PixelError) else None
    return {"error": {"code": error.code, "message": error.message, "field": field, "hint": error.hint}}


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
    if isinstance(error, Refusable | ClientDisconnect):
        # Its traceback leads to the frames that hold the body, and one of them, which awaited the worker thread, leads
        # back to it. So bodies would pile up until Python looks for such circles.
        error.__traceback__ = error.__cause__ = error.__context__ = None
    if isinstance(error, ClientDisconnect):
        # Nobody reads this answer. The log shows its status, and no traceback, because nothing went wrong here.
        return Response(status_code=CLIENT_GONE)
    refusal = error if isinstance(error, Refusable) else ServiceError("internal_error")
    scope["observation"].code = refusal.code
    headers = refusal.headers if isinstance(refusal, ServiceError) else None
    content = orjson.dumps(describe_error(refusal, scope["path"]))
    return Response(content, get_status(refusal), headers, media_type="application/json")


async def _handle(request: Request, error: Exception) -> Response:
    return answer_error(error, request.scope)


async def _handle_unknown_path(request: Request, error: Exception) -> Response:
    return answer_error(ServiceError("not_found", path=request.scope["path"]), request.scope)


async def _handle_method_not_allowed(request: Request, error: Exception) -> Response:
    path = request.scope["path"]
    allowed = _PAGE_METHODS if is_page(path) else _list_methods(request)
    values = {"path": path, "methods": " or ".join(allowed), "allow": ", ".join(allowed)}
    return answer_error(ServiceError("method_not_allowed", method=request.method, **values), request.scope)


def _list_methods(request: Request) -> list[str]:
    # Starlette names the methods of the first route that matches, but GET and HEAD of one path are two routes.
    routes = request.app.routes
    return [
        method
        for method in _METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]
