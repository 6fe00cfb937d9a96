"""The end of the process: readiness goes first, then the requests, then the server.

SIGTERM alone makes uvicorn stop listening at once, while a load balancer still sends requests for as long as its health
check takes to notice. So the service goes on for `drain_seconds`, saying at `/readyz` that it leaves, and ends then.
"""

import asyncio
import logging
import signal
from types import FrameType

from fastapi import FastAPI
from uvicorn import Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.middleware.connection import PunctualProtocol
from app.prediction.state import get_state
from app.settings import Settings

logger = logging.getLogger("uvicorn.error")


def attend_server(app: FastAPI, settings: Settings) -> None:
    """Let SIGTERM drain the server that runs this application, and let the server hang up on those who send no request.

    Sets the state's `is_draining` when the time has come. Does nothing under another server than uvicorn.
    """
    server = _find_server()
    if server is None:
        return
    # Another protocol, such as --http h11, was chosen by somebody.
    if server.config.http_protocol_class is HttpToolsProtocol:
        PunctualProtocol.limit_seconds = settings.request_seconds
        server.config.http_protocol_class = PunctualProtocol
    loop = asyncio.get_running_loop()

    def end() -> None:
        # Not by the server's own handler: it would let the signal end the process, and not exit with 0.
        server.should_exit = True

    def begin() -> None:
        state = get_state(app)
        if state.is_draining:
            end()
            return
        state.is_draining = True
        logger.info("Told to end: no longer ready, still serving for %g s.", settings.drain_seconds)
        loop.call_later(settings.drain_seconds, end)

    def handle(signal_number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(begin)

    signal.signal(signal.SIGTERM, handle)


def _find_server() -> Server | None:
    """Return the server that runs this: uvicorn hands it to nobody, but its handler of SIGTERM is a method of it.

    So every way to start it is covered: the command, its workers and its reloader.
    """
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return server if isinstance(server, Server) else None
