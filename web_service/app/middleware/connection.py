"""uvicorn's HTTP/1.1 with limits that uvicorn lacks: of headers, of the time for them, and of the time for an answer.

llhttp, the parser, keeps whatever comes. So what it keeps is counted here, before the application knows of a request.
"""

import asyncio
import logging
from http import HTTPStatus
from time import perf_counter
from typing import ClassVar

import httptools
import orjson
from fastapi import FastAPI
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from app.errors.handlers import CLIENT_GONE, describe_error
from app.errors.refusals import ErrorCode, ServiceError
from app.middleware.access_log import UNREAD, note_without_request
from app.settings import Settings

logger = logging.getLogger("uvicorn.error")

MOST_HEADERS = 100
"""The headers of one request, and its trailers, at most."""

# What was refused stays open for so many seconds, while what still comes is thrown away. If it were closed under a
# client that is still sending, the connection would be reset, and the client would lose the answer.
_LINGER_SECONDS = 2.0
# Of the clients that are cut in so many seconds the log has one line.
_REPORT_SECONDS = 1.0
# Requests of one connection that wait for the answer to the one before. A part of 256 kB may bring 14,000.
_MOST_WAITING = 64
_FRAMING = (b"content-length", b"transfer-encoding", b"connection")


class _HeadTooLargeError(Exception):
    """A request's line and headers, or its trailers, pass the limit."""


class _TooManyWaitingError(Exception):
    """A client sent many requests without waiting for answers."""


class LimitedProtocol(HttpToolsProtocol):
    """Refuses a head without end, cuts a client that does not read, and ignores `Upgrade`.

    A head is a request's line with its headers. Trailers and what else may stand between the parts of a body have the
    same limit.

    Attributes:
        settings: The operator's settings.
        service: The application, whose metrics and access log tell what the application itself does not see.
    """

    settings: ClassVar[Settings]
    service: ClassVar[FastAPI]
    _num_cut: ClassVar[int] = 0

    _head_clock: asyncio.TimerHandle | None = None
    _write_clock: asyncio.TimerHandle | None = None
    _running: RequestResponseCycle | None = None
    # Since when a head is awaited, and a client that does not read.
    _head_started = 0.0
    _write_started = 0.0
    _is_in_head = True
    # Of the part that is being parsed.
    _num_part_bytes = 0
    # Of the parts since the last request, head or piece of a body was whole: of a head, of trailers, or of neither.
    _num_unfinished_bytes = 0
    # While a new parser is told how the body of a request that wanted an upgrade is framed.
    _is_repeated = False
    # Nothing more is parsed.
    _is_over = False
    _is_lost = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Start the clock for the first request's head."""
        super().connection_made(transport)
        self.headers = []
        self._start_head_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks, and tell the request that is being answered, which need not be the last that came."""
        self._is_lost = True
        self._stop_head_clock()
        self._stop_write_clock()
        super().connection_lost(exc)
        self._end_request()

    def data_received(self, data: bytes) -> None:
        """Parse what came, within the limits."""
        if self._is_over:
            return
        self._unset_keepalive_if_required()
        num_bytes = self._num_part_bytes = len(data)
        self._num_unfinished_bytes += num_bytes
        try:
            self.parser.feed_data(data)
            if self._num_unfinished_bytes > self.settings.max_header_bytes or len(self.headers) > MOST_HEADERS:
                raise _HeadTooLargeError
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
        except (httptools.HttpParserError, _HeadTooLargeError) as error:
            cause = error.__context__ or error
            if isinstance(cause, _TooManyWaitingError):
                # Those are answered, and the client can send the others again.
                self._end_after(self.cycle)
            else:
                self._refuse(is_large=isinstance(cause, _HeadTooLargeError))
        else:
            # Line breaks before a request are no request, but a client may send them for ever.
            if self._num_unfinished_bytes and self._is_idle() and self._head_clock is None:
                self._start_head_clock()

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Start the clock at the first byte of a later request."""
        if self._is_repeated:
            return
        if len(self.pipeline) >= _MOST_WAITING:
            raise _TooManyWaitingError
        super().on_message_begin()
        # The head's first bytes may have come with the request before it.
        self._num_unfinished_bytes = max(self._num_unfinished_bytes, 1)
        self._is_in_head = True
        if self._head_clock is None:
            self._start_head_clock()

    def on_headers_complete(self) -> None:
        """Stop the clock."""
        if self._is_repeated:
            self._is_repeated = False
        else:
            self._stop_head_clock()
            self._check_size()
            super().on_headers_complete()
            self._is_in_head = False
            self._num_unfinished_bytes = 0
        # Trailers are no headers of the request: it must not say later what it was checked for.
        self.headers = []
        self.url = b""

    def on_body(self, body: bytes) -> None:
        """Hand a part of the body on."""
        self._num_unfinished_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Hand on that the body is whole; the parser says so of every request that wants an upgrade."""
        self._num_unfinished_bytes = 0
        if not self.parser.should_upgrade():
            if self.headers:
                self._check_size()
                self.headers = []
            self._is_in_head = True
            super().on_message_complete()

    # What uvicorn's protocol and the transport call.

    def _should_upgrade(self) -> bool:
        return False

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """Give a client that must take the last of its answer before the connection closes a time for it."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._start_write_clock()

    def pause_writing(self) -> None:
        """Start the clock: the client does not take its answer."""
        super().pause_writing()
        self._start_write_clock()

    def resume_writing(self) -> None:
        """Stop the clock."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._stop_write_clock()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, also one whose client has left an answer unread."""
        self._close()

    def shutdown(self) -> None:
        """Close the connection, or let it close after its answer."""
        super().shutdown()
        if self.transport.is_closing():
            self._start_write_clock()

    def cut_if_unread(self) -> None:
        """Cut a client that does not take its answer."""
        if self.flow.write_paused:
            self._cut()

    # The limits.

    def _check_size(self) -> None:
        """Check a head, or trailers, that are whole."""
        if len(self.headers) > MOST_HEADERS:
            raise _HeadTooLargeError
        # Most are a small part of the little that came with them.
        if max(self._num_part_bytes, self._num_unfinished_bytes) > self.settings.max_header_bytes:
            num_bytes = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if num_bytes > self.settings.max_header_bytes:
                raise _HeadTooLargeError

    def _is_idle(self) -> bool:
        return self._is_in_head and (self.cycle is None or self.cycle.response_complete)

    def _refuse(self, is_large: bool) -> None:
        """Answer what is not parsed any further, if the answer can be told from those before it, and close."""
        code: ErrorCode = "headers_too_large" if is_large else "invalid_http"
        error = ServiceError(code, limit_bytes=self.settings.max_header_bytes, most=MOST_HEADERS)
        self._note(code, error.refusal.status, error.message, self._head_started)
        self._is_over = True
        self._stop_head_clock()
        if not self._is_idle():
            is_told_apart = not (self.pipeline or self._is_in_head or self.cycle.response_started)
            self._end_request()
            if not is_told_apart:
                self._close()
                return
        body = orjson.dumps(describe_error(error, ""))
        fields = {b"content-type": b"application/json", b"content-length": b"%d" % len(body), b"connection": b"close"}
        head = [STATUS_LINE[error.refusal.status], *(b"%b: %b\r\n" % field for field in fields.items()), b"\r\n"]
        self.transport.write(b"".join([*head, body]))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._head_clock = self.loop.call_later(_LINGER_SECONDS, self.transport.abort)

    def _note(self, code: ErrorCode | None, status: int, reason: str, started: float) -> None:
        """Count and log why this connection ends, with the client's address and the time since `started`."""
        client = self.client[0] if self.client else None
        seconds = perf_counter() - started
        if not note_without_request(self.service, client, status, code, seconds) and code is not None:
            logger.warning("Refused a request of %s: %s", client, reason)

    def _end_after(self, cycle: RequestResponseCycle) -> None:
        """Take no more requests, and close the connection after this one's answer."""
        self._is_over = True
        self._stop_head_clock()
        cycle.keep_alive = False

    def _end_request(self) -> None:
        """Let the request that is being answered end as if its client had gone."""
        if self._running is not None:
            self._running.disconnected = True
            self._running.message_event.set()

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Go on behind the head of a request that wants another protocol (RFC 9110, 7.8: the server may ignore that).

        The parser has taken the body for another protocol's. A new one is told how the body is framed.
        """
        if self.parser.get_method() == b"CONNECT":
            # What follows is for somebody behind this service.
            self._end_after(self.cycle)
            return
        line = b"%b / HTTP/%b\r\n" % (self.parser.get_method(), self.scope["http_version"].encode())
        framing = [b"%b: %b\r\n" % field for field in self.scope["headers"] if field[0] in _FRAMING]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # As uvicorn's.
        self._is_repeated = True
        self.data_received(b"".join([line, *framing, b"\r\n"]))
        self.data_received(rest)

    # The clocks.

    def _start_head_clock(self) -> None:
        self._head_started = perf_counter()
        self._head_clock = self.loop.call_later(self.settings.request_seconds, self._miss_head)

    def _miss_head(self) -> None:
        # Browsers open connections that they may never use, and load balancers look whether one opens.
        if self._num_unfinished_bytes:
            reason = f"its line and headers did not come in {self.settings.request_seconds:g} s."
            self._note("request_timeout", HTTPStatus.REQUEST_TIMEOUT, reason, self._head_started)
        self._close()

    def _stop_head_clock(self) -> None:
        if self._head_clock is not None:
            self._head_clock.cancel()
            self._head_clock = None

    def _start_write_clock(self) -> None:
        # uvicorn lets the time for a kept connection run on after its client has reset it.
        if self._write_clock is None and not self._is_lost:
            self._write_started = perf_counter()
            self._write_clock = self.loop.call_later(self.settings.write_seconds, self._cut)

    def _stop_write_clock(self) -> None:
        if self._write_clock is not None:
            self._write_clock.cancel()
            self._write_clock = None

    def _close(self) -> None:
        self.transport.close()
        self._start_write_clock()

    def _cut(self) -> None:
        if self._running is not None and not self._running.response_complete:
            self._running.scope[UNREAD] = True  # type: ignore[literal-required]  # an entry of this service's own
        else:
            self._note(None, CLIENT_GONE, "", self._write_started)
        self._end_request()
        self.transport.abort()
        kind = LimitedProtocol
        if kind._num_cut == 0:
            self.loop.call_later(_REPORT_SECONDS, kind._report_cuts)
        kind._num_cut += 1

    @classmethod
    def _report_cuts(cls) -> None:
        logger.warning("Cut %d connections whose clients did not read their answers.", cls._num_cut)
        LimitedProtocol._num_cut = 0
