"""What goes over the wire: the answers, as models that OpenAPI shows."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from digits.images import NUM_CLASSES

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
