"""What every request passes first: the key, the number in flight, the time in which its body must come."""

import asyncio
import hmac
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors.handlers import answer_refusal
from app.errors.paths import HEALTH_PATHS, needs_key
from app.errors.refusals import ServiceError
from app.prediction.state import get_state
from app.settings import Settings


class Limits:
    """ASGI middleware; plain, because the usual base class costs every request a task of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._num_in_flight = 0
        self._bodies = Bodies()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, or let it through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = get_state(scope["app"])
        exchange = Exchange(scope, receive, send, state.settings, state.is_draining, self._bodies)
        if scope["path"] in HEALTH_PATHS:
            await self._app(scope, exchange.receive, exchange.send)
            return
        self._num_in_flight += 1
        try:
            if refusal := self._find_refusal(scope, state.settings):
                await answer_refusal(refusal, scope)(scope, exchange.receive, exchange.send)
                return
            # Twice round the event loop: once for all that came at the same time to be counted before the first of
            # them is computed, and once to hear which clients have gone away meanwhile.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await self._app(scope, exchange.receive, exchange.send)
        finally:
            self._num_in_flight -= 1
            exchange.release()

    def _find_refusal(self, scope: Scope, settings: Settings) -> ServiceError | None:
        if self._num_in_flight > settings.max_in_flight:
            return ServiceError("overloaded", limit=settings.max_in_flight, unit="requests")
        if settings.api_key is None or not needs_key(scope["path"]):
            return None
        return None if _has_key(scope, settings.api_key.get_secret_value()) else ServiceError("unauthorized")


def _has_key(scope: Scope, key: str) -> bool:
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    expected = b"bearer " + key.encode()
    # The scheme is written in either case (RFC 9110); the time that comparing takes does not depend on the key.
    return len(given) == 1 and hmac.compare_digest(given[0][:7].lower() + given[0][7:], expected)


@dataclass(slots=True)
class Bodies:
    """The bodies of all requests in flight, together."""

    size_bytes: int = 0


class Exchange:
    """One request and its answer: the body comes in time, and a body that nobody reads does not come for ever."""

    __slots__ = (
        "_bodies",
        "_deadline",
        "_expects_continue",
        "_is_closing",
        "_is_read",
        "_receive",
        "_send",
        "_settings",
        "_size_bytes",
    )

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, settings: Settings, is_closing: bool, bodies: Bodies
    ) -> None:
        self._bodies = bodies
        self._size_bytes = 0
        names = [name for name, _ in scope["headers"]]
        self._receive = receive
        self._send = send
        self._settings = settings
        self._is_closing = is_closing
        self._is_read = b"content-length" not in names and b"transfer-encoding" not in names
        self._expects_continue = b"expect" in names
        self._deadline = asyncio.get_running_loop().time() + settings.request_seconds

    async def receive(self) -> Message:
        """Receive as ASGI does.

        Raises:
            ServiceError: If the body does not come in time, or the bodies of all requests are too large together.
        """
        if self._is_read:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise ServiceError("request_timeout", seconds=self._settings.request_seconds) from None
        self._is_read = not message.get("more_body", False)
        self._hold(len(message.get("body", b"")))
        return message

    def _hold(self, size_bytes: int) -> None:
        self._size_bytes += size_bytes
        self._bodies.size_bytes += size_bytes
        # A body alone has a limit of its own.
        if self._bodies.size_bytes > max(self._settings.max_in_flight_bytes, self._size_bytes):
            self.release()
            raise ServiceError("overloaded", limit=self._settings.max_in_flight_bytes, unit="bytes")

    def release(self) -> None:
        """Count the body no longer."""
        self._bodies.size_bytes -= self._size_bytes
        self._size_bytes = 0

    async def send(self, message: Message) -> None:
        """Send as ASGI does; where the body was not read, or the server is leaving, the connection ends after it."""
        if message["type"] == "http.response.start":
            if not self._is_read:
                await self._look_for_the_end()
                self._is_closing |= not self._is_read
            if self._is_closing:
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
        elif not self._is_read and not message.get("more_body", False):
            # The answer goes out whole, the connection stays: closed under a client that is still sending, it would be
            # reset, and the answer lost.
            await self._send({**message, "more_body": True})
            await self._read_the_rest()
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    async def _look_for_the_end(self) -> None:
        """See whether the rest of the body has come already, without waiting for it."""
        # To ask for more would tell the client to send what is not wanted.
        if not self._expects_continue:
            try:
                async with asyncio.timeout(0):
                    self._is_read = not (await self._receive()).get("more_body", False)
            except TimeoutError:
                pass

    async def _read_the_rest(self) -> None:
        """Read and forget, up to the end, the time limit or as much again as a body may have."""
        num_left = 0 if self._expects_continue else self._settings.max_batch_body_bytes
        try:
            async with asyncio.timeout_at(self._deadline):
                while num_left > 0 and not self._is_read:
                    message = await self._receive()
                    num_left -= len(message.get("body", b""))
                    self._is_read = not message.get("more_body", False)
        except TimeoutError:
            pass
