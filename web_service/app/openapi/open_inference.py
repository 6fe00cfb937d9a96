"""The answers of the Open Inference Protocol, as models that the OpenAPI document shows."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from app.requests.tensors import INPUT_NAME
from digits.data.images import NUM_PIXELS


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
