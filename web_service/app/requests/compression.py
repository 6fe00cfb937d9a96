"""Bodies that come compressed, unpacked piece by piece, so that a limit holds before there is too much."""

import asyncio
import zlib
from collections.abc import Callable

from app.errors.refusals import ServiceError

# For each content coding (RFC 9110, 8.4.1) zlib's number: a window of any size (15), for gzip in its own format (16).
# Other codings, such as zstd, would need another package or Python 3.14.
_WINDOWS = {"gzip": 16 + 15, "x-gzip": 16 + 15, "deflate": 15}
CODINGS = tuple(_WINDOWS)
"""The content codings that are unpacked."""

# Bytes that are unpacked from, and to, at once. After each piece other requests have their turn.
_PIECE_BYTES = 64 * 1024


async def unpack_body(
    body: bytearray, coding: str, max_body_bytes: int, hint: str, count: Callable[[int], None]
) -> bytearray:
    """Unpack a body that is one compressed stream.

    Args:
        body: The stream.
        coding: One of `CODINGS`.
        max_body_bytes: The limit of what is unpacked.
        hint: How to mend a body that is too large, for the error.
        count: Is told how many bytes each piece has. It may refuse them.

    Raises:
        ServiceError: If the body is anything but one whole stream of this coding, or too large once it is unpacked.
    """
    decompressor = zlib.decompressobj(_WINDOWS[coding])
    unpacked = bytearray()
    start = 0
    try:
        while start < len(body) and not decompressor.eof:
            piece = decompressor.decompress(body[start : start + _PIECE_BYTES], _PIECE_BYTES)
            start += min(_PIECE_BYTES, len(body) - start) - len(decompressor.unconsumed_tail + decompressor.unused_data)
            count(len(piece))
            unpacked += piece
            check_length(len(unpacked), max_body_bytes, hint)
            if start < len(body):
                await asyncio.sleep(0)
    except zlib.error as error:
        raise _refuse("a body that is no such stream", coding) from error
    if not decompressor.eof:
        raise _refuse("a stream that is cut off", coding)
    if start < len(body):
        raise _refuse("bytes behind the end of the stream", coding)
    return unpacked


def check_length(num_bytes: int, max_body_bytes: int, hint: str) -> None:
    """Refuse a body that is longer than allowed, as it is declared, as it came or as it is unpacked.

    Raises:
        ServiceError: Tells the limit, and `hint`, how to mend the body.
    """
    if num_bytes > max_body_bytes:
        raise ServiceError("body_too_large", limit_bytes=max_body_bytes, hint=hint)


def _refuse(received: str, coding: str) -> ServiceError:
    return ServiceError("invalid_compression", received=received, coding=coding)
