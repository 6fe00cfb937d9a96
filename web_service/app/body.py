"""Request bodies: how they are read, and what is refused before a pixel is looked at."""

import orjson
from fastapi import Request

from app.errors import BodyTooLargeError, InvalidJsonError, UnsupportedMediaTypeError


async def read_json(request: Request, max_body_bytes: int) -> object:
    """Read a JSON body.

    Args:
        request: Its body has not been read yet.
        max_body_bytes: More is refused, and never held in memory.

    Returns:
        What the body holds; of a repeated key, the last value.

    Raises:
        UnsupportedMediaTypeError: If the content type is not JSON's.
        BodyTooLargeError: If the body is longer than allowed.
        InvalidJsonError: If it is not JSON in UTF-8.
        starlette.requests.ClientDisconnect: If the client goes away before all of it has come.
    """
    content_type = request.headers.get("content-type")
    if not _is_json(content_type):
        raise UnsupportedMediaTypeError(content_type)
    body = await _read_body(request, max_body_bytes)
    if not body:
        raise InvalidJsonError("an empty body")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # Only the place is told: the wording is orjson's and may change with it.
        place = f"line {error.lineno}, column {error.colno}"
        raise InvalidJsonError(f"a body that stops being JSON at {place}") from error


def _is_json(content_type: str | None) -> bool:
    """Whether it is application/json or ends in +json (RFC 6839), with any parameters."""
    media_type = (content_type or "").partition(";")[0].strip().lower()
    return media_type == "application/json" or media_type.endswith("+json")


async def _read_body(request: Request, max_body_bytes: int) -> bytearray:
    # The declared length refuses before a byte is read; a chunked body declares none, so what comes is counted too.
    if int(request.headers.get("content-length", 0)) > max_body_bytes:
        raise BodyTooLargeError(max_body_bytes)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_body_bytes:
            raise BodyTooLargeError(max_body_bytes)
    return body
