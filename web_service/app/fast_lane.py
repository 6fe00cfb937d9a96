"""A short way for the one request that comes most.

FastAPI resolves dependencies and opens four stacks of contexts for each request, which for `POST /predict` takes a
quarter of the time of its network. The route stays with FastAPI for its OpenAPI document; the requests come here.
"""

from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.error_answers import answer_refusal
from app.errors import ServiceError
from digits.errors import PixelError


class FastLane:
    """ASGI middleware that hands the POSTs of one path to their function, past everything between."""

    def __init__(self, app: ASGIApp, path: str, endpoint: Callable[[Request], Awaitable[Response]]) -> None:
        self._app = app
        self._path = path
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is meant for the endpoint, pass on the rest."""
        if scope["type"] != "http" or scope["path"] != self._path or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            answer = await self._endpoint(Request(scope, receive))
        except (ServiceError, PixelError) as error:
            answer = answer_refusal(error, scope)
        except ClientDisconnect:
            # Nobody is there to be answered.
            return
        await answer(scope, receive, send)
