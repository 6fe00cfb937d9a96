"""A port of its own for `/metrics`, which a load balancer does not reach."""

import asyncio
import multiprocessing
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Server

from app.errors.handlers import answer_error
from app.errors.paths import METRICS_PATH
from app.errors.refusals import ServiceError
from app.prediction.loading import refuse_to_start
from app.settings import ENV_PREFIX, Settings
from digits.errors import ConfigurationError


class MetricsPort:
    """ASGI middleware that answers `/metrics` on one port, and everything else on any other."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._port = port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what came to the right port; the rest is not found."""
        is_metrics_port = scope["type"] == "http" and scope["server"] is not None and scope["server"][1] == self._port
        if scope["type"] != "http" or is_metrics_port == (scope["path"] == METRICS_PATH):
            await self._app(scope, receive, send)
        else:
            await answer_error(ServiceError("not_found", path=scope["path"]), scope)(scope, receive, send)


@asynccontextmanager
async def listen_for_metrics(server: Server | None, settings: Settings) -> AsyncIterator[None]:
    """Let the server listen on the port of the metrics, too, if the operator has set one.

    A port that cannot be had ends the process with one line in the log.

    Args:
        server: That which runs this process; None if it is not uvicorn.
        settings: The operator's.
    """
    if settings.metrics_port is None:
        yield
        return
    if server is None:
        refuse_to_start(ConfigurationError(f"{ENV_PREFIX}METRICS_PORT: expected uvicorn as the server."))
    loop, config = asyncio.get_running_loop(), server.config

    def make_protocol() -> asyncio.Protocol:
        # As uvicorn itself does for its own port.
        return config.http_protocol_class(config=config, server_state=server.server_state, app_state={}, _loop=loop)  # type: ignore[call-arg]

    # All worker processes listen on it, and whichever is asked answers for all.
    is_worker = multiprocessing.parent_process() is not None
    try:
        listener = await loop.create_server(
            make_protocol, config.host, settings.metrics_port, reuse_port=is_worker or None
        )
    except OSError as error:
        received = f"{ENV_PREFIX}METRICS_PORT: received {settings.metrics_port}"
        refuse_to_start(ConfigurationError(f"{received}, expected a port that is free ({error.strerror})."))
    try:
        yield
    finally:
        # Without waiting for its connections, which the server has asked to end.
        listener.close()
