"""Train the page network, and write models/pages.h5.

Usage:
    python -m digits.training.page_detector                 trains it and writes models/pages.h5
    python -m digits.training.page_detector --resume        continues an interrupted run
    python -m digits.training.page_detector --fast          trains it on a few pages, to see that it works
"""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
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
from digits.data.images import scale_pixels
from digits.errors import end_in_one_line
from digits.inference.onnx_session import Predict
from digits.inference.page_detector import find_marks
from digits.networks.classifier import count_multiply_adds
from digits.networks.page_detector import (
    add_page_probabilities,
    build_page_network,
    draw_targets,
    measure_page_loss,
)
from digits.synthesis.page_sheet import PAGE_SIDE
from digits.synthesis.pages import PageExamples, compose_pages
from digits.synthesis.stroke_variants import StrokeVariants
from digits.training.checkpoint import CheckpointSaver
from digits.training.classifier import scale_in_graph
from digits.training.export import write_artifact
from digits.training.int8 import add_int8
from digits.training.line_recogniser import LineConfig, gather_digits
from digits.training.provenance import describe_environment
from digits.training.settings import FitConfig, make_optimizer
from digits.training.split import hold_out

DATA, MODEL, FAST_MODEL = Path("data/train.csv.gz"), Path("models/pages.h5"), Path("models/fast_pages.h5")
_COMPOSED_AT_ONCE = 100  # Pages, by one process.
# What is written on pages. The shipped network was taught these, without the line network's later kinds of digits.
_WRITTEN = LineConfig(variants=StrokeVariants(flagged_ones=0.4, crossed_sevens=0.4), regional_share=0.0)
_SAMPLE = 4  # Pages for which graph and network are compared.


@dataclass(frozen=True)
class PageConfig(FitConfig):
    """The settings of the page network's training. None was chosen on the test digits."""

    epochs: int = 20
    batch_size: int = 16
    learning_rate: float = 4e-3
    warmup_fraction: float = 0.08
    num_pages: int = 2_000
    """The pages of an epoch; each epoch has pages of its own."""
    held_out: float = 1 / 30
    """The share of the digits that are on no training page, but on those to score."""
    num_scored: int = 200
    """The number of pages to score."""


FAST = PageConfig(num_pages=64, epochs=1, num_scored=16)


def compose(digits: LabelledImages, indices: NDArray[np.int64], seed: int) -> PageExamples:
    """Make up pages on all cores."""
    parts = np.array_split(indices, -(-len(indices) // _COMPOSED_AT_ONCE))
    composed = Parallel(n_jobs=min(len(parts), cpu_count()))(
        delayed(compose_pages)(digits.images, digits.labels, part, seed) for part in parts
    )
    return PageExamples(
        *(np.concatenate([getattr(one, name) for one in composed]) for name in ("images", "ink", "digits"))
    )


def make_page_batches(pages: PageExamples, config: PageConfig) -> tf.data.Dataset:
    """Return the batches of an epoch: float32 `(16, 256, 256, 1)` in [0, 1], and what `draw_targets` returns."""

    def give() -> Iterator[tuple[NDArray[Any], ...]]:
        yield from zip(pages.images[..., None], pages.ink, pages.digits, strict=True)

    # A graph would hold arrays that it is given as constants, those of all epochs.
    arrays = pages.images[..., None], pages.ink, pages.digits
    signature = tuple(tf.TensorSpec(one.shape[1:], one.dtype) for one in arrays)
    examples = tf.data.Dataset.from_generator(give, output_signature=signature)
    drawn = examples.map(lambda image, ink, digits: (scale_in_graph(image), draw_targets(digits, ink)))
    return drawn.batch(config.batch_size, drop_remainder=True).prefetch(2)


def train_page_network(
    digits: LabelledImages, config: PageConfig, checkpoint: Path, resume: bool, verbose: int
) -> tuple[keras.Model, dict[str, Any], NDArray[np.float32]]:
    """Train the network on made-up pages.

    Args:
        digits: Training digits; some are held out to score the network.
        config: The settings.
        checkpoint: The file to write after each epoch; ends in `.weights.h5`.
        resume: Whether to continue from the checkpoint.
        verbose: As in Keras.

    Returns:
        The network as it is served, its provenance, and pages, float32 `(4, 256, 256, 1)` in [0, 1].

    Raises:
        CheckpointError: If there is nothing to resume, or the checkpoint is of another run.
    """
    start = time.perf_counter()
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(config.seed)
    training, held_out = hold_out(digits, config.held_out)
    written, _ = gather_digits(training, replace(_WRITTEN, seed=config.seed))
    network = build_page_network()
    num_batches = config.num_pages // config.batch_size
    network.compile(optimizer=make_optimizer(config, config.epochs * num_batches), loss=measure_page_loss)
    saver = CheckpointSaver(checkpoint, config, digits.sha256, len(digits))
    first_epoch = saver.restore(network, resume)
    for epoch in range(first_epoch, config.epochs):
        indices = np.arange(config.num_pages) + epoch * config.num_pages
        pages = compose(written, indices, config.seed)
        network.fit(
            make_page_batches(pages, config),
            initial_epoch=epoch,
            epochs=epoch + 1,
            callbacks=[saver],
            shuffle=False,
            verbose=verbose,
        )
    served = add_page_probabilities(network)
    scored = compose(held_out, np.arange(config.num_scored), config.seed + 1)
    provenance = {
        "config": asdict(config),
        "data": {"sha256": digits.sha256, "num_digits": len(digits)},
        **score_pages(partial(served.predict, verbose=0), scored),
        "network": {
            "parameters": network.count_params(),
            "multiply_adds_per_pixel": round(count_multiply_adds(build_page_network(PAGE_SIDE)) / PAGE_SIDE**2),
        },
        "training_seconds": round(time.perf_counter() - start, 1),  # Of a resumed run, since resuming.
        "resumed": resume,
        **describe_environment(),
    }
    return served, provenance, scale_pixels(scored.images[:_SAMPLE, ..., None])


def score_pages(compute: Predict, pages: PageExamples) -> dict[str, float]:
    """Return the share of the digits that are found, and the share of what is found that is a digit, both in [0, 1].

    A digit is found if a mark lies within a third of its height of its middle.
    """
    num_written = num_marked = num_found = 0
    for image, digits in zip(pages.images, pages.digits, strict=True):
        written = digits[digits[:, 4] >= 0]
        marks = find_marks(compute(scale_pixels(image[None, ..., None]))[0])
        away = np.linalg.norm(marks.middles[:, None] - written[None, :, :2], axis=2)
        near = away < written[None, :, 3] / 3
        num_written, num_marked = num_written + len(written), num_marked + len(marks)
        num_found += int(near.any(axis=0).sum())
    return {"digits_found": num_found / max(num_written, 1), "marks_right": min(num_found / max(num_marked, 1), 1.0)}


def main() -> None:
    """Train the network and write the file named on the command line."""
    parser = argparse.ArgumentParser(description="Train the network that finds the digits of a page.")
    parser.add_argument("--data", type=Path, default=DATA, help=f"labelled digits, .csv or .csv.gz (default: {DATA})")
    parser.add_argument("--output", type=Path, help=f"the .h5 to write (default: {MODEL}, with --fast {FAST_MODEL})")
    parser.add_argument("--seed", type=int, default=PageConfig.seed)
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    parser.add_argument("--fast", action="store_true", help="a few pages, to see it work")
    arguments = parser.parse_args()
    config = replace(FAST if arguments.fast else PageConfig(), seed=arguments.seed)
    logging.set_verbosity(logging.ERROR)  # Keras warns of .h5 at each save.
    digits = read_labelled_images(arguments.data)
    print(f"Training on {config.epochs * config.num_pages:,} pages made up of {len(digits):,} digits.")
    output = arguments.output or (FAST_MODEL if arguments.fast else MODEL)
    checkpoint = output.with_suffix(".checkpoint.weights.h5")
    verbose = 1 if sys.stdout.isatty() else 2
    network, provenance, sample = train_page_network(digits, config, checkpoint, arguments.resume, verbose)
    write_artifact(output, network, provenance, sample)
    print(add_int8(output, digits))
    checkpoint.unlink(missing_ok=True)
    print(f"Wrote {output}; it finds {provenance['digits_found']:.1%} of the digits on held-out pages.")


if __name__ == "__main__":
    with end_in_one_line("if an epoch was finished, the same command with --resume goes on from there."):
        main()
