"""The line recogniser: a network that reads a whole line of digits.

At every fourth column it computes the probabilities of the ten digits and of no digit, the blank. Labels name the
digits of a line and not their columns: connectionist temporal classification (CTC) sums over all their positions
(Graves et al., "Connectionist Temporal Classification", ICML 2006).
"""

import keras
import numpy as np
from keras import layers

from digits.data.images import NUM_CLASSES
from digits.networks.classifier import add_convolution, add_residual_block
from digits.preprocessing.line_image import LINE_HEIGHT

_SCORES = "scores"
_BLANK = 0  # The class of the blank while training, because Keras's CTC pads labels with it; the digits follow.


def build_line_network(width: int | None = None) -> keras.Model:
    """Build the untrained network; its weights depend on `keras.utils.set_random_seed`.

    32 rows -> 5x5 stride 2 -> 16 rows of 24 channels -> residual blocks: 8 rows of 48, 4 of 64, 4 of 64 -> 4x5 -> 1 row
    of 128 -> 1x5 -> 1 row of 128 -> logits.

    Args:
        width: The width of all lines in pixels, a multiple of 4; None stands for any.

    Returns:
        A model from float32 `(n, 32, width, 1)` in [0, 1] to logits, float32 `(n, width / 4, 11)`, the blank first.
    """
    pixels = keras.Input((LINE_HEIGHT, width, 1), name="pixels")
    x = add_convolution(pixels, 24, 5, strides=2, padding="same")
    x = add_residual_block(x, 48, (2, 2))
    x = add_residual_block(x, 64, (2, 1))
    x = add_residual_block(x, 64)
    x = add_convolution(layers.ZeroPadding2D((0, 2))(x), 128, (x.shape[1], 5))
    x = add_convolution(x, 128, (1, 5), padding="same")
    scores = layers.Conv2D(NUM_CLASSES + 1, 1, name=_SCORES)(x)
    return keras.Model(pixels, layers.Reshape((-1, NUM_CLASSES + 1))(scores), name="lines")


def add_probabilities(network: keras.Model) -> keras.Model:
    """Return the network as it is served, to probabilities with the blank last; it changes the network's weights."""
    scores = network.get_layer(_SCORES)
    scores.set_weights([np.roll(weights, -1 - _BLANK, axis=-1) for weights in scores.get_weights()])
    return keras.Model(network.input, layers.Softmax(name="probabilities")(network.output), name=network.name)
