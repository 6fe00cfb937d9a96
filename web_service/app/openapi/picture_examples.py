"""What OpenAPI says of `POST /predict/image` and `POST /read`: the body, and every error with an example."""

import struct
from typing import Any

from app.errors.handlers import Refusal
from app.errors.refusals import SMALLER_PICTURE, BodyTooLargeError, ServiceError, UnsupportedEncodingError
from app.errors.server_faults import InternalError, ModelNotReadyError
from app.requests.picture import BYTES, FORM, check_picture_type, unpack_picture
from app.settings import DEFAULTS, Settings
from digits.data.image_file import decode_picture
from digits.errors import DrawingError

_PICTURE_TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp", "image/tiff", BYTES)


def _write_bitmap(width: int, height: int) -> bytes:
    """Return a BMP's header, and nothing behind it."""
    return struct.pack("<2sIIIIiiHHIIiiII", b"BM", 54, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)


def _write_animation() -> bytes:
    """Return a GIF with two pictures of one pixel."""
    head = struct.pack("<6sHHBBB", b"GIF89a", 1, 1, 0x80, 0, 0) + bytes(6)
    return head + 2 * (struct.pack("<cHHHHB", b",", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00") + b";"


def _write_tiles() -> bytes:
    """Return a TIFF's header that announces a tile of 20,000x20,000 pixels for a picture of 28x28."""
    # Width, height, bits, photometric interpretation, the tile's width, height, offset and length.
    tags = {256: 28, 257: 28, 258: 8, 262: 1, 322: 20_000, 323: 20_000, 324: 0, 325: 0}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4)


# A content type and a body for each way to be refused.
BAD_PICTURES: tuple[tuple[str, bytes], ...] = (
    ("text/plain", b""),
    (f"{FORM}; boundary=x", b"x"),
    (f"{FORM}; boundary=x", b"--x--\r\n"),
    ("image/png", b"<svg/>"),
    ("image/bmp", _write_bitmap(28, 28)),
    # More than can be allowed, and less than what Pillow refuses by itself.
    ("image/bmp", _write_bitmap(13_200, 13_200)),
    ("image/gif", _write_animation()),
    ("image/tiff", _write_tiles()),
)


def document_picture() -> dict[str, Any]:
    """Describe the body for OpenAPI."""
    raw = {"type": "string", "format": "binary", "description": "The file itself; its first bytes tell its format."}
    form = {
        "type": "object",
        "required": ["file"],
        "properties": {"file": {**raw, "description": "The one file of the form, under any name."}},
    }
    content = {name: {"schema": raw} for name in _PICTURE_TYPES}
    return {"requestBody": {"required": True, "content": {**content, FORM: {"schema": form}}}}


def list_picture_errors(settings: Settings = DEFAULTS) -> list[Refusal]:
    """Return one of each error that a picture can be answered with, made where it arises."""
    return [
        BodyTooLargeError(settings.max_image_bytes, SMALLER_PICTURE),
        UnsupportedEncodingError("gzip"),
        *(_refuse(*bad, settings.max_image_pixels) for bad in BAD_PICTURES),
        InternalError(),
        ModelNotReadyError(),
    ]


def _refuse(content_type: str, body: bytes, max_pixels: int) -> Refusal:
    try:
        check_picture_type(content_type)
        decode_picture(unpack_picture(content_type, body), max_pixels)
    except (ServiceError, DrawingError) as error:
        return error
    raise AssertionError("Every picture of BAD_PICTURES is bad.")
