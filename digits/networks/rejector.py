"""The rejector: a small network that tells digits from everything else."""

import keras
from keras import layers

from digits.data.images import BATCH_SHAPE, NUM_CLASSES
from digits.networks.classifier import LOGITS_NAME


def build_rejector() -> keras.Model:
    """Build the untrained network; its weights depend on `keras.utils.set_random_seed`.

    Returns:
        A model from float32 `(n, 28, 28, 1)` in [0, 1] to probabilities float32 `(n, 11)` of the digits and of none.
    """
    pixels = keras.Input(BATCH_SHAPE, name="pixels")
    x = pixels
    for channels, size, strides in ((16, 5, 2), (32, 3, 2), (48, 3, 1)):
        x = layers.Conv2D(channels, size, strides=strides, padding="valid" if size == 5 else "same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    logits = layers.Dense(NUM_CLASSES + 1, name=LOGITS_NAME)(layers.Flatten()(x))
    return keras.Model(pixels, layers.Softmax(name="probabilities")(logits), name="acceptance")
