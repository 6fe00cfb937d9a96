"""Around every request: its id, its place in the metrics, and its line in the access log."""

import io
import logging
import os
import re
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from time import perf_counter

import orjson
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors.handlers import CLIENT_GONE
from app.errors.refusals import ErrorCode
from app.middleware.metrics import get_metrics
from app.prediction.reading import Observation
from app.prediction.state import get_state
from app.settings import Settings

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
# https://www.w3.org/TR/trace-context/: version, trace, parent and flags. A trace of zeros is invalid.
_TRACE_PARENT = re.compile(rb"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
# The log shows this many characters of a path.
_CHARS_SHOWN = 128
_STANDARD_OUTPUT, _STANDARD_ERROR = 1, 2

UNREAD = "is_unread"
"""Stands in the scope of a request whose client was cut because it did not read its answer."""


class AccessLog:
    """ASGI middleware, the outermost of all, so that faults and refusals are logged and counted, too."""

    def __init__(self, app: ASGIApp, paths: frozenset[str]) -> None:
        """Wrap an application.

        Args:
            app: The application.
            paths: The paths that are counted by name.
        """
        self._app = app
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and note how it ended."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        request_id = _choose_request_id(scope["headers"])
        observation = scope["observation"] = Observation()
        metrics = get_metrics(scope["app"])
        status = CLIENT_GONE

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id)]
            await send(message)

        metrics.num_in_flight.inc()
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            metrics.num_in_flight.dec()
            seconds = perf_counter() - started
            # The answer has begun, but its client did not take it.
            status = CLIENT_GONE if UNREAD in scope else status
            # Clients could fill the memory with counts, if paths and methods that they make up had counts of their own.
            is_known = scope["path"] in self._paths
            route, method = (scope["path"], scope["method"]) if is_known else ("other", "other")
            metrics.count_request(route, method, status, observation.code, seconds)
            if observation.reading is not None:
                metrics.count_reading(observation.reading, seconds)
            if get_state(scope["app"]).is_logging:
                line = {"method": scope["method"], "path": scope["path"][:_CHARS_SHOWN], "status": status}
                images = len(observation.reading.probabilities) if observation.reading else 0
                line |= {"milliseconds": _to_milliseconds(seconds), "images": images, "error": observation.code}
                client = scope.get("client")
                if not _write_line(request_id.decode(), client[0] if client else None, line):
                    metrics.count_dropped_line()


def note_without_request(app: FastAPI, client: str | None, status: int, code: ErrorCode | None, seconds: float) -> bool:
    """Count what a connection was ended for before, or after, the application knew of a request, and log it.

    Args:
        app: The application.
        client: The client's address.
        status: What it was answered, or would have been if an answer could be told from those before it.
        code: That of the error; None for a client that is cut because it does not read.
        seconds: Since the request's first byte, or since the answer that is not read.

    Returns:
        Whether the access log is this one, and has the line.
    """
    metrics = get_metrics(app)
    metrics.count_request("other", "other", status, code, seconds)
    if not get_state(app).is_logging:
        return False
    line = {"method": None, "path": None, "status": status, "milliseconds": _to_milliseconds(seconds)}
    if not _write_line(None, client, {**line, "images": 0, "error": code}):
        metrics.count_dropped_line()
    return True


def take_over_access_log(settings: Settings) -> bool:
    """Silence uvicorn's own access log if this service writes JSON in its place, and return whether it does.

    `--no-access-log` silences both.
    """
    access_log = logging.getLogger("uvicorn.access")
    if settings.log_format != "json" or not access_log.hasHandlers():
        return False
    # uvicorn makes no line at all while its logger has no handlers.
    access_log.handlers.clear()
    access_log.propagate = False
    return True


class _LossyPipe(io.TextIOBase):
    """Writes to a pipe what fits into it, for a handler of Python's logging."""

    def __init__(self, descriptor: int, count_dropped_line: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._count_dropped_line = count_dropped_line
        # Opened anew, so that other programs that write to the pipe may still wait for its reader.
        with suppress(OSError):
            own = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK)
            os.dup2(own, descriptor)
            os.close(own)
        os.set_blocking(descriptor, False)

    def write(self, text: str) -> int:
        """Write a line, or count it as dropped."""
        try:
            return os.write(self._descriptor, text.encode())
        except OSError:
            self._count_dropped_line()
            return 0

    def flush(self) -> None:
        """Nothing is kept."""


def keep_logs_from_blocking(count_dropped_line: Callable[[], None]) -> None:
    """Let lines be dropped where standard output and error are pipes that nobody reads.

    A full pipe would stop whoever writes the next line, and so all requests.

    Args:
        count_dropped_line: Is called for each line of uvicorn's own that is dropped.
    """
    pipes = {
        stream: _LossyPipe(descriptor, count_dropped_line)
        for descriptor, stream in ((_STANDARD_OUTPUT, sys.stdout), (_STANDARD_ERROR, sys.stderr))
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    }
    for name in ("uvicorn", "uvicorn.access"):
        for handler in logging.getLogger(name).handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream in pipes:
                handler.setStream(pipes[handler.stream])


def _choose_request_id(headers: list[tuple[bytes, bytes]]) -> bytes:
    given = dict(headers)
    request_id = given.get(b"x-request-id")
    if request_id is not None and _REQUEST_ID.fullmatch(request_id):
        return request_id
    trace_parent = given.get(b"traceparent")
    if trace_parent is not None and (found := _TRACE_PARENT.fullmatch(trace_parent)):
        return found[1]
    return os.urandom(16).hex().encode()


def _to_milliseconds(seconds: float) -> float:
    return round(1000 * seconds, 3)


def _write_line(request_id: str | None, client: str | None, line: dict[str, object]) -> bool:
    """Write one line, and return whether it could be written.

    It holds nothing of what was sent, and of the path no more than is needed to find it.
    """
    line = {"time": datetime.now(UTC), "request_id": request_id, "client": client, **line}
    # One write a line, so that the lines of several workers do not mix. A request must not fail because the reader of
    # the log has gone away.
    with suppress(OSError):
        os.write(_STANDARD_OUTPUT, orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
        return True
    return False
