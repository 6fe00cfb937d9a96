"""Bodies that come compressed: gzip alone, unpacked piece by piece, so that a limit holds before there is too much."""

import asyncio
import zlib
from collections.abc import Callable

from app.errors.refusals import ServiceError

GZIP = ("gzip", "x-gzip")
"""The content codings that are unpacked. RFC 9110 has the second as another name of the first."""

# zlib's number for a gzip stream (16) with a window of any size (15).
_GZIP_WINDOW = 16 + 15
# Bytes that are unpacked from, and to, at once. After each piece other requests have their turn.
_PIECE_BYTES = 64 * 1024


async def unpack_gzip(body: bytearray, max_body_bytes: int, hint: str, count: Callable[[int], None]) -> bytearray:
    """Unpack a body that is one gzip stream.

    Args:
        body: The stream.
        max_body_bytes: The limit of what is unpacked.
        hint: How to mend a body that is too large, for the error.
        count: Is told how many bytes each piece has. It may refuse them.

    Raises:
        ServiceError: If the body is anything but one whole gzip stream, or is larger than allowed once unpacked.
    """
    decompressor = zlib.decompressobj(_GZIP_WINDOW)
    unpacked = bytearray()
    start = 0
    try:
        while start < len(body) and not decompressor.eof:
            piece = decompressor.decompress(body[start : start + _PIECE_BYTES], _PIECE_BYTES)
            start += min(_PIECE_BYTES, len(body) - start) - len(decompressor.unconsumed_tail + decompressor.unused_data)
            count(len(piece))
            unpacked += piece
            if len(unpacked) > max_body_bytes:
                raise ServiceError("body_too_large", limit_bytes=max_body_bytes, hint=hint)
            if start < len(body):
                await asyncio.sleep(0)
    except zlib.error as error:
        raise ServiceError("invalid_gzip", received="a body that is no gzip stream") from error
    if not decompressor.eof:
        raise ServiceError("invalid_gzip", received="a gzip stream that is cut off")
    if start < len(body):
        raise ServiceError("invalid_gzip", received="bytes behind the end of a gzip stream")
    return unpacked
