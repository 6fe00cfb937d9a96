"""Train the network that reads a whole line of digits, and write models/lines.h5.

It slides over the line and says every four columns which digit stands there, or none. Where exactly a digit is said
need not be taught: connectionist temporal classification sums over all ways to space an answer out (Graves et al.,
"Connectionist temporal classification", ICML 2006).

Usage:
    python -m digits.line_network                 trains it, for models/lines.h5
    python -m digits.line_network --fast          on a few lines, to see it work
"""

import argparse
import time
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import logging
from keras import layers
from numpy.typing import NDArray

from digits.artifact import write_artifact
from digits.classifier import Predict, compute_in_parts
from digits.dataset import LabelledImages, hold_out, read_labelled_images
from digits.errors import end_in_one_line
from digits.images import MAX_PIXEL, NUM_CLASSES
from digits.line_examples import LINE_WIDTH, LineExamples, compose_lines
from digits.line_images import LINE_HEIGHT, make_line_batch
from digits.line_reading import decode
from digits.model import add_residual_block, count_multiply_adds
from digits.negatives import draw_any_digits, make_negatives
from digits.optimizer import make_optimizer
from digits.provenance import describe_environment
from digits.strokes import StrokeVariants, draw_variants

DATA, MODEL = Path("data/train.csv.gz"), Path("models/lines.h5")
_NUM_AT_ONCE = 50
_SCORES = "scores"
_BLANK = 0  # Keras's CTC pads labels with what it takes for no answer; digits follow it.


@dataclass(frozen=True)
class LineConfig:
    """The settings; written into the artifact. None was chosen on the test digits."""

    seed: int = 42
    num_lines: int = 100_000
    epochs: int = 3
    batch_size: int = 50
    learning_rate: float = 6e-3
    """The peak, for convolution kernels."""
    adamw_ratio: float = 0.5
    warmup_fraction: float = 0.1
    weight_decay: float = 0.01
    variants: StrokeVariants = field(default_factory=lambda: StrokeVariants(0.15, 0.4, 0.4))
    drawn_share: float = 0.2
    """Digits drawn from skeletons, a share of MNIST's."""
    hasty_share: float = 0.4
    """The same in a quick hand's forms: MNIST's writers know few of them."""
    foreign_share: float = 0.1
    """Letters, symbols and scribbles, likewise; a few lines hold them."""
    held_out: float = 1 / 30
    num_scored: int = 1_000
    """Lines of held-out digits."""


FAST = LineConfig(num_lines=2_000, epochs=1, num_scored=100)


def build_line_network(width: int | None = None) -> keras.Model:
    """Build the untrained network; weights follow `keras.utils.set_random_seed`.

    32 rows -> 5x5 stride 2 -> 16 rows of 24 channels -> residual blocks: 8 rows of 48, 4 of 64, 4 of 64 -> all rows and
    five steps together, 128 -> five steps together, 128 -> scores.

    Args:
        width: Of all lines; None, and it takes any multiple of 4.

    Returns:
        A model from float32 `(n, 32, width, 1)` in [0, 1] to scores, float32 `(n, width / 4, 11)`, the first of
        them for no digit.
    """
    pixels = keras.Input((LINE_HEIGHT, width, 1), name="pixels")
    x = _convolve(pixels, 24, 5, strides=2)
    x = add_residual_block(x, 48, (2, 2))
    x = add_residual_block(x, 64, (2, 1))
    x = add_residual_block(x, 64)
    x = _convolve(layers.ZeroPadding2D((0, 2))(x), 128, (x.shape[1], 5), padding="valid")
    x = _convolve(x, 128, (1, 5))
    scores = layers.Conv2D(NUM_CLASSES + 1, 1, name=_SCORES)(x)
    return keras.Model(pixels, layers.Reshape((-1, NUM_CLASSES + 1))(scores), name="lines")


def _convolve(
    x: keras.KerasTensor, channels: int, size: int | tuple[int, int], strides: int = 1, padding: str = "same"
) -> keras.KerasTensor:
    x = layers.Conv2D(channels, size, strides=strides, padding=padding, use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization()(x))


def add_probabilities(network: keras.Model) -> keras.Model:
    """Return the network as it is served: probabilities, no digit the last of them. It takes over the weights."""
    scores = network.get_layer(_SCORES)
    scores.set_weights([np.roll(weights, -1 - _BLANK, axis=-1) for weights in scores.get_weights()])
    return keras.Model(network.input, layers.Softmax(name="probabilities")(network.output), name=network.name)


def gather_digits(digits: LabelledImages, config: LineConfig) -> tuple[LabelledImages, NDArray[np.uint8]]:
    """Return what lines are composed of: digits of all kinds, and what is no digit, uint8 `(n, 28, 28)`."""
    random = np.random.default_rng(config.seed)
    parts = [(digits.images, digits.labels), draw_variants(digits.images, digits.labels, config.variants, config.seed)]
    for kind, share in (("digits", config.drawn_share), ("hasty digits", config.hasty_share)):
        parts.append(draw_any_digits(round(share * len(digits)), random, kind))
    images, labels = (np.concatenate(part) for part in zip(*parts, strict=True))
    kinds = ("letters", "symbols", "scribbles")
    num_foreign = max(round(config.foreign_share * len(digits)), 1)
    foreign = make_negatives(num_foreign, digits.images, digits.labels, config.seed, kinds)
    return LabelledImages(images, labels, digits.sha256), foreign


def compose(digits: LabelledImages, config: LineConfig, num: int) -> LineExamples:
    """Compose lines of these digits."""
    gathered, foreign = gather_digits(digits, config)
    return compose_lines(gathered.images, gathered.labels, foreign, num, config.seed)


def fit_line_network(network: keras.Model, lines: LineExamples, config: LineConfig, verbose: int) -> None:
    """Train the network in place.

    Args:
        network: As `build_line_network` makes it.
        lines: To train on; those that fill no last batch sit out an epoch, others in the next.
        config: The settings.
        verbose: Keras's.
    """
    images, labels = tf.constant(lines.images[..., None]), tf.constant(lines.labels + 1, tf.int32)  # Padded by _BLANK.

    def load(chosen: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.cast(tf.gather(images, chosen), tf.float32) / MAX_PIXEL, tf.gather(labels, chosen)

    order = tf.data.Dataset.range(len(lines.labels)).shuffle(len(lines.labels), seed=config.seed)
    batches = order.batch(config.batch_size, drop_remainder=True).map(load).prefetch(2)
    num_steps = config.epochs * (len(lines.labels) // config.batch_size)
    network.compile(
        optimizer=make_optimizer(
            config.learning_rate, config.adamw_ratio, config.warmup_fraction, config.weight_decay, num_steps
        ),
        loss=keras.losses.CTC(),
    )
    network.fit(batches, epochs=config.epochs, shuffle=False, verbose=verbose)  # They are shuffled already.


def score_lines(compute: Predict, batch: NDArray[np.float32], written: list[list[int]]) -> float:
    """Return the share of lines that are read without a mistake.

    Args:
        compute: The network as it is served.
        batch: float32 `(n, 32, width, 1)` in [0, 1].
        written: What stands there.
    """
    probabilities = compute_in_parts(compute, batch, _NUM_AT_ONCE)
    read = [decode(line)[1].argmax(axis=1).tolist() for line in probabilities]
    return float(np.mean([one == other for one, other in zip(read, written, strict=True)]))


def train_line_network(
    digits: LabelledImages, config: LineConfig, verbose: int
) -> tuple[keras.Model, dict[str, Any], NDArray[np.float32]]:
    """Train it from the start.

    Args:
        digits: Training digits; some are held out to measure on.
        config: The settings.
        verbose: Keras's.

    Returns:
        The network as it is served, its provenance, and some of the lines that it was scored on.
    """
    start = time.perf_counter()
    keras.utils.set_random_seed(config.seed)
    training, held_out = hold_out(digits, config.held_out)
    network = build_line_network()
    fit_line_network(network, compose(training, config, config.num_lines), config, verbose)
    served = add_probabilities(network)
    lines = compose(held_out, replace(config, seed=config.seed + 1), config.num_scored)
    batch = make_line_batch(lines.images)
    provenance = {
        "config": asdict(config),
        "data": {"sha256": digits.sha256, "num_digits": len(digits)},
        "lines_read": score_lines(partial(served.predict, verbose=0), batch, lines.list_numbers()),
        "network": {
            "parameters": network.count_params(),
            "multiply_adds": count_multiply_adds(build_line_network(LINE_WIDTH)),
        },
        "training_seconds": round(time.perf_counter() - start, 1),
        **describe_environment(),
    }
    return served, provenance, batch[:_NUM_AT_ONCE]


def main() -> None:
    """Train for the file named on the command line."""
    parser = argparse.ArgumentParser(description="Train the network that reads a line of digits.")
    parser.add_argument("--data", type=Path, default=DATA, help=f"labelled digits, .csv or .csv.gz (default: {DATA})")
    parser.add_argument("--output", type=Path, default=MODEL, help=f"the .h5 to write (default: {MODEL})")
    parser.add_argument("--seed", type=int, default=LineConfig().seed)
    parser.add_argument("--fast", action="store_true", help="a few lines, to see it work")
    arguments = parser.parse_args()
    config = replace(FAST if arguments.fast else LineConfig(), seed=arguments.seed)
    logging.set_verbosity(logging.ERROR)  # Keras advises against .h5 at each save; it is the project's one format.
    tf.config.experimental.enable_op_determinism()
    digits = read_labelled_images(arguments.data)
    print(f"Composing {config.num_lines:,} lines of {len(digits):,} digits, then training on them.")
    network, provenance, sample = train_line_network(digits, config, verbose=1)
    write_artifact(arguments.output, network, provenance, sample)
    print(f"Wrote {arguments.output}; it reads {provenance['lines_read']:.1%} of {config.num_scored:,} held-out lines.")


if __name__ == "__main__":
    with end_in_one_line("nothing was written."):
        main()
