"""The page detector: a network that marks where on a page digits are, whatever the light and the paper.

An encoder halves the picture five times and a decoder leads back to a quarter of its size (Lin et al., "Feature Pyramid
Networks", arXiv 1612.03144). There each place tells whether a digit's middle is at it, in the manner of CenterNet (Zhou
et al., "Objects as Points", arXiv 1904.07850), how large that digit is and which, and where the ink of digits is.
"""

from typing import Any

import keras
import tensorflow as tf
from keras import layers, ops

from digits.data.images import NUM_CLASSES
from digits.networks.classifier import add_convolution, add_residual_block
from digits.preprocessing.page_map import CENTRE, CLASSES, INK, NUM_CHANNELS, SIZES, STRIDE, to_shares

_RARE = -2.2  # The first logit of everything: a tenth of the places have ink, fewer the middle of a digit.
_SPREAD = 0.1  # A digit's mark fades over this share of its height,
_LEAST_SPREAD = 0.6  # and over as many places at least.
_NEAR = 0.4  # Where a mark is stronger than this, size and label of its digit are learnt.


def build_page_network(side: int | None = None) -> keras.Model:
    """Build the untrained network; its weights depend on `keras.utils.set_random_seed`.

    Args:
        side: Height and width of all pages in pixels, a multiple of 32; None stands for any multiples.

    Returns:
        A model from float32 `(n, height, width, 1)` in [0, 1] to logits `(n, height / 4, width / 4, 17)`;
        `digits.preprocessing.page_map` names the channels.
    """
    pixels = keras.Input((side, side, 1), name="pixels")
    x = add_convolution(pixels, 16, 5, strides=2, padding="same")
    levels = [add_residual_block(x, 32, (2, 2))]
    for channels in (64, 96, 128):
        x = add_residual_block(levels[-1], channels, (2, 2))
        levels.append(add_residual_block(x, channels))
    x = layers.Conv2D(64, 1, use_bias=False)(levels.pop())
    for channels in (64, 48, 48):
        level = levels.pop()
        x = layers.Conv2D(channels, 1, use_bias=False)(layers.UpSampling2D()(x))
        x = layers.Add()([x, layers.Conv2D(channels, 1, use_bias=False)(level)])
        x = add_convolution(layers.ReLU()(layers.BatchNormalization()(x)), channels, padding="same")
    x = add_convolution(x, 64, padding="same")
    first = keras.initializers.Constant(_RARE)
    return keras.Model(pixels, layers.Conv2D(NUM_CHANNELS, 1, bias_initializer=first, name="scores")(x), name="pages")


def add_page_probabilities(network: keras.Model) -> keras.Model:
    """Return the network as it is served: all channels in [0, 1], the labels' sum at each place 1."""
    scores = network.output
    shares = layers.Activation("sigmoid")(scores[..., : CLASSES.start])
    labels = layers.Softmax()(scores[..., CLASSES])
    return keras.Model(network.input, layers.Concatenate(name="map")([shares, labels]), name=network.name)


def draw_targets(digits: tf.Tensor, ink: tf.Tensor) -> tf.Tensor:
    """Draw what the network should answer.

    Args:
        digits: float32 `(80, 5)`, as `digits.synthesis.pages` gives them.
        ink: bool `(128, 128)`.

    Returns:
        float32 `(64, 64, 9)`: marks of the middles, both sizes, four places' ink, the label, and whether to learn size
        and label there.
    """
    side = ink.shape[0] * 2 // STRIDE
    places = (tf.range(side, dtype=tf.float32) + 0.5) * STRIDE
    x, y, width, height, label = (digits[:, column, None, None] for column in range(5))
    spread = tf.maximum(_SPREAD * tf.minimum(height, 2 * width), _LEAST_SPREAD * STRIDE)
    distance = (places[None, None, :] - x) ** 2 + (places[None, :, None] - y) ** 2
    marks = tf.where(label >= 0, tf.exp(-distance / (2 * spread**2)), 0.0)
    strongest = tf.argmax(marks, axis=0)
    mark = tf.reduce_max(marks, axis=0)
    # The place nearest to a middle is marked in full, though the middle lies beside the place's own.
    is_middle = tf.reduce_any(
        (label >= 0)
        & (tf.abs(places[None, None, :] - x) <= STRIDE / 2)
        & (tf.abs(places[None, :, None] - y) <= STRIDE / 2),
        axis=0,
    )
    mark = tf.where(is_middle, 1.0, mark)
    near = tf.gather(digits, strongest)
    sizes = to_shares(tf.maximum(near[..., 2:4], 1.0), tf.math.log)
    fine = tf.nn.space_to_depth(tf.cast(ink, tf.float32)[None, ..., None], 2)[0]
    is_near = tf.cast(mark > _NEAR, tf.float32)
    return tf.concat([mark[..., None], sizes, fine, near[..., 4:5], is_near[..., None]], axis=-1)


def measure_page_loss(targets: Any, scores: Any) -> Any:
    """Return the loss of each page, `(n,)`: for middles, sizes, labels and ink."""
    mark, sizes, ink, label, is_near = (
        targets[..., part] for part in (slice(0, 1), slice(1, 3), slice(3, 7), slice(7, 8), slice(8, 9))
    )
    num_near = ops.maximum(ops.sum(is_near, axis=(1, 2, 3)), 1.0)
    num = ops.maximum(ops.sum(ops.cast(mark == 1.0, "float32"), axis=(1, 2, 3)), 1.0)
    centre = scores[..., CENTRE]
    share, log_share, log_rest = ops.sigmoid(centre), -ops.softplus(-centre), -ops.softplus(centre)
    focal = ops.where(mark == 1.0, (1 - share) ** 2 * log_share, (1 - mark) ** 4 * share**2 * log_rest)
    loss = -ops.sum(focal, axis=(1, 2, 3)) / num
    errors = ops.abs(ops.sigmoid(scores[..., SIZES]) - sizes) * is_near
    loss += 5 * ops.sum(errors, axis=(1, 2, 3)) / num_near
    labels = ops.one_hot(ops.cast(ops.maximum(label[..., 0], 0), "int32"), NUM_CLASSES)
    entropy = -ops.sum(labels * ops.log_softmax(scores[..., CLASSES], axis=-1), axis=-1, keepdims=True)
    loss += ops.sum(entropy * is_near, axis=(1, 2, 3)) / num_near
    found = scores[..., INK]
    blurred = ops.softplus(found) - ink * found
    loss += 4 * ops.mean(blurred * (1 + 3 * ink), axis=(1, 2, 3))
    share = ops.sigmoid(found)
    overlap, total = ops.sum(share * ink, axis=(1, 2, 3)), ops.sum(share + ink, axis=(1, 2, 3))
    return loss + 1 - (2 * overlap + 20) / (total + 20)
