"""What OpenAPI says of `POST /predict/batch`: the three ways to send images, and every error with an example."""

from typing import Any

import orjson

from app.errors.handlers import Refusal
from app.errors.refusals import (
    FEWER_IMAGES,
    BodyTooLargeError,
    ServiceError,
    UnsupportedEncodingError,
    WrongBatchSizeError,
)
from app.errors.server_faults import InternalError
from app.requests.images import choose_parser
from app.settings import DEFAULTS, Settings
from digits.data.images import MAX_PIXEL, NUM_PIXELS, PIXEL_NAMES, SIZE, draw_one
from digits.errors import PixelError

_BLANK = [0] * NUM_PIXELS
# A content type and a body for each way to be refused before the images are counted.
BAD_BATCHES: tuple[tuple[str, bytes], ...] = (
    ("text/plain", b""),
    ("application/json", b'{"images": ['),
    ("text/csv", b"\xff"),
    ("application/json", b"[]"),
    ("application/json", b'{"images": [], "labels": []}'),
    ("application/json", b'{"images": {}}'),
    ("application/json", orjson.dumps({"images": [_BLANK, _BLANK[1:]]})),
    ("application/json", orjson.dumps({"images": [_BLANK, [*_BLANK[1:], "0"]]})),
    ("application/json", orjson.dumps({"images": [_BLANK, [*_BLANK[1:], 256]]})),
    ("text/csv", b"pixel0\n0\n"),
)


def document_batch() -> dict[str, Any]:
    """Describe the body for OpenAPI, with two 1s as its examples."""
    pixel = {"type": "number", "minimum": 0, "maximum": MAX_PIXEL}
    flat = {"type": "array", "minItems": NUM_PIXELS, "maxItems": NUM_PIXELS, "items": pixel}
    line = {"type": "array", "minItems": SIZE, "maxItems": SIZE, "items": pixel}
    nested = {"type": "array", "minItems": SIZE, "maxItems": SIZE, "items": line}
    images = {
        "description": f"Each image is {NUM_PIXELS} numbers, row by row, or {SIZE} rows of {SIZE}.",
        "type": "array",
        "minItems": 1,
        "maxItems": DEFAULTS.max_batch_images,
        "items": {"anyOf": [flat, nested]},
    }
    schema = {
        "title": "Batch",
        "type": "object",
        "required": ["images"],
        "properties": {"images": images},
        "additionalProperties": False,
    }
    one = draw_one()
    raw = {
        "type": "string",
        "format": "binary",
        "description": f"{NUM_PIXELS} bytes an image, one image after another.",
    }
    row = ",".join(map(str, one.ravel().tolist()))
    table = "\n".join([",".join(PIXEL_NAMES), row, row, ""])
    columns = "Kaggle's test.csv: a header with pixel0 to pixel783 in any order, a row an image; a label is ignored."
    return {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": schema,
                    "example": {"images": [one.ravel().tolist(), one.tolist()]},
                },
                "application/octet-stream": {"schema": raw},
                "text/csv": {"schema": {"type": "string", "description": columns}, "example": table},
            },
        }
    }


def list_batch_errors(settings: Settings = DEFAULTS) -> list[Refusal]:
    """Return one of each error that `POST /predict/batch` can answer, made where it arises."""
    return [
        BodyTooLargeError(settings.max_batch_body_bytes, FEWER_IMAGES),
        UnsupportedEncodingError("gzip"),
        *(_refuse(*bad) for bad in BAD_BATCHES),
        WrongBatchSizeError(0, settings.max_batch_images),
        InternalError(),
    ]


def _refuse(content_type: str, body: bytes) -> Refusal:
    try:
        choose_parser(content_type)(bytearray(body))
    except (ServiceError, PixelError) as error:
        return error
    raise AssertionError("Every batch of BAD_BATCHES is bad.")
