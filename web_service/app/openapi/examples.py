"""What the OpenAPI document says of errors: for each path every error that it can answer, with an example.

examples.json holds the examples of wrong content; the others are made from the table of refusals. A test sends a
request of each kind to a running service and compares the answer with the example.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from app.errors.handlers import Refusable, describe_error, get_status
from app.errors.paths import is_open_inference
from app.errors.refusals import FEWER_IMAGES, ROW_IN_SHORT, SMALLER_PICTURE, SMALLER_ROW, ServiceError
from app.requests.body import JSON, refuse_type, refuse_values
from app.requests.images import BATCH_IN_SHORT, BATCH_TYPES
from app.requests.picture import IMAGE_IN_SHORT, PICTURE_TYPES, TEXT_IN_SHORT
from app.requests.tensors import REQUEST_IN_SHORT, refuse_tensors
from app.settings import Settings
from digits.errors import DrawingError, PixelError

_WRONG_CONTENT = json.loads(Path(__file__).with_name("examples.json").read_text(encoding="utf-8"))
_CONTENT_SUMMARIES: Mapping[type[Exception], str] = {
    PixelError: "A row or an image breaks the 28x28 contract.",
    DrawingError: "An image file cannot be read as one picture.",
}
_FAULT = ServiceError("internal_error")
_COMPRESSED = (
    ServiceError("unsupported_content_encoding", encoding="zstd"),
    ServiceError("invalid_compression", received="a stream that is cut off", coding="gzip"),
)


def _list_row_errors(settings: Settings) -> list[Refusable]:
    return [
        _stop_being_json(13, ROW_IN_SHORT),
        ServiceError("body_too_large", limit_bytes=settings.max_body_bytes, hint=SMALLER_ROW),
        refuse_type("text/plain", (JSON,)),
        *_COMPRESSED,
        refuse_values(1),
        *(PixelError(**one) for one in _WRONG_CONTENT["/predict"]),
        _FAULT,
    ]


def _list_batch_errors(settings: Settings) -> list[Refusable]:
    return [
        ServiceError("body_too_large", limit_bytes=settings.max_batch_body_bytes, hint=FEWER_IMAGES),
        *_COMPRESSED,
        refuse_type("text/plain", BATCH_TYPES),
        _stop_being_json(13, BATCH_IN_SHORT),
        ServiceError("invalid_text", position=0),
        *(PixelError(**one) for one in _WRONG_CONTENT["/predict/batch"]),
        refuse_values(settings.max_batch_images),
        _send_no_images(settings),
        _FAULT,
    ]


def _list_picture_errors(settings: Settings) -> list[Refusable]:
    limits = settings.model_dump()
    return [
        ServiceError("body_too_large", limit_bytes=settings.max_image_bytes, hint=SMALLER_PICTURE),
        *_COMPRESSED,
        refuse_type("text/html", PICTURE_TYPES, "image/png"),
        _stop_being_json(11, IMAGE_IN_SHORT),
        ServiceError("invalid_image_json", received="an object without image", example=IMAGE_IN_SHORT),
        ServiceError("invalid_base64", received="text that is not base64", example=TEXT_IN_SHORT),
        ServiceError("invalid_multipart"),
        ServiceError("wrong_file_count", received="a form without a file"),
        *(DrawingError(**{**one, "message": one["message"].format(**limits)}) for one in _WRONG_CONTENT["/read"]),
        _FAULT,
    ]


def _list_inference_errors(settings: Settings) -> list[Refusable]:
    return [
        _stop_being_json(12, REQUEST_IN_SHORT),
        refuse_tensors("inputs []", "one, named pixels"),
        ServiceError("body_too_large", limit_bytes=settings.max_batch_body_bytes, hint=FEWER_IMAGES),
        *_COMPRESSED,
        refuse_values(settings.max_batch_images),
        _send_no_images(settings),
        _FAULT,
    ]


def _stop_being_json(column: int, example: str) -> ServiceError:
    received = f"a body that stops being JSON at line 1, column {column}"
    return ServiceError("invalid_json", received=received, example=example)


def _send_no_images(settings: Settings) -> ServiceError:
    return ServiceError("wrong_batch_size", num_images=0, limit=settings.max_batch_images, hint="Send at least one.")


ERRORS: Mapping[str, Callable[[Settings], list[Refusable]]] = {
    "/predict": _list_row_errors,
    "/predict/batch": _list_batch_errors,
    "/predict/image": _list_picture_errors,
    "/read": _list_picture_errors,
    "/v2/models/digits/infer": _list_inference_errors,
    **dict.fromkeys(("/", "/metrics", "/model"), lambda settings: [_FAULT]),
    **dict.fromkeys(
        ("/readyz", "/healthcheck", "/v2/health/ready", "/v2/models/digits/ready"),
        lambda settings: [_FAULT, ServiceError("shutting_down")],
    ),
}
"""For each path the errors that it can answer, under these settings."""


def document_errors(path: str, settings: Settings) -> dict[str, dict[str, Any]]:
    """Describe the errors of a path for the OpenAPI document, by status, each with an example."""
    documented: dict[str, dict[str, Any]] = {}
    schema = {"$ref": f"#/components/schemas/{'ProtocolErrorAnswer' if is_open_inference(path) else 'ErrorAnswer'}"}
    for error in ERRORS[path](settings):
        summary = error.refusal.summary if isinstance(error, ServiceError) else _CONTENT_SUMMARIES[type(error)]
        content = {"application/json": {"schema": schema, "examples": {}}}
        response = documented.setdefault(str(get_status(error)), {"description": summary, "content": content})
        if summary not in response["description"]:
            response["description"] += f" Or: {summary}"
        response["content"]["application/json"]["examples"][error.code] = {"value": describe_error(error, path)}
        if isinstance(error, ServiceError) and error.headers:
            response["headers"] = {name: {"schema": {"type": "string"}} for name in error.headers}
    return documented
