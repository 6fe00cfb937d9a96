"""What OpenAPI says beyond the models: the row that is sent, and every error with an answer of its own as example."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

from app.errors.handlers import Refusal, describe_error, get_status
from app.errors.refusals import (
    BodyTooLargeError,
    InvalidJsonError,
    ServiceError,
    UnsupportedEncodingError,
    UnsupportedMediaTypeError,
)
from app.errors.server_faults import InternalError
from app.openapi.schemas import ErrorAnswer
from app.settings import DEFAULTS, Settings
from digits.data.images import MAX_PIXEL, NUM_PIXELS, PIXEL_NAMES, draw_one
from digits.data.pixel_json import parse_row
from digits.errors import PixelError


def document_row() -> dict[str, Any]:
    """Describe the body of `POST /predict` for OpenAPI, with a row that works as its example.

    The schema is exact without 784 copies of one line: as many members as there are pixels, each named like a pixel.
    """
    schema = {
        "title": "Row",
        "description": "A 28x28 image: pixel x is at row x // 28, column x % 28; 0 is paper, 255 is ink.",
        "type": "object",
        "minProperties": NUM_PIXELS,
        "maxProperties": NUM_PIXELS,
        "propertyNames": {"pattern": "^pixel(0|[1-9][0-9]?|[1-6][0-9]{2}|7[0-7][0-9]|78[0-3])$"},
        "additionalProperties": {"type": "number", "minimum": 0, "maximum": MAX_PIXEL},
    }
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema, "example": make_row()}}}
    }


def make_row(**changes: Any) -> dict[str, Any]:
    """Return a row that shows a 1, with some pixels changed."""
    return {**dict(zip(PIXEL_NAMES, draw_one().ravel().tolist(), strict=True)), **changes}


def document_errors(
    *errors: Refusal,
    model: type[BaseModel] = ErrorAnswer,
    describe: Callable[[Refusal], Mapping[str, object]] = describe_error,
) -> dict[int | str, dict[str, Any]]:
    """Describe errors for OpenAPI, by status, each with an answer of its own as the example.

    Args:
        errors: One of each that can be answered.
        model: The shape of the answers.
        describe: Makes an answer's content of an error.
    """
    documented: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        summary = (type(error).__doc__ or "").splitlines()[0]
        response = documented.setdefault(
            get_status(error),
            {"model": model, "description": summary, "content": {"application/json": {"examples": {}}}},
        )
        if summary not in response["description"]:
            response["description"] += f" Or: {summary}"
        response["content"]["application/json"]["examples"][error.code] = {"value": describe(error)}
        if isinstance(error, ServiceError) and error.headers:
            response["headers"] = {name: {"schema": {"type": "string"}} for name in error.headers}
    return documented


def restore_nulls(openapi: dict[str, Any]) -> None:
    """Put `"field": null` back into the examples of errors: FastAPI leaves every null out of its document."""
    operations = [operation for path in openapi["paths"].values() for operation in path.values()]
    for response in [response for operation in operations for response in operation["responses"].values()]:
        for example in response.get("content", {}).get("application/json", {}).get("examples", {}).values():
            if isinstance(example["value"]["error"], dict):
                example["value"]["error"].setdefault("field", None)


def list_predict_errors(settings: Settings = DEFAULTS) -> list[Refusal]:
    """Return one of each error that `POST /predict` can answer, made where it arises."""
    return [
        InvalidJsonError("a body that stops being JSON at line 1, column 13"),
        BodyTooLargeError(settings.max_body_bytes),
        UnsupportedMediaTypeError("text/plain"),
        UnsupportedEncodingError("gzip"),
        *map(_refuse_row, list_bad_rows()),
        InternalError(),
    ]


def list_bad_rows() -> list[object]:
    """Return one row for each way to break the 28x28 contract."""
    without_pixel12 = make_row()
    del without_pixel12["pixel12"]
    return [[], without_pixel12, make_row(label=1), make_row(pixel12="0"), make_row(pixel12=256)]


def _refuse_row(row: object) -> PixelError:
    try:
        parse_row(row)
    except PixelError as error:
        return error
    raise AssertionError("Every row of list_bad_rows is bad.")
