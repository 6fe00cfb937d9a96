"""The end of the process, in three steps: it is no longer ready, it answers its last requests, and the server stops.

SIGTERM alone would make uvicorn stop listening at once. A load balancer sends requests until its next health check. So
the service goes on for `drain_seconds`, while `/readyz` says that it is ending, and stops then. What cannot be finished
in uvicorn's `--timeout-graceful-shutdown` is answered 503 shortly before.
"""

import asyncio
import logging
import signal

from fastapi import FastAPI
from uvicorn import Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.middleware.connection import LimitedProtocol
from app.prediction.state import get_state
from app.settings import Settings

logger = logging.getLogger("uvicorn.error")

# The share of uvicorn's grace period after which what is left is answered 503; then there is time to send that.
_ANSWERED_SHARE = 0.9
# So long the requests of clients that are cut need to end by themselves.
_CUT_SECONDS = 0.1


def attend_server(app: FastAPI, settings: Settings) -> Server | None:
    """Let SIGTERM drain the server that runs this application, and give its connections their limits.

    When SIGTERM comes, the state's `is_draining` is set. Under a server other than uvicorn nothing happens.

    Returns:
        The server; None if it is not uvicorn.
    """
    server = _find_server()
    if server is None:
        return None
    # An operator may have chosen another protocol, such as --http h11.
    if server.config.http_protocol_class is HttpToolsProtocol:
        LimitedProtocol.settings, LimitedProtocol.service = settings, app
        server.config.http_protocol_class = LimitedProtocol
    loop = asyncio.get_running_loop()

    def stop() -> None:
        # The server's own handler would let the signal end the process, which then does not exit with 0.
        server.should_exit = True
        if server.config.timeout_graceful_shutdown is not None:
            loop.call_later(_ANSWERED_SHARE * server.config.timeout_graceful_shutdown, give_up)

    def give_up() -> None:
        if server.server_state.tasks:
            logger.warning("No time left for %d requests.", len(server.server_state.tasks))
        for connection in list(server.server_state.connections):
            if isinstance(connection, LimitedProtocol):
                connection.cut_if_unread()
        loop.call_later(_CUT_SECONDS, cancel)

    def cancel() -> None:
        # The limits answer 503 for a request that is cancelled.
        for task in list(server.server_state.tasks):
            task.cancel()

    def begin_to_drain() -> None:
        state = get_state(app)
        if state.is_draining:
            stop()
        else:
            state.is_draining = True
            logger.info("Told to end: no longer ready, still serving for %g s.", settings.drain_seconds)
            loop.call_later(settings.drain_seconds, stop)

    signal.signal(signal.SIGTERM, lambda signal_number, frame: loop.call_soon_threadsafe(begin_to_drain))
    return server


def _find_server() -> Server | None:
    """Return the uvicorn server that runs this process.

    uvicorn hands its server to nobody, but its handler of SIGTERM is a method of the server. That is so for the
    command, for its workers and for its reloader.
    """
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return server if isinstance(server, Server) else None
