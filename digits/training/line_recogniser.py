"""Train the line network, and write models/lines.h5.

Usage:
    python -m digits.training.line_recogniser                 trains it, for models/lines.h5
    python -m digits.training.line_recogniser --resume        goes on with a run that was interrupted
    python -m digits.training.line_recogniser --fast          on a few lines, to see it work
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
from digits.networks.muon import make_optimizer
from digits.preprocessing.line_image import make_line_batch
from digits.synthesis.lines import LINE_WIDTH, LineExamples, compose_lines
from digits.synthesis.negatives import draw_any_digits, make_negatives
from digits.synthesis.stroke_variants import StrokeVariants, draw_variants
from digits.training.checkpoint import CheckpointSaver, warn_of_interrupted_run
from digits.training.classifier import check_seed, scale_in_graph
from digits.training.export import write_artifact
from digits.training.provenance import describe_environment
from digits.training.split import hold_out

DATA, MODEL, FAST_MODEL = Path("data/train.csv.gz"), Path("models/lines.h5"), Path("models/fast_lines.h5")
_NUM_AT_ONCE = 50
_LINES_AT_ONCE = 5_000  # That one process composes.


@dataclass(frozen=True)
class LineConfig:
    """The settings; written into the artifact. None was chosen on the test digits."""

    seed: int = 42
    num_lines: int = 140_000
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

    def __post_init__(self) -> None:
        check_seed(self.seed)


FAST = LineConfig(num_lines=2_000, epochs=1, num_scored=100)


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
    """Compose lines of these digits, on all cores."""
    gathered, foreign = gather_digits(digits, config)
    parts = np.array_split(np.arange(num), -(-num // _LINES_AT_ONCE))
    composed = Parallel(n_jobs=min(len(parts), cpu_count()))(
        delayed(compose_lines)(gathered.images, gathered.labels, foreign, indices, config.seed) for indices in parts
    )
    return LineExamples(
        np.concatenate([lines.images for lines in composed]), np.concatenate([lines.labels for lines in composed])
    )


def compile_line_network(network: keras.Model, config: LineConfig) -> None:
    """Give it its loss, and an optimiser whose schedule ends with the training."""
    num_steps = config.epochs * (config.num_lines // config.batch_size)
    network.compile(
        optimizer=make_optimizer(
            config.learning_rate, config.adamw_ratio, config.warmup_fraction, config.weight_decay, num_steps
        ),
        loss=keras.losses.CTC(),
    )


def fit_line_network(
    network: keras.Model,
    lines: LineExamples,
    config: LineConfig,
    saver: CheckpointSaver,
    first_epoch: int,
    verbose: int,
) -> None:
    """Train the network in place.

    Args:
        network: Compiled.
        lines: To train on; those that fill no last batch sit out an epoch, others in the next.
        config: The settings.
        saver: Saves it after each epoch.
        first_epoch: How many the network has behind it.
        verbose: Keras's.
    """
    # The -1 that pads them becomes the network's first class, no digit.
    images, labels = tf.constant(lines.images[..., None]), tf.constant(lines.labels + 1, tf.int32)

    def load(chosen: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return scale_in_graph(tf.gather(images, chosen)), tf.gather(labels, chosen)

    order = tf.data.Dataset.range(len(lines.labels)).shuffle(len(lines.labels), seed=config.seed)
    order = order.batch(config.batch_size, drop_remainder=True)
    # Keras opens the data twice in each epoch, and every time another order is drawn.
    for _ in range(2 * first_epoch):
        order.reduce(0, lambda state, _: state)
    network.fit(
        order.map(load).prefetch(2),
        initial_epoch=first_epoch,
        epochs=config.epochs,
        callbacks=[saver],
        shuffle=False,  # They are shuffled already.
        verbose=verbose,
    )


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
    digits: LabelledImages, config: LineConfig, checkpoint: Path, resume: bool, verbose: int
) -> tuple[keras.Model, dict[str, Any], NDArray[np.float32]]:
    """Train it, on lines that are made up first.

    Args:
        digits: Training digits; some are held out to measure on.
        config: The settings.
        checkpoint: Written after each epoch; ends in `.weights.h5`.
        resume: Go on from the checkpoint rather than from the start.
        verbose: Keras's.

    Returns:
        The network as it is served, its provenance, and some of the lines that it was scored on.

    Raises:
        CheckpointError: If there is nothing to resume, or it is another run's.
    """
    start = time.perf_counter()
    keras.utils.set_random_seed(config.seed)
    training, held_out = hold_out(digits, config.held_out)
    network = build_line_network()
    compile_line_network(network, config)
    saver = CheckpointSaver(checkpoint, config, digits.sha256, len(digits))
    first_epoch = saver.restore(network) if resume else 0
    fit_line_network(network, compose(training, config, config.num_lines), config, saver, first_epoch, verbose)
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
        "training_seconds": round(time.perf_counter() - start, 1),  # Since it was resumed, if it was; composing, too.
        "resumed": resume,
        **describe_environment(),
    }
    return served, provenance, batch[:_NUM_AT_ONCE]


def main() -> None:
    """Train for the file named on the command line."""
    parser = argparse.ArgumentParser(description="Train the network that reads a line of digits.")
    parser.add_argument("--data", type=Path, default=DATA, help=f"labelled digits, .csv or .csv.gz (default: {DATA})")
    parser.add_argument("--output", type=Path, help=f"the .h5 to write (default: {MODEL}, with --fast {FAST_MODEL})")
    parser.add_argument("--seed", type=int, default=LineConfig().seed)
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    parser.add_argument("--fast", action="store_true", help="a few lines, to see it work")
    arguments = parser.parse_args()
    config = replace(FAST if arguments.fast else LineConfig(), seed=arguments.seed)
    logging.set_verbosity(logging.ERROR)  # Keras advises against .h5 at each save; it is the project's one format.
    tf.config.experimental.enable_op_determinism()
    digits = read_labelled_images(arguments.data)
    print(f"Composing {config.num_lines:,} lines of {len(digits):,} digits, then training on them.")
    output = arguments.output or (FAST_MODEL if arguments.fast else MODEL)
    checkpoint = output.with_suffix(".checkpoint.weights.h5")
    if not arguments.resume:
        warn_of_interrupted_run(checkpoint)
    verbose = 1 if sys.stdout.isatty() else 2
    network, provenance, sample = train_line_network(digits, config, checkpoint, arguments.resume, verbose)
    write_artifact(output, network, provenance, sample)
    checkpoint.unlink(missing_ok=True)
    print(f"Wrote {output}; it reads {provenance['lines_read']:.1%} of {config.num_scored:,} held-out lines.")


if __name__ == "__main__":
    with end_in_one_line("if an epoch was finished, the same command with --resume goes on from there."):
        main()
