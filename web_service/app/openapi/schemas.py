"""What goes over the wire: the answers, as models that OpenAPI shows."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.errors.refusals import ErrorCode
from digits.data.images import MAX_PIXEL, NUM_CLASSES, SIZE
from digits.inference.rejection import Reason

Probability = Annotated[float, Field(ge=0, le=1)]
JointConfidence = Annotated[
    Probability, Field(description="Its probability, of two networks together; not calibrated.", examples=[0.9991])
]
Line = Annotated[list[Annotated[int, Field(ge=0, le=MAX_PIXEL)]], Field(min_length=SIZE, max_length=SIZE)]
Version = Annotated[
    str,
    Field(pattern="^[0-9a-f]{12}$", description="The model: the first 12 digits of its file's SHA-256."),
]
Accepted = Annotated[bool, Field(description="Whether it looks like a digit.", examples=[True])]
WhyNot = Annotated[
    Reason | None,
    Field(description="Why not; null if it was accepted. `digit` is the best guess all the same.", examples=[None]),
]


class Answer(BaseModel):
    """What all answers of this service have in common: they hold these fields and no others."""

    model_config = ConfigDict(extra="forbid")


class DigitPrediction(Answer):
    """The reading of one digit of several."""

    digit: int = Field(ge=0, le=NUM_CLASSES - 1, description="The digit that is most probable.", examples=[1])
    confidence: Probability = Field(description="Its probability, calibrated.", examples=[0.9991])
    probabilities: list[Probability] = Field(
        min_length=NUM_CLASSES,
        max_length=NUM_CLASSES,
        description="Of the digits 0 to 9 in this order; they sum to 1.",
        examples=[[0.0001, 0.9991, *[0.0001] * 8]],
    )
    accepted: Accepted
    reason: WhyNot


class Prediction(DigitPrediction):
    """The reading of one digit."""

    model: Version = Field(examples=["9f86d081884c"])


class DrawingPrediction(Prediction):
    """The reading of a drawing of one digit."""

    confidence: JointConfidence
    model: Version = Field(
        description="The model of single digits; that of lines, which is asked as well, is `lines` of /model.",
        examples=["9f86d081884c"],
    )
    image: list[Line] = Field(
        min_length=SIZE,
        max_length=SIZE,
        description="What both networks saw: rows of pixels, 0 is paper and 255 is ink.",
        examples=[[[0] * SIZE] * SIZE],
    )


class ReadDigit(Answer):
    """One digit of a number."""

    digit: int = Field(ge=0, le=NUM_CLASSES - 1, description="The digit that is most probable.", examples=[1])
    confidence: JointConfidence
    accepted: bool = Field(
        description="Whether it can be told; a digit that stands alone must look like one, too.", examples=[True]
    )
    reason: WhyNot
    box: list[Annotated[int, Field(ge=0)]] = Field(
        min_length=4,
        max_length=4,
        description="Where it stands: left, top, width and height, in pixels of the upright picture that was sent.",
        examples=[[40, 20, 30, 60]],
    )
    line: int = Field(ge=0, description="The index of its line in `lines`.", examples=[0])


class ReadLine(Answer):
    """One line of a page."""

    number: str = Field(
        pattern="^[0-9]+$",
        description="The digits, left to right, a doubtful one by the best guess; without what looks like no digit.",
        examples=["1024"],
    )
    box: list[int] = Field(
        min_length=4,
        max_length=4,
        description="Left, top, width and height of the line's box before it is turned by `angle` about its middle, in "
        "pixels of the upright picture that was sent; a sloping line's may reach out of it.",
        examples=[[40, 20, 130, 60]],
    )
    angle: float = Field(
        ge=-180, le=180, description="The line's slope in degrees, clockwise: positive if it falls.", examples=[0.0]
    )
    accepted: bool = Field(description="Whether the whole line can be relied on.", examples=[True])
    digits: list[ReadDigit] = Field(description="The line's digits, left to right.")


class NumberReading(Answer):
    """The reading of the digits on a page."""

    number: str = Field(
        pattern="^[0-9\\n]*$", description="The numbers of all lines, parted by line feeds.", examples=["1024"]
    )
    digits: list[ReadDigit] = Field(description="The digits of all lines, in the order in which they are read.")
    lines: list[ReadLine] = Field(description="From top to bottom, and from left to right at one height.")
    reason: Literal["blank", "no_digits", "too_small"] | None = Field(
        description="Why there is no line: there is no ink, none of it looks like digits, or digits are too small to "
        "be read; null if there is a line.",
        examples=[None],
    )
    orientation: Literal[0, 90, 180, 270] = Field(
        description="By how many degrees the picture was turned clockwise to be read. All boxes are of the picture as "
        "it was sent, which metadata (EXIF) may have turned upright.",
        examples=[0],
    )
    model: Version = Field(
        description="The model that reads lines: the first 12 digits of its file's SHA-256.", examples=["9f86d081884c"]
    )


class BatchPrediction(Answer):
    """The readings of several digits."""

    predictions: list[DigitPrediction] = Field(description="One for each image, in the order in which they were sent.")
    model: Version = Field(examples=["9f86d081884c"])


class FileInfo(Answer):
    """A model, as its file tells."""

    model: Version = Field(examples=["9f86d081884c"])
    sha256: str = Field(
        pattern="^[0-9a-f]{64}$", description="Of its whole file.", examples=["9f86d081884c" + "0" * 52]
    )
    precision: Literal["int8", "fp32"] = Field(
        description="Which of the file's graphs answers: of 8-bit integers, or of 32-bit floats."
    )
    provenance: dict[str, Any] = Field(
        description="How it came about: configuration, SHA-256 of its data, measurements, packages; empty if its file "
        "does not tell.",
        examples=[{"config": {"epochs": 20, "seed": 1}}],
    )


class ModelInfo(FileInfo):
    """The model of single digits; `lines` reads lines for /read, and a part of /predict/image; `pages` finds lines."""

    accuracy: float | None = Field(
        ge=0,
        le=1,
        description="Measured on digits that it was not trained on; null if its file does not tell.",
        examples=[0.9968],
    )
    lines: FileInfo
    pages: FileInfo


class Liveness(Answer):
    """The process is alive."""

    status: Literal["alive"] = Field(description="Whatever the model does.")


class Readiness(Answer):
    """Both models are loaded and have read known digits correctly."""

    status: Literal["ready"] = Field(description="Predictions are answered.")
    model: Version = Field(examples=["9f86d081884c"])


class ErrorDetail(Answer):
    """Why a request was refused."""

    code: ErrorCode = Field(description="For programs.")
    message: str = Field(description="What was received and what was expected.")
    field: str | None = Field(
        description="The first pixel that is wrong, as pixel12 or images[3].pixel12; null when it is the whole request."
    )
    hint: str = Field(description="How to mend it.")


class ErrorAnswer(Answer):
    """The one shape of every error."""

    error: ErrorDetail
