"""Round every request: its id, its place in the metrics, and its line in the log."""

import logging
import os
import re
from contextlib import suppress
from datetime import UTC, datetime
from time import perf_counter

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors.handlers import CLIENT_GONE
from app.middleware.metrics import get_metrics
from app.prediction.reading import Observation
from app.prediction.state import get_state
from app.settings import Settings

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
# https://www.w3.org/TR/trace-context/: version, trace, parent, flags. A trace of zeros is none.
_TRACE_PARENT = re.compile(rb"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
_CHARS_SHOWN = 128
_STANDARD_OUTPUT = 1


class AccessLog:
    """ASGI middleware, outside of everything else: it sees faults and refusals, too."""

    def __init__(self, app: ASGIApp, routes: frozenset[str]) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and note how it ended."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        request_id = _choose_request_id(scope["headers"])
        observation = scope["observation"] = Observation()
        status = CLIENT_GONE

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id)]
            await send(message)

        metrics = get_metrics(scope["app"])
        metrics.num_in_flight.inc()
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            metrics.num_in_flight.dec()
            self._note(scope, observation, request_id, status, perf_counter() - started)

    def _note(self, scope: Scope, observation: Observation, request_id: bytes, status: int, seconds: float) -> None:
        # Paths and methods that a client made up must not fill the memory with counts.
        route = scope["path"] if scope["path"] in self._routes else "other"
        method = scope["method"] if route != "other" else "other"
        metrics = get_metrics(scope["app"])
        metrics.count_request(route, method, status, observation.code, seconds)
        reading = observation.reading
        if reading is not None:
            metrics.count_reading(reading, seconds)
        if get_state(scope["app"]).is_logging:
            _write_line(scope, observation, request_id, status, seconds)


def take_over_access_log(settings: Settings) -> bool:
    """Whether to write JSON in place of uvicorn's own lines, which are silenced then.

    `--no-access-log` silences both.
    """
    access_log = logging.getLogger("uvicorn.access")
    if settings.log_format != "json" or not access_log.hasHandlers():
        return False
    # uvicorn asks for handlers before it makes a line, so nothing is made for nobody.
    access_log.handlers.clear()
    access_log.propagate = False
    return True


def _choose_request_id(headers: list[tuple[bytes, bytes]]) -> bytes:
    given = dict(headers)
    request_id = given.get(b"x-request-id")
    if request_id is not None and _REQUEST_ID.fullmatch(request_id):
        return request_id
    trace_parent = given.get(b"traceparent")
    if trace_parent is not None and (found := _TRACE_PARENT.fullmatch(trace_parent)):
        return found[1]
    return os.urandom(16).hex().encode()


def _write_line(scope: Scope, observation: Observation, request_id: bytes, status: int, seconds: float) -> None:
    """Write one line; never what was sent, and of the path no more than is needed to find it."""
    client = scope.get("client")
    line = {
        "time": datetime.now(UTC),
        "request_id": request_id.decode(),
        "client": client[0] if client else None,
        "method": scope["method"],
        "path": scope["path"][:_CHARS_SHOWN],
        "status": status,
        "milliseconds": round(1000 * seconds, 3),
        "images": len(observation.reading.probabilities) if observation.reading else 0,
        "error": observation.code,
    }
    # At once and whole, and a reader of the log who is gone is no reason to fail.
    with suppress(OSError):
        os.write(_STANDARD_OUTPUT, orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
