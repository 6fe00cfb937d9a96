"""The rejector: a small network that tells digits from everything else."""

import keras
from keras import layers

from digits.data.images import BATCH_SHAPE, NUM_CLASSES
from digits.networks.classifier import LOGITS_NAME, add_convolution


def build_rejector() -> keras.Model:
    """Build the untrained network; its weights depend on `keras.utils.set_random_seed`.

    Returns:
        A model from float32 `(n, 28, 28, 1)` in [0, 1] to probabilities float32 `(n, 11)` of the digits and of none.
    """
    pixels = keras.Input(BATCH_SHAPE, name="pixels")
    x = add_convolution(pixels, 16, 5, strides=2)
    x = add_convolution(x, 32, strides=2, padding="same")
    x = add_convolution(x, 48, padding="same")
    logits = layers.Dense(NUM_CLASSES + 1, name=LOGITS_NAME)(layers.Flatten()(x))
    return keras.Model(pixels, layers.Softmax(name="probabilities")(logits), name="acceptance")
