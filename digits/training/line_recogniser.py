"""Train the line network, and write models/lines.h5.

Usage:
    python -m digits.training.line_recogniser                 trains it and writes models/lines.h5
    python -m digits.training.line_recogniser --resume        continues an interrupted run
    python -m digits.training.line_recogniser --fast          trains it on a few lines, to see that it works
"""

import argparse
import sys
import time
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import logging
from joblib import Parallel, cpu_count, delayed
from numpy.typing import NDArray

from digits.data.dataset import LabelledImages, read_labelled_images
from digits.errors import end_in_one_line
from digits.inference.ctc import decode
from digits.inference.onnx_session import Predict, compute_in_parts
from digits.networks.classifier import count_multiply_adds
from digits.networks.line_recogniser import add_probabilities, build_line_network
from digits.preprocessing.line_image import make_line_batch
from digits.synthesis.lines import LINE_WIDTH, LineExamples, compose_lines
from digits.synthesis.negatives import draw_any_digits, make_negatives
from digits.synthesis.stroke_variants import StrokeVariants, draw_variants
from digits.training.checkpoint import CheckpointSaver
from digits.training.classifier import append_images, scale_in_graph
from digits.training.export import write_artifact
from digits.training.int8 import add_int8
from digits.training.provenance import describe_environment
from digits.training.settings import FitConfig, make_optimizer
from digits.training.split import hold_out

DATA, MODEL, FAST_MODEL = Path("data/train.csv.gz"), Path("models/lines.h5"), Path("models/fast_lines.h5")
_SCORED_AT_ONCE = 50  # Lines.
_COMPOSED_AT_ONCE = 5_000  # Lines, by one process.


@dataclass(frozen=True)
class LineConfig(FitConfig):
    """The settings of the line network's training. None was chosen on the test digits."""

    epochs: int = 3
    batch_size: int = 50
    warmup_fraction: float = 0.1
    num_lines: int = 140_000
    variants: StrokeVariants = field(
        default_factory=lambda: StrokeVariants(flagged_ones=0.4, crossed_sevens=0.4, ticked_sevens=0.4)
    )
    drawn_share: float = 0.2
    """Digits drawn from skeletons, as a share of the training digits."""
    hasty_share: float = 0.4
    """Digits drawn as a quick pen writes them, which MNIST has few of, as a share of the training digits."""
    regional_share: float = 0.4
    """Digits drawn as other countries teach them, as a share of the training digits."""
    foreign_share: float = 0.1
    """Letters, symbols and scribbles for some of the lines, as a share of the training digits."""
    held_out: float = 1 / 30
    """The share of the digits of which no training lines are composed, but the lines to score."""
    num_scored: int = 1_000
    """The number of lines to score."""


FAST = LineConfig(num_lines=2_000, epochs=1, num_scored=100)


def gather_digits(digits: LabelledImages, config: LineConfig) -> tuple[LabelledImages, NDArray[np.uint8]]:
    """Return the images to compose lines of: digits of all kinds, and no digits, uint8 `(n, 28, 28)`."""
    random = np.random.default_rng(config.seed)
    gathered = append_images(
        digits,
        draw_variants(digits.images, digits.labels, config.variants, config.seed),
        draw_any_digits(round(config.drawn_share * len(digits)), random, "digits"),
        draw_any_digits(round(config.hasty_share * len(digits)), random, "hasty digits"),
        draw_any_digits(round(config.regional_share * len(digits)), random, "regional digits"),
    )
    num_foreign = max(round(config.foreign_share * len(digits)), 1)
    kinds = ("letters", "symbols", "scribbles")
    return gathered, make_negatives(num_foreign, digits.images, digits.labels, config.seed, kinds)


def compose(digits: LabelledImages, config: LineConfig, num: int) -> LineExamples:
    """Compose lines of these digits on all cores."""
    gathered, foreign = gather_digits(digits, config)
    parts = np.array_split(np.arange(num), -(-num // _COMPOSED_AT_ONCE))
    composed = Parallel(n_jobs=min(len(parts), cpu_count()))(
        delayed(compose_lines)(gathered.images, gathered.labels, foreign, indices, config.seed) for indices in parts
    )
    return LineExamples(
        np.concatenate([lines.images for lines in composed]), np.concatenate([lines.labels for lines in composed])
    )


def make_line_batches(lines: LineExamples, config: LineConfig, first_epoch: int) -> tf.data.Dataset:
    """Return the batches of one epoch, shuffled anew whenever Keras iterates over them.

    Args:
        lines: The training lines.
        config: The settings.
        first_epoch: The epoch to begin with, from 0.

    Returns:
        A dataset of batches float32 `(batch_size, 32, 224, 1)` in [0, 1] and labels int32 `(batch_size, 8)`, in which 0
        is the blank. The lines of an incomplete last batch are left out; they differ from epoch to epoch.
    """
    images, labels = tf.constant(lines.images[..., None]), tf.constant(lines.labels + 1, tf.int32)
    order = tf.data.Dataset.range(len(lines.labels)).shuffle(len(lines.labels), seed=config.seed)
    order = order.batch(config.batch_size, drop_remainder=True)
    # Keras iterates over the data twice in each epoch, and each iteration draws another order.
    for _ in range(2 * first_epoch):
        order.reduce(0, lambda state, _: state)
    batches = order.map(lambda chosen: (scale_in_graph(tf.gather(images, chosen)), tf.gather(labels, chosen)))
    return batches.prefetch(2)


def score_lines(compute: Predict, batch: NDArray[np.float32], written: list[list[int]]) -> float:
    """Return the share of lines that are read without a mistake, in [0, 1].

    Args:
        compute: The network as it is served.
        batch: float32 `(n, 32, width, 1)` in [0, 1].
        written: The digits of each line.
    """
    probabilities = compute_in_parts(compute, batch, _SCORED_AT_ONCE)
    read = [decode(line)[1].argmax(axis=1).tolist() for line in probabilities]
    return float(np.mean([one == other for one, other in zip(read, written, strict=True)]))


def train_line_network(
    digits: LabelledImages, config: LineConfig, checkpoint: Path, resume: bool, verbose: int
) -> tuple[keras.Model, dict[str, Any], NDArray[np.float32]]:
    """Compose lines, train the network on them and score it.

    Args:
        digits: Training digits; some are held out to score the network.
        config: The settings.
        checkpoint: The file to write after each epoch; ends in `.weights.h5`.
        resume: Whether to continue from the checkpoint.
        verbose: As in Keras.

    Returns:
        The network as it is served, its provenance, and 50 of the scored lines, float32 `(50, 32, 224, 1)` in [0, 1].

    Raises:
        CheckpointError: If there is nothing to resume, or the checkpoint is of another run.
    """
    start = time.perf_counter()
    keras.utils.set_random_seed(config.seed)
    training, held_out = hold_out(digits, config.held_out)
    network = build_line_network()
    num_steps = config.epochs * (config.num_lines // config.batch_size)
    network.compile(optimizer=make_optimizer(config, num_steps), loss=keras.losses.CTC())
    saver = CheckpointSaver(checkpoint, config, digits.sha256, len(digits))
    first_epoch = saver.restore(network, resume)
    network.fit(
        make_line_batches(compose(training, config, config.num_lines), config, first_epoch),
        initial_epoch=first_epoch,
        epochs=config.epochs,
        callbacks=[saver],
        shuffle=False,  # The lines are shuffled already.
        verbose=verbose,
    )
    served = add_probabilities(network)
    scored = compose(held_out, replace(config, seed=config.seed + 1), config.num_scored)
    batch = make_line_batch(scored.images)
    provenance = {
        "config": asdict(config),
        "data": {"sha256": digits.sha256, "num_digits": len(digits)},
        "lines_read": score_lines(partial(served.predict, verbose=0), batch, scored.list_numbers()),
        "network": {
            "parameters": network.count_params(),
            "multiply_adds": count_multiply_adds(build_line_network(LINE_WIDTH)),
        },
        "training_seconds": round(time.perf_counter() - start, 1),  # With composing; of a resumed run, since resuming.
        "resumed": resume,
        **describe_environment(),
    }
    return served, provenance, batch[:_SCORED_AT_ONCE]


def main() -> None:
    """Train the network and write the file named on the command line."""
    parser = argparse.ArgumentParser(description="Train the network that reads a line of digits.")
    parser.add_argument("--data", type=Path, default=DATA, help=f"labelled digits, .csv or .csv.gz (default: {DATA})")
    parser.add_argument("--output", type=Path, help=f"the .h5 to write (default: {MODEL}, with --fast {FAST_MODEL})")
    parser.add_argument("--seed", type=int, default=LineConfig.seed)
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    parser.add_argument("--fast", action="store_true", help="a few lines, to see it work")
    arguments = parser.parse_args()
    config = replace(FAST if arguments.fast else LineConfig(), seed=arguments.seed)
    logging.set_verbosity(logging.ERROR)  # Keras warns of .h5 at each save.
    tf.config.experimental.enable_op_determinism()
    digits = read_labelled_images(arguments.data)
    print(f"Composing {config.num_lines:,} lines of {len(digits):,} digits, then training on them.")
    output = arguments.output or (FAST_MODEL if arguments.fast else MODEL)
    checkpoint = output.with_suffix(".checkpoint.weights.h5")
    verbose = 1 if sys.stdout.isatty() else 2
    network, provenance, sample = train_line_network(digits, config, checkpoint, arguments.resume, verbose)
    write_artifact(output, network, provenance, sample)
    print(add_int8(output, digits))
    checkpoint.unlink(missing_ok=True)
    print(f"Wrote {output}; it reads {provenance['lines_read']:.1%} of {config.num_scored:,} held-out lines.")


if __name__ == "__main__":
    with end_in_one_line("if an epoch was finished, the same command with --resume goes on from there."):
        main()
