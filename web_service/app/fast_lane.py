"""A short way for the requests that come most.

FastAPI resolves dependencies and opens four stacks of contexts for each request, which for one image takes a quarter of
the time of its network. The routes stay with FastAPI for its OpenAPI document; the requests come here.
"""

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors.handlers import answer_refusal
from app.errors.refusals import ServiceError
from app.errors.server_faults import InternalError
from digits.errors import PixelError


class FastLane:
    """ASGI middleware that hands the POSTs of some paths to their functions, past everything between."""

    def __init__(self, app: ASGIApp, endpoints: Mapping[str, Callable[[Request], Awaitable[Response]]]) -> None:
        self._app = app
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is meant for an endpoint, pass on the rest."""
        endpoint = self._endpoints.get(scope["path"]) if scope["type"] == "http" else None
        if endpoint is None or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            answer = await endpoint(Request(scope, receive))
        except (ServiceError, PixelError) as error:
            answer = answer_refusal(error, scope)
        except ClientDisconnect:
            # Nobody is there to be answered.
            return
        except Exception:
            await answer_refusal(InternalError(), scope)(scope, receive, send)
            # uvicorn logs it.
            raise
        await answer(scope, receive, send)
