"""The classifier: a network from 28x28 pixels to ten probabilities.

28x28 -> minus the mean around each pixel -> 5x5 stride 2 -> 12x12x32 -> residual block -> residual block stride 2
-> 6x6x64 -> residual block -> logits.
The maps shrink early, so most of the arithmetic is done on small maps, and two CPU cores train it in minutes.
"""

import keras
import numpy as np
from keras import layers

from digits.data.images import BATCH_SHAPE, NUM_CLASSES
from digits.errors import ConfigurationError

LOGITS_NAME = "logits"
_SURROUNDINGS = 7  # Side of the square around a pixel, in pixels: wider than a stroke, narrower than a digit.


def build_network() -> keras.Model:
    """Build the untrained network; its weights depend on `keras.utils.set_random_seed`.

    Returns:
        A model from float32 `(n, 28, 28, 1)` in [0, 1] to probabilities float32 `(n, 10)`.
    """
    pixels = keras.Input(BATCH_SHAPE, name="pixels")
    x = add_convolution(subtract_surroundings(pixels), 32, 5, strides=2)
    x = add_residual_block(x, 32)
    x = add_residual_block(x, 64, (2, 2))
    x = add_residual_block(x, 64)
    logits = layers.Dense(NUM_CLASSES, name=LOGITS_NAME)(layers.Flatten()(x))
    return keras.Model(pixels, layers.Softmax(name="probabilities")(logits), name="digits")


def subtract_surroundings(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Subtract from each pixel the mean of the square around it.

    Only the difference between ink and the paper beside it shows the digit; the grey of the paper and shadows do not.
    The mean of rows is followed by the mean of columns, which gives the mean of the square in a third of the time.

    Args:
        pixels: `(n, 28, 28, 1)`.

    Returns:
        `(n, 28, 28, 1)`, in [-1, 1] where the pixels are in [0, 1].
    """
    mean = layers.AveragePooling2D((_SURROUNDINGS, 1), strides=1, padding="same")(pixels)
    mean = layers.AveragePooling2D((1, _SURROUNDINGS), strides=1, padding="same")(mean)
    return layers.Subtract()([pixels, mean])


def add_convolution(
    x: keras.KerasTensor,
    channels: int,
    size: int | tuple[int, int] = 3,
    strides: int | tuple[int, int] = 1,
    padding: str = "valid",
    momentum: float = 0.99,
) -> keras.KerasTensor:
    """Add a convolution, a batch normalisation of this momentum, and a ReLU."""
    x = layers.Conv2D(channels, size, strides=strides, padding=padding, use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization(momentum=momentum)(x))


def add_residual_block(x: keras.KerasTensor, channels: int, strides: tuple[int, int] = (1, 1)) -> keras.KerasTensor:
    """Add two 3x3 convolutions with a shortcut around them (He et al., arXiv 1512.03385).

    Where the map shrinks, the shortcut averages before its 1x1 convolution, so that every pixel counts (ResNet-D,
    He et al., arXiv 1812.01187).

    Args:
        x: `(n, height, width, any)`.
        channels: The channels of the result.
        strides: The strides down and across.

    Returns:
        `(n, height / down, width / across, channels)`.
    """
    residual = add_convolution(x, channels, strides=strides, padding="same")
    residual = layers.Conv2D(channels, 3, padding="same", use_bias=False)(residual)
    residual = layers.BatchNormalization()(residual)
    if strides != (1, 1):
        x = layers.Conv2D(channels, 1, use_bias=False)(layers.AveragePooling2D(strides)(x))
    return layers.ReLU()(layers.Add()([x, residual]))


def select_logits(network: keras.Model) -> keras.Model:
    """Return the network up to its logits, with shared weights, because cross-entropy is exact on logits."""
    return keras.Model(network.input, network.get_layer(LOGITS_NAME).output, name=network.name)


def fold_temperature(network: keras.Model, temperature: float) -> None:
    """Divide the weights of the last layer by `temperature`, which calibrates the probabilities.

    Temperature scaling follows Guo et al., arXiv 1706.04599. The predicted digits do not change.

    Raises:
        ConfigurationError: If the temperature is not positive.
    """
    if not temperature > 0:
        raise ConfigurationError(f"Received temperature {temperature}, expected a number above 0.")
    layer = network.get_layer(LOGITS_NAME)
    layer.set_weights([weights / np.float32(temperature) for weights in layer.get_weights()])


def count_multiply_adds(network: keras.Model) -> int:
    """Return the multiply-adds of all convolutions and dense layers for one image."""
    total = 0
    for layer in network.layers:
        if isinstance(layer, layers.Conv2D):
            total += int(np.prod(layer.output.shape[1:3])) * int(np.prod(layer.kernel.shape))
        elif isinstance(layer, layers.Dense):
            total += int(np.prod(layer.kernel.shape))
    return total
