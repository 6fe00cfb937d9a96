"""The answers of the Open Inference Protocol, and what OpenAPI says of its errors and of an inference request."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from app.errors.handlers import Refusal, describe_protocol_error
from app.errors.refusals import (
    FEWER_IMAGES,
    BodyTooLargeError,
    InvalidJsonError,
    UnsupportedEncodingError,
    WrongBatchSizeError,
)
from app.errors.server_faults import InternalError, ShuttingDownError
from app.openapi.examples import document_errors
from app.requests.tensors import DTYPES, INPUT_NAME, INPUT_SHAPES, OUTPUTS, REQUEST_IN_SHORT, refuse
from app.settings import DEFAULTS, Settings
from digits.data.images import MAX_PIXEL, NUM_PIXELS, draw_one

READINESS_ERRORS = (InternalError(), ShuttingDownError())


class ServerMetadata(BaseModel):
    """What the server is."""

    name: str = Field(description="Of the server.", examples=["digits"])
    version: str = Field(description="Of the server.", examples=["0.1.0"])
    extensions: list[str] = Field(description="Of the protocol.", examples=[["binary_tensor_data"]])


class ServerLiveness(BaseModel):
    """The process is alive."""

    live: Literal[True] = Field(description="Whatever the model does.")


class ServerReadiness(ServerLiveness):
    """Both models are loaded and have read known digits correctly."""

    ready: Literal[True] = Field(description="Inference is answered.")


class ModelReadiness(BaseModel):
    """Both models are loaded and have read known digits correctly."""

    name: str = Field(description="Of the model.", examples=["digits"])
    ready: Literal[True] = Field(description="Inference is answered.")


class TensorMetadata(BaseModel):
    """A tensor that the model takes or gives."""

    name: str = Field(description="Of the tensor.", examples=[INPUT_NAME])
    datatype: str = Field(description="Of each element, in the protocol's words.", examples=["UINT8"])
    shape: list[int] = Field(description="-1 stands for any number of images.", examples=[[-1, NUM_PIXELS]])


class ModelMetadata(BaseModel):
    """The tensors that the model takes and gives."""

    name: str = Field(description="Of the model.", examples=["digits"])
    platform: str = Field(description="What runs the model.", examples=["onnxruntime_onnx"])
    inputs: list[TensorMetadata] = Field(description="What is sent.")
    outputs: list[TensorMetadata] = Field(description="What is answered.")


class OutputTensor(BaseModel):
    """A tensor that is answered."""

    name: str = Field(description="Of the tensor.", examples=["digit"])
    shape: list[int] = Field(description="The first dimension counts the images.", examples=[[1]])
    datatype: str = Field(description="Of each element, in the protocol's words.", examples=["INT64"])
    data: list[float] | None = Field(None, description="Row by row, unless wanted as bytes.", examples=[[1]])
    parameters: dict[str, Any] | None = Field(None, description="The number of bytes, if wanted as bytes.")


class InferenceAnswer(BaseModel):
    """The tensors that were asked for; with bytes behind them where they were wanted as bytes."""

    model_name: str = Field(description="Of the model.", examples=["digits"])
    id: str | None = Field(None, description="As it was sent.", examples=["42"])
    outputs: list[OutputTensor] = Field(description="In the order in which they were asked for.")


class ProtocolErrorAnswer(BaseModel):
    """The protocol's shape of an error."""

    error: str = Field(description="What was received, what was expected and how to mend it.")


def list_inference_errors(settings: Settings = DEFAULTS) -> list[Refusal]:
    """Return one of each error that an inference request can be answered with."""
    return [
        InvalidJsonError("a body that stops being JSON at line 1, column 12", REQUEST_IN_SHORT),
        refuse("inputs []", f"one, named {INPUT_NAME}"),
        BodyTooLargeError(settings.max_batch_body_bytes, FEWER_IMAGES),
        UnsupportedEncodingError("gzip"),
        WrongBatchSizeError(0, settings.max_batch_images),
        InternalError(),
    ]


def document_protocol_errors(*errors: Refusal) -> dict[int | str, dict[str, Any]]:
    """Describe errors in the protocol's shape for OpenAPI."""
    return document_errors(*errors, model=ProtocolErrorAnswer, describe=describe_protocol_error)


def document_inference() -> dict[str, Any]:
    """Describe the body of an inference request for OpenAPI, with a 1 as the example."""
    pixel = {"type": "number", "minimum": 0, "maximum": MAX_PIXEL}
    tensor = {
        "type": "object",
        "required": ["name", "shape", "datatype"],
        "properties": {
            "name": {"const": INPUT_NAME},
            "shape": {"type": "array", "items": {"type": "integer"}, "description": INPUT_SHAPES},
            "datatype": {"enum": list(DTYPES)},
            "data": {"type": "array", "items": {"anyOf": [pixel, {"type": "array"}]}, "description": "Flat or nested."},
            "parameters": {
                "type": ["object", "null"],
                "properties": {"binary_data_size": {"type": ["integer", "null"]}},
            },
        },
    }
    output = {"type": "object", "required": ["name"], "properties": {"name": {"enum": list(OUTPUTS)}}}
    schema = {
        "title": "InferenceRequest",
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": ["string", "null"]},
            "inputs": {"type": "array", "minItems": 1, "maxItems": 1, "items": tensor},
            "outputs": {"type": ["array", "null"], "items": output},
            "parameters": {"type": ["object", "null"]},
        },
    }
    one = {"name": INPUT_NAME, "shape": [1, NUM_PIXELS], "datatype": "UINT8", "data": draw_one().ravel().tolist()}
    raw = {
        "type": "string",
        "format": "binary",
        "description": "The JSON, as long as the header Inference-Header-Content-Length says, then the tensor's bytes.",
    }
    content = {"application/json": {"schema": schema, "example": {"id": "42", "inputs": [one]}}}
    return {"requestBody": {"required": True, "content": {**content, "application/octet-stream": {"schema": raw}}}}
