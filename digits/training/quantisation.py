"""Make of an ONNX graph for floats one for 8-bit integers.

A processor with instructions for it computes convolutions of int8 in a half to a third of the time. Weights are rounded
to 256 levels for each channel, and activations to 256 levels of the range that they have on training digits (Nagel et
al., "A White Paper on Neural Network Quantization", arXiv 2106.08295).

The first convolution and what follows the last ReLU stay in floats: there rounding costs the most and saves the least.
"""

import tempfile
from collections import Counter
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

_QUANTISED = ("Conv", "Add", "Relu")
_CALIBRATED_AT_ONCE = 20  # Inputs. Their activations are kept until the ranges are known.


@dataclass(frozen=True)
class Quantisation:
    """How a network is quantised.

    Attributes:
        num_floats: int8 begins behind so many ReLUs.
        clips: Cut off one in 100,000 activations, so that the levels of the others are finer.
    """

    num_floats: int = 1
    clips: bool = False


def quantise_graph(
    graph: bytes, calibration: NDArray[np.float32], settings: Quantisation | None = None
) -> bytes | None:
    """Return the graph for int8, or None if it has no convolutions between the ReLUs where int8 begins and ends.

    Args:
        graph: ONNX, from floats to floats.
        calibration: Inputs that show how large activations become.
        settings: How; None stands for the usual ones.
    """
    settings = settings or Quantisation()
    model = onnx.load_from_string(graph)
    _Folding(model).fold()
    nodes = list(model.graph.node)
    relus = [index for index, node in enumerate(nodes) if node.op_type == "Relu"]
    inner = nodes[relus[settings.num_floats - 1] : relus[-1] + 1] if len(relus) > settings.num_floats else []
    if not any(node.op_type == "Conv" for node in inner):
        return None
    # Without this mark each call warns that the graph was not simplified; onnxslim has done that.
    helper.set_model_props(model, {"onnx.quant.pre_process": "onnxruntime.quant"})
    # It prints what it does.
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()):
        path = Path(folder, "int8.onnx")
        quantize_static(
            model,
            path,
            _Calibration(model.graph.input[0].name, calibration),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=_QUANTISED,
            nodes_to_quantize=[node.name for node in inner if node.op_type in _QUANTISED],
            per_channel=True,
            calibrate_method=CalibrationMethod.Percentile if settings.clips else CalibrationMethod.MinMax,
            # What processors multiply fastest: activations without a sign, weights with one.
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return path.read_bytes()


class _Calibration(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime ships no types.
    """The inputs, some at once, as ONNX Runtime asks for them."""

    def __init__(self, name: str, inputs: NDArray[np.float32]) -> None:
        starts = range(0, len(inputs), _CALIBRATED_AT_ONCE)
        self._parts = iter([{name: inputs[start : start + _CALIBRATED_AT_ONCE]} for start in starts])

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._parts, None)


class _Folding:
    """Rewrites a graph, with the same results, into steps that int8 has fast kernels for."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._graph = model.graph
        self._constants = {one.name: one for one in model.graph.initializer}
        self._num_uses = Counter(name for node in model.graph.node for name in node.input)
        self._maker = {name: node for node in model.graph.node for name in node.output}

    def fold(self) -> None:
        """Rewrite the graph in place."""
        for node in list(self._graph.node):
            if node.op_type == "Conv":
                self._take_in_pooling(node)
            elif node.op_type == "Add":
                self._take_in_scale(node)
        self._make_last_a_product()
        used = {name for node in self._graph.node for name in node.input}
        for constant in [one for one in self._graph.initializer if one.name not in used]:
            self._graph.initializer.remove(constant)

    def _take_in_pooling(self, convolution: onnx.NodeProto) -> None:
        """Let a 1x1 convolution average by itself, in place of the pooling before it."""
        pooling = self._maker.get(convolution.input[0])
        weights = self._read(convolution.input[1])
        if pooling is None or pooling.op_type != "AveragePool" or weights.shape[2:] != (1, 1):
            return
        settings = _read_attributes(pooling)
        size = list(settings["kernel_shape"])
        is_plain = size == list(settings.get("strides", [1, 1])) and not any(settings.get("pads", [0]))
        if not is_plain or self._num_uses[pooling.output[0]] > 1 or self._num_uses[convolution.input[1]] > 1:
            return
        self._write(convolution.input[1], np.tile(weights / np.prod(size), (1, 1, *size)))
        for name in ("kernel_shape", "strides", "pads", "auto_pad"):
            for attribute in [one for one in convolution.attribute if one.name == name]:
                convolution.attribute.remove(attribute)
        convolution.attribute.extend(helper.make_attribute(name, size) for name in ("kernel_shape", "strides"))
        convolution.input[0] = pooling.input[0]
        self._graph.node.remove(pooling)

    def _take_in_scale(self, shift: onnx.NodeProto) -> None:
        """Let two convolutions whose sum is normalised scale and shift by themselves."""
        scale = self._maker.get(shift.input[0])
        total = None if scale is None or scale.op_type != "Mul" else self._maker.get(scale.input[0])
        if scale is None or total is None or total.op_type != "Add":
            return
        summed = [self._maker.get(name) for name in total.input]
        convolutions = [node for node in summed if node is not None and node.op_type == "Conv" and len(node.input) == 2]
        names = [*total.output, *scale.output, *total.input, *(node.input[1] for node in convolutions)]
        is_ours = {scale.input[1], shift.input[1]} <= self._constants.keys()
        if len(convolutions) != 2 or not is_ours or any(self._num_uses[name] > 1 for name in names):
            return
        factors, offsets = (self._read(node.input[1]).reshape(-1) for node in (scale, shift))
        for node in convolutions:
            weights = self._read(node.input[1])
            self._write(node.input[1], weights * factors.reshape(-1, 1, 1, 1))
        first = convolutions[0]
        first.input.append(f"{first.name}/offsets")
        self._add(first.input[2], np.broadcast_to(offsets, len(weights)))
        total.output[0] = shift.output[0]
        self._graph.node.remove(scale)
        self._graph.node.remove(shift)

    def _make_last_a_product(self) -> None:
        """Compute a 1x1 convolution after the last ReLU as a product of matrices, which leaves channels where they are.

        int8 keeps the channels of a place together. A convolution of floats wants them apart, a product does not.
        """
        nodes = list(self._graph.node)
        places = [index for index, node in enumerate(nodes) if node.op_type in ("Conv", "Relu")]
        last = nodes[places[-1]] if places else None
        if last is None or last.op_type != "Conv" or len(last.input) != 3:
            return
        weights = self._read(last.input[1])
        if weights.shape[2:] != (1, 1):
            return
        name = last.name
        self._add(f"{name}/matrix", np.ascontiguousarray(weights[:, :, 0, 0].T))
        product = [
            helper.make_node("Transpose", [last.input[0]], [f"{name}/places"], f"{name}/places", perm=[0, 2, 3, 1]),
            helper.make_node("MatMul", [f"{name}/places", f"{name}/matrix"], [f"{name}/product"], f"{name}/product"),
            helper.make_node("Add", [f"{name}/product", last.input[2]], [f"{name}/sum"], f"{name}/sum"),
            helper.make_node("Transpose", [f"{name}/sum"], list(last.output), f"{name}/channels", perm=[0, 3, 1, 2]),
        ]
        self._graph.node.remove(last)
        for offset, node in enumerate(product):
            self._graph.node.insert(places[-1] + offset, node)

    def _read(self, name: str) -> NDArray[np.float32]:
        constant = self._constants.get(name)
        return np.empty(0, np.float32) if constant is None else np.asarray(numpy_helper.to_array(constant))

    def _write(self, name: str, values: NDArray[np.floating]) -> None:
        self._constants[name].CopyFrom(numpy_helper.from_array(values.astype(np.float32), name))

    def _add(self, name: str, values: NDArray[np.floating]) -> None:
        self._graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))


def _read_attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {one.name: helper.get_attribute_value(one) for one in node.attribute}
