"""The limits that a request meets first: the key, the number in flight (not of health paths), its body's time."""

import asyncio
import hmac
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors.handlers import answer_error
from app.errors.paths import HEALTH_PATHS, needs_key
from app.errors.refusals import ServiceError
from app.prediction.state import ServiceState, get_state


class Limits:
    """ASGI middleware that refuses requests beyond the limits.

    It does without Starlette's base class, which costs every request a task of its own.

    Attributes:
        num_body_bytes: The bytes of the bodies of all requests in flight.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.num_body_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, or let it through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = get_state(scope["app"])
        exchange = Exchange(scope, receive, send, state, self)
        # What is unpacked from a body counts as well.
        scope["count_body_bytes"] = exchange.count_bytes
        if scope["path"] in HEALTH_PATHS:
            await self._app(scope, exchange.receive, exchange.send)
            return
        if refusal := _find_refusal(scope, state):
            await answer_error(refusal, scope)(scope, exchange.receive, exchange.send)
            return
        exchange.take_place()
        try:
            # The first turn of the event loop counts all requests that came at the same time, before one of them is
            # computed. In the second turn the server notices which clients have gone away meanwhile.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await self._app(scope, exchange.receive, exchange.send)
        except asyncio.CancelledError:
            # The server is ending, and cancels what it cannot wait for.
            if not state.is_draining:
                raise
            if not exchange.is_answered:
                await answer_error(ServiceError("shutting_down"), scope)(scope, exchange.receive, exchange.cut_short)
        finally:
            exchange.give_place_back()
            exchange.release()


def _find_refusal(scope: Scope, state: ServiceState) -> ServiceError | None:
    settings = state.settings
    if state.num_in_flight >= settings.max_in_flight:
        return ServiceError("overloaded", limit=settings.max_in_flight, unit="requests")
    if settings.api_key is None or not needs_key(scope["path"]):
        return None
    return None if _has_key(scope, settings.list_keys()) else ServiceError("unauthorized")


def _has_key(scope: Scope, keys: list[str]) -> bool:
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(given) != 1:
        return False
    # RFC 9110 allows the scheme in either case.
    received = given[0][:7].lower() + given[0][7:]
    # The time of the comparison must not depend on the keys, so all are compared.
    return sum(hmac.compare_digest(received, b"bearer " + key.encode()) for key in keys) > 0


class Exchange:
    """One request and its answer: the body must come in time, and a body that nobody reads must come to an end.

    Attributes:
        is_answered: Whether the answer has begun.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, state: ServiceState, limits: Limits) -> None:
        names = [name for name, _ in scope["headers"]]
        self._receive = receive
        self._send = send
        self._state = state
        self._settings = state.settings
        self._limits = limits
        self._num_bytes = 0
        self._has_place = False
        self.is_answered = False
        self._closes_connection = state.is_draining
        self._is_read = b"content-length" not in names and b"transfer-encoding" not in names
        self._expects_continue = b"expect" in names
        self._deadline = asyncio.get_running_loop().time() + state.settings.request_seconds

    async def receive(self) -> Message:
        """Receive as ASGI does.

        Raises:
            ServiceError: If the body does not come in time, or the bodies of all requests are too large together.
        """
        if self._is_read:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive_part()
        except TimeoutError:
            raise ServiceError("request_timeout", seconds=self._settings.request_seconds) from None
        self.count_bytes(len(message.get("body", b"")))
        return message

    def count_bytes(self, num_bytes: int) -> None:
        """Count bytes of the body that came, or that were unpacked from it.

        Raises:
            ServiceError: If the bodies of all requests are too large together.
        """
        self._num_bytes += num_bytes
        self._limits.num_body_bytes += num_bytes
        # If this is the only body in flight, the limit of its route applies instead.
        if self._limits.num_body_bytes > max(self._settings.max_in_flight_bytes, self._num_bytes):
            self.release()
            raise ServiceError("overloaded", limit=self._settings.max_in_flight_bytes, unit="bytes")

    def take_place(self) -> None:
        """Count the request as one in flight."""
        self._has_place = True
        self._state.num_in_flight += 1
        if self._state.num_in_flight == self._settings.max_in_flight:
            self._state.progressed_at = asyncio.get_running_loop().time()

    def give_place_back(self) -> None:
        """Count the request no longer, if it was counted."""
        if self._has_place:
            self._has_place = False
            self._state.num_in_flight -= 1
            self._state.progressed_at = asyncio.get_running_loop().time()

    def release(self) -> None:
        """Take the body's bytes off the number in flight."""
        self._limits.num_body_bytes -= self._num_bytes
        self._num_bytes = 0

    async def send(self, message: Message) -> None:
        """Send as ASGI does; close the connection after the answer if the body was not read or the server is ending."""
        if message["type"] == "http.response.start":
            self.is_answered = True
            if not self._is_read:
                await self._look_for_the_end()
                self._closes_connection |= not self._is_read
            if self._closes_connection:
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
        elif not self._is_read and not message.get("more_body", False):
            # The whole answer goes out and the connection stays for a while. If it were closed under a client that is
            # still sending, the connection would be reset, and the client would lose the answer.
            await self._send({**message, "more_body": True})
            self.give_place_back()
            await self._discard_the_rest()
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            # The connection's next request may begin before this one's last steps.
            self.give_place_back()

    async def cut_short(self, message: Message) -> None:
        """Send an answer at once, without looking for the rest of the body, and close the connection."""
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
        await self._send(message)

    async def _receive_part(self) -> Message:
        message = await self._receive()
        self._is_read = not message.get("more_body", False)
        return message

    async def _look_for_the_end(self) -> None:
        """Notice whether the rest of the body has come already, without waiting for it."""
        # A client that expects `100 Continue` would be told to send what nobody wants.
        if not self._expects_continue:
            with suppress(TimeoutError):
                async with asyncio.timeout(0):
                    await self._receive_part()

    async def _discard_the_rest(self) -> None:
        """Read the body without keeping it: to its end, to the time limit, or to the limit of a batch's body."""
        num_bytes_left = 0 if self._expects_continue else self._settings.max_batch_body_bytes
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self._deadline):
                while num_bytes_left > 0 and not self._is_read:
                    num_bytes_left -= len((await self._receive_part()).get("body", b""))
