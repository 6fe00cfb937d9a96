"""What goes over the wire: the answers as models, and what OpenAPI says of requests and errors."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.errors import (
    PIXEL_ERROR_STATUS,
    BodyTooLargeError,
    InternalError,
    InvalidJsonError,
    ModelNotReadyError,
    ServiceError,
    UnsupportedMediaTypeError,
    describe_error,
)
from app.settings import Settings
from digits.errors import PixelError
from digits.images import MAX_PIXEL, NUM_CLASSES, NUM_PIXELS, PIXEL_NAMES, draw_one, parse_row

Probability = Annotated[float, Field(ge=0, le=1)]
Version = Annotated[
    str,
    Field(pattern="^[0-9a-f]{12}$", description="The model: the first 12 digits of its file's SHA-256."),
]
ErrorCode = Literal[
    "body_too_large",
    "internal_error",
    "invalid_json",
    "method_not_allowed",
    "missing_pixel",
    "model_not_ready",
    "not_a_number",
    "not_an_object",
    "not_found",
    "pixel_out_of_range",
    "unknown_field",
    "unsupported_media_type",
]


class Prediction(BaseModel):
    """The reading of one digit."""

    model_config = ConfigDict(extra="forbid")

    digit: int = Field(ge=0, le=NUM_CLASSES - 1, description="The digit that is most probable.", examples=[1])
    confidence: Probability = Field(description="Its probability, calibrated.", examples=[0.9991])
    probabilities: list[Probability] = Field(
        min_length=NUM_CLASSES,
        max_length=NUM_CLASSES,
        description="Of the digits 0 to 9 in this order; they sum to 1.",
        examples=[[0.0001, 0.9991, *[0.0001] * 8]],
    )
    model: Version = Field(examples=["9f86d081884c"])


class Liveness(BaseModel):
    """The process is alive."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["alive"] = Field(description="Whatever the model does.")


class Readiness(BaseModel):
    """The model is loaded and has read a known 1 as a 1."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["ready"] = Field(description="Predictions are answered.")
    model: Version = Field(examples=["9f86d081884c"])


class ErrorDetail(BaseModel):
    """Why a request was refused."""

    model_config = ConfigDict(extra="forbid")

    code: ErrorCode = Field(description="For programs.")
    message: str = Field(description="What was received and what was expected.")
    field: str | None = Field(description="The first pixel that is wrong; null when it is the whole request.")
    hint: str = Field(description="How to mend it.")


class ErrorAnswer(BaseModel):
    """The one shape of every error."""

    model_config = ConfigDict(extra="forbid")

    error: ErrorDetail


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


def document_errors(*errors: ServiceError | PixelError) -> dict[int | str, dict[str, Any]]:
    """Describe errors for OpenAPI, by status, each with an answer of its own as the example."""
    documented: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        status = PIXEL_ERROR_STATUS if isinstance(error, PixelError) else error.status
        summary = (type(error).__doc__ or "").splitlines()[0]
        response = documented.setdefault(
            status,
            {"model": ErrorAnswer, "description": summary, "content": {"application/json": {"examples": {}}}},
        )
        response["content"]["application/json"]["examples"][error.code] = {"value": describe_error(error)}
    return documented


def restore_nulls(openapi: dict[str, Any]) -> None:
    """Put `"field": null` back into the examples of errors: FastAPI leaves every null out of its document."""
    operations = [operation for path in openapi["paths"].values() for operation in path.values()]
    for response in [response for operation in operations for response in operation["responses"].values()]:
        for example in response["content"]["application/json"].get("examples", {}).values():
            example["value"]["error"].setdefault("field", None)


def list_predict_errors() -> list[ServiceError | PixelError]:
    """Return one of each error that `POST /predict` can answer, made where it arises."""
    return [
        InvalidJsonError("a body that stops being JSON at line 1, column 13"),
        BodyTooLargeError(Settings.model_fields["max_body_bytes"].default),
        UnsupportedMediaTypeError("text/plain"),
        *map(_refuse_row, list_bad_rows()),
        InternalError(),
        ModelNotReadyError(),
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
