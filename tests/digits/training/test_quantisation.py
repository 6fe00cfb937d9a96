from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from digits.data.images import BATCH_SHAPE
from digits.inference.onnx_session import open_graph
from digits.training.export import export_graph
from digits.training.quantisation import quantise_graph

if TYPE_CHECKING:
    import keras


def build_network() -> "keras.Model":
    """Return a network with all that is folded: a pooled shortcut, a sum that is normalised, a 1x1 convolution last."""
    import keras
    from keras import layers

    from digits.networks.classifier import add_convolution, add_residual_block

    keras.utils.set_random_seed(3)
    pixels = keras.Input(BATCH_SHAPE)
    x = add_residual_block(add_convolution(pixels, 8, 5, strides=2, padding="same"), 16, (2, 2))
    twice = [layers.Conv2D(16, 1, use_bias=False)(one) for one in (x, layers.ReLU()(layers.Conv2D(16, 1)(x)))]
    normalised = layers.BatchNormalization(
        gamma_initializer=keras.initializers.RandomUniform(0.5, 2, seed=1),
        beta_initializer=keras.initializers.RandomUniform(-1, 1, seed=2),
    )(layers.Add()(twice))
    scores = layers.Conv2D(4, 1, bias_initializer="ones")(layers.ReLU()(normalised))
    return keras.Model(pixels, layers.Softmax()(scores))


@pytest.fixture(scope="module")
def graph(small_batch: NDArray[np.float32]) -> bytes:
    return export_graph(build_network(), small_batch)[0]


def test_quantise_graph_answers_nearly_alike(graph: bytes, small_batch: NDArray[np.float32]) -> None:
    shapes = BATCH_SHAPE, (7, 7, 4)
    quantised = quantise_graph(graph, small_batch[:100])
    assert quantised is not None
    expected = open_graph(graph, 1, *shapes)(small_batch[100:])
    # Rounding alone may tell them apart, also where the processor's own int8 would saturate.
    found = open_graph(quantised, 1, *shapes, simulates_int8=True)(small_batch[100:])
    assert 0 < np.abs(found - expected).max() < 0.05


def test_quantise_graph_leaves_no_step_between_integers_that_int8_computes_slowly(
    graph: bytes, small_batch: NDArray[np.float32]
) -> None:
    quantised = quantise_graph(graph, small_batch)
    assert quantised is not None
    steps = [node.op_type for node in onnx.load_from_string(quantised).graph.node]
    assert "AveragePool" not in steps
    assert "Mul" not in steps


def test_quantise_graph_leaves_the_first_and_the_last_convolution_in_floats(
    graph: bytes, small_batch: NDArray[np.float32]
) -> None:
    quantised = quantise_graph(graph, small_batch)
    assert quantised is not None
    model = onnx.load_from_string(quantised)
    floats = {one.name for one in model.graph.initializer if one.data_type == onnx.TensorProto.FLOAT and one.dims}
    shapes = [list(one.dims) for one in model.graph.initializer if one.name in floats and len(one.dims) > 1]
    assert [8, 1, 5, 5] in shapes
    assert [16, 4] in shapes


def test_quantise_graph_without_convolutions_makes_none(
    tiny_network: "keras.Model", small_batch: NDArray[np.float32]
) -> None:
    assert quantise_graph(export_graph(tiny_network, small_batch)[0], small_batch) is None
