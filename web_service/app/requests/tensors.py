"""Tensors of the Open Inference Protocol, as JSON and as bytes.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md, and Triton's
extension `binary_tensor_data` for tensors as bytes behind the JSON.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from app.errors.refusals import FEWER_IMAGES, ServiceError
from app.prediction.reading import Pixels
from app.requests.body import parse_json
from digits.data.images import NUM_CLASSES, NUM_PIXELS, SIZE
from digits.data.pixel_json import check_images, parse_images

INPUT_NAME = "pixels"
INPUT_SHAPES = f"[n, {NUM_PIXELS}] or [n, {SIZE}, {SIZE}]"
# Every type of number is taken. Tensors as bytes are little-endian.
DTYPES = {
    **{f"UINT{8 * size}": f"<u{size}" for size in (1, 2, 4, 8)},
    **{f"INT{8 * size}": f"<i{size}" for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": f"<f{size}" for size in (2, 4, 8)},
}
# For each output: its type, its shape without the first dimension, and the function that computes it from the
# probabilities, float32 `(n, 10)`.
OUTPUTS: Mapping[str, tuple[str, tuple[int, ...], Callable[[NDArray[np.float32]], NDArray[Any]]]] = {
    "probabilities": ("FP32", (NUM_CLASSES,), lambda probabilities: probabilities),
    "digit": ("INT64", (), lambda probabilities: probabilities.argmax(axis=1)),
}
REQUEST_IN_SHORT = '{"inputs": [{"name": "pixels", "shape": [1, 784], "datatype": "UINT8", "data": [784 numbers]}]}'
# An error repeats this many characters of what a client sent.
_CHARS_SHOWN = 64


class Inference:
    """One inference request.

    Attributes:
        id: The client's own name for the request; None if there is none, and before `parse`.
        outputs: The outputs that the client wants, in order, and whether it wants each as bytes; empty before `parse`.
    """

    def __init__(self, body: bytes | bytearray, header_length: str | None, max_images: int) -> None:
        self._body = body
        self._max_images = max_images
        self._header_length = header_length
        self.id: str | None = None
        self.outputs: dict[str, bool] = {}

    def parse(self) -> Pixels:
        """Parse the request.

        Returns:
            uint8 or float32 `(n, 784)`, 0-255.

        Raises:
            ServiceError: If the body is not JSON or no request of the protocol, or asks for what does not exist.
            PixelError: If a pixel is wrong.
        """
        header_length = _parse_header_length(self._header_length, len(self._body))
        content = parse_json(self._body[:header_length], REQUEST_IN_SHORT, self._max_images)
        if not isinstance(content, dict):
            raise refuse_tensors("JSON that is no object", f"an object, as {REQUEST_IN_SHORT}")
        self.id = _get(content, "id", str, "the request", None)
        self.outputs = _parse_outputs(content)
        inputs = _get(content, "inputs", list, "the request")
        if len(inputs) != 1 or not isinstance(inputs[0], dict) or inputs[0].get("name") != INPUT_NAME:
            names = [str(one.get("name"))[:_CHARS_SHOWN] if isinstance(one, dict) else "?" for one in inputs[:5]]
            raise refuse_tensors(f"inputs {names}", f"one, named {INPUT_NAME}")
        return _parse_input(inputs[0], memoryview(self._body)[header_length:], self._max_images)

    def pack(self, model: str, probabilities: NDArray[np.float32]) -> tuple[bytes, int | None]:
        """Return the answer's body, and the length of its JSON in bytes if tensors as bytes follow it.

        Args:
            model: The model's name.
            probabilities: float32 `(n, 10)`, in [0, 1].
        """
        described, blobs = [], []
        for name, is_binary in self.outputs.items():
            datatype, _, compute = OUTPUTS[name]
            values = np.ascontiguousarray(compute(probabilities), DTYPES[datatype])
            tensor: dict[str, object] = {"name": name, "shape": values.shape, "datatype": datatype}
            if is_binary:
                blobs.append(values.tobytes())
                described.append({**tensor, "parameters": {"binary_data_size": values.nbytes}})
            else:
                described.append({**tensor, "data": values.ravel()})
        content = {"model_name": model, **({} if self.id is None else {"id": self.id}), "outputs": described}
        header = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
        return b"".join([header, *blobs]), len(header) if blobs else None


def _parse_header_length(text: str | None, num_bytes: int) -> int:
    if text is None:
        return num_bytes
    if not (text.isascii() and text.isdigit()) or len(text) > 12 or int(text) > num_bytes:
        expected = f"the length of the JSON at the start of a body of {num_bytes:,} bytes"
        raise refuse_tensors(f"Inference-Header-Content-Length {text[:_CHARS_SHOWN]}", expected)
    return int(text)


def _parse_outputs(content: Mapping[str, Any]) -> dict[str, bool]:
    parameters = _get(content, "parameters", dict, "the request", {})
    are_binary = _get(parameters, "binary_data_output", bool, "the request's parameters", False)
    wanted = _get(content, "outputs", list, "the request", None) or [{"name": name} for name in OUTPUTS]
    outputs = {}
    for output in wanted:
        name = output.get("name") if isinstance(output, dict) else None
        if not isinstance(name, str) or name not in OUTPUTS:
            raise refuse_tensors(f"output {str(name)[:_CHARS_SHOWN]}", " or ".join(OUTPUTS))
        parameters = _get(output, "parameters", dict, f"output {name}", {})
        if "classification" in parameters or "shared_memory_region" in parameters:
            raise refuse_tensors(f"parameters {sorted(parameters)[:5]} for output {name}", "binary_data alone")
        outputs[name] = _get(parameters, "binary_data", bool, f"output {name}", are_binary)
    return outputs


def _parse_input(tensor: Mapping[str, Any], blob: memoryview, max_images: int) -> Pixels:
    shape, datatype = _get(tensor, "shape", list, INPUT_NAME), _get(tensor, "datatype", str, INPUT_NAME)
    if not all(type(size) is int and size >= 0 for size in shape) or shape[1:] not in ([NUM_PIXELS], [SIZE, SIZE]):
        raise refuse_tensors(f"shape {str(shape)[:_CHARS_SHOWN]} for {INPUT_NAME}", INPUT_SHAPES)
    # Numbers of one byte would be brought to four before the images are counted.
    if shape[0] > max_images:
        raise ServiceError("wrong_batch_size", num_images=shape[0], limit=max_images, hint=FEWER_IMAGES)
    if datatype not in DTYPES:
        raise refuse_tensors(f"datatype {datatype[:_CHARS_SHOWN]} for {INPUT_NAME}", ", ".join(DTYPES))
    parameters = _get(tensor, "parameters", dict, INPUT_NAME, {})
    size = _get(parameters, "binary_data_size", int, INPUT_NAME, None)
    if size is not None:
        return _unpack(shape, np.dtype(DTYPES[datatype]), size, blob)
    if blob:
        raise refuse_tensors(f"{len(blob):,} bytes behind the JSON", f"binary_data_size for {INPUT_NAME}")
    return _parse_data(shape, datatype, _get(tensor, "data", list, INPUT_NAME))


def _unpack(shape: list[int], dtype: np.dtype[Any], size: int, blob: memoryview) -> Pixels:
    expected = math.prod(shape) * dtype.itemsize
    if not size == len(blob) == expected:
        raise refuse_tensors(
            f"binary_data_size {size:,} and {len(blob):,} bytes for {INPUT_NAME}", f"{expected:,}, as its shape tells"
        )
    pixels = np.frombuffer(blob, dtype).reshape(-1, NUM_PIXELS)
    return pixels if dtype == np.uint8 else check_images(pixels)


def _parse_data(shape: list[int], datatype: str, values: list[Any]) -> Pixels:
    is_flat = len(values) == math.prod(shape) and not (values and isinstance(values[0], list))
    if is_flat:
        values = [values[start : start + NUM_PIXELS] for start in range(0, len(values), NUM_PIXELS)]
    if len(values) != shape[0]:
        raise refuse_tensors(f"data of length {len(values):,} for {INPUT_NAME}", f"{math.prod(shape):,} numbers")
    pixels = parse_images(values)
    if not datatype.startswith("FP") and (pixels % 1).any():
        raise refuse_tensors(f"fractions for {INPUT_NAME}", f"integers, as {datatype} says, or another datatype")
    return pixels


def _get(content: Mapping[str, Any], name: str, kind: type, where: str, default: Any = ...) -> Any:
    """Return a member of an object, which must be of this kind, or the default if the member is missing or null."""
    value = content.get(name)
    if value is None and default is not ...:
        return default
    if type(value) is not kind:
        kinds = {str: "a string", list: "an array", dict: "an object", bool: "true or false", int: "an integer"}
        raise refuse_tensors(f"no {name} in {where}" if value is None else f"another {name} in {where}", kinds[kind])
    return value


def refuse_tensors(received: str, expected: str) -> ServiceError:
    """Return the error that names what was received and what was expected."""
    return ServiceError("invalid_inference_request", received=received, expected=expected)
