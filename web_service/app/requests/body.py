"""Request bodies: how they are received, and what is refused before a pixel is parsed."""

from codecs import BOM_UTF8
from collections.abc import Sequence

import orjson
from fastapi import Request
from starlette.requests import ClientDisconnect

from app.errors.refusals import ROW_IN_SHORT, SMALLER_ROW, ServiceError
from app.requests.compression import CODINGS, check_length, unpack_body
from digits.data.images import NUM_PIXELS, SIZE

JSON = "application/json"

# An image is 784 numbers, in 28 rows and an array of its own at most.
_VALUES_OF_IMAGE = NUM_PIXELS + SIZE + 1
# What may stand beside the images: names, an inference request's parameters, and a little too much for a better error.
_OTHER_VALUES = 1000
_PART_BYTES = 256 * 1024


async def read_json_body(request: Request, max_body_bytes: int) -> bytearray:
    """Receive a body whose content type is JSON's, for `parse_json`.

    Args:
        request: Its body has not been read yet.
        max_body_bytes: The limit. A longer body is refused, and never held in memory.

    Raises:
        ServiceError: If the content type is not JSON's, or for the reasons of `read_body`.
        starlette.requests.ClientDisconnect: If the client goes away before all of it has come.
    """
    content_type = request.headers.get("content-type")
    if name_media_type(content_type) != JSON:
        raise refuse_type(content_type, (JSON,))
    return await read_body(request, max_body_bytes)


def parse_json(body: bytearray | bytes, example: str = ROW_IN_SHORT, max_images: int = 1) -> object:
    """Parse a JSON body.

    Args:
        body: The bytes, as they were received.
        example: A valid body, in short, for the error's hint.
        max_images: The most images that it may hold. A body with far more values than those is refused before it is
            parsed, because an empty object of 3 bytes takes 70 bytes of memory.

    Returns:
        The content. Of a key that is repeated, the last value counts.

    Raises:
        ServiceError: If the body is not JSON in UTF-8, or has too many values.
    """
    _check_values(body, max_images)
    # PowerShell, and editors on Windows, begin a file with a byte order mark.
    text = memoryview(body)[len(BOM_UTF8) :] if body.startswith(BOM_UTF8) else body
    if not text:
        raise ServiceError("invalid_json", received="an empty body", example=example)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        # The message names only the place. orjson's own wording may change with its version.
        received = f"a body that stops being JSON at line {error.lineno}, column {error.colno}"
        raise ServiceError("invalid_json", received=received, example=example) from error


def _check_values(body: bytearray | bytes, max_images: int) -> None:
    most, num_values = _count_most_values(max_images), 0
    # Part by part, so that a body of nothing but commas is refused soon.
    for start in range(0, len(body), _PART_BYTES):
        # Each value has a comma before it, or opens an array or an object, or is the first of one.
        num_values += sum(body.count(sign, start, start + _PART_BYTES) for sign in (b",", b"[", b"{"))
        if num_values > most:
            raise refuse_values(max_images)


def _count_most_values(max_images: int) -> int:
    return max_images * _VALUES_OF_IMAGE + _OTHER_VALUES


def refuse_values(max_images: int) -> ServiceError:
    """Return the error for JSON with more values than so many images have."""
    return ServiceError("too_many_values", most=_count_most_values(max_images), limit=max_images)


def name_media_type(content_type: str | None) -> str:
    """Return the type in lower case and without parameters. A type that ends in +json is JSON (RFC 6839)."""
    media_type = (content_type or "").partition(";")[0].strip().lower()
    return JSON if media_type.endswith("+json") else media_type


def refuse_type(content_type: str | None, expected: Sequence[str], example: str = JSON) -> ServiceError:
    """Return the error that names the content types that are expected, and one of them for curl."""
    received = f"content type {content_type:.64}" if content_type else "no content type"
    return ServiceError("unsupported_media_type", received=received, expected=" or ".join(expected), example=example)


async def read_body(request: Request, max_body_bytes: int, hint: str = SMALLER_ROW) -> bytearray:
    """Receive a body, and unpack it if it is compressed.

    Args:
        request: Its body has not been read yet.
        max_body_bytes: The limit, for what comes and for what is unpacked. A longer body is refused, and never held in
            memory.
        hint: How to mend a body that is too large, for the error.

    Raises:
        ServiceError: If the body is longer than allowed, compressed in a way that is not known, or broken.
        starlette.requests.ClientDisconnect: If the client goes away before all of it has come.
    """
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity", *CODINGS):
        raise ServiceError("unsupported_content_encoding", encoding=encoding)
    # A length that is declared is refused before a byte is received. A chunked body declares none, so its bytes are
    # counted as they come.
    check_length(int(request.headers.get("content-length", 0)), max_body_bytes, hint)
    body, is_whole = bytearray(), False
    while not is_whole:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        check_length(len(body), max_body_bytes, hint)
        is_whole = not message.get("more_body", False)
    if encoding in CODINGS:
        return await unpack_body(body, encoding, max_body_bytes, hint, request.scope["count_body_bytes"])
    return body
