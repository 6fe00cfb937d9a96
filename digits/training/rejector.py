"""Train the rejector, the small network that tells digits from everything else, and put it into an .h5.

It learns eleven classes, the ten digits and none of them, because a network that tells digits apart has to learn what
they look like. It trains on digits and about as many images that are no digits (`digits.synthesis.negatives`). Of its
answers only the sum of the ten digits is kept.

Usage:
    python -m digits.training.rejector models/digits.h5     trains it anew; the classifier in the file stays as it is
"""

import argparse
import tempfile
import time
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from digits.data.dataset import LabelledImages, read_labelled_images
from digits.data.images import NUM_CLASSES, make_batch
from digits.errors import end_in_one_line
from digits.inference.artifact import read_artifact
from digits.inference.onnx_session import Predict, compute_in_parts, open_graph
from digits.inference.rejection import Thresholds, find_reasons
from digits.networks.classifier import count_multiply_adds
from digits.networks.rejector import build_rejector
from digits.synthesis.negatives import draw_any_digits, make_negatives
from digits.training.augmentation import NO_DISTURBANCE
from digits.training.classifier import TrainingConfig, append_images, fit_network
from digits.training.export import export_graph, write_artifact
from digits.training.int8 import add_int8
from digits.training.keras_file import load_network

_NO_DIGIT = NUM_CLASSES  # The label of images that are no digits.


@dataclass(frozen=True)
class RejectorConfig:
    """The settings; they are written into the artifact. All shares are in [0, 1]."""

    training: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(
            epochs=3, batch_size=100, finishing_fraction=1 / 3, disturbance=NO_DISTURBANCE
        )
    )
    num_digits: int = 60_000
    """At most so many training digits are used. A sixth of them is held out to set the threshold."""
    drawn_share: float = 0.15
    """Digits drawn with the pens of the letters, as a share of the training digits: a pen must not mark a letter."""
    negative_share: float = 0.9
    """Images that are no digits, as a share of the training digits."""
    refused_share: float = 0.0025
    """The share of the held-out digits below the threshold."""


def configure_rejector(seed: int, is_fast: bool) -> RejectorConfig:
    """Return the settings for a seed, and for a tenth of the digits if it is to be fast."""
    config = RejectorConfig()
    if is_fast:
        config = RejectorConfig(replace(config.training, epochs=1, finishing_fraction=0), num_digits=6_000)
    return replace(config, training=replace(config.training, seed=seed))


def train_rejector(
    digits: LabelledImages, predict: Predict, config: RejectorConfig, verbose: int
) -> tuple[bytes, dict[str, Any]]:
    """Train the rejector and set its threshold.

    Args:
        digits: Training digits.
        predict: The classifier, from float32 `(n, 28, 28, 1)` in [0, 1] to probabilities float32 `(n, 10)`.
        config: The settings.
        verbose: As in Keras.

    Returns:
        The rejector as ONNX, and its description for `provenance["acceptance"]`.
    """
    start = time.perf_counter()
    keras.utils.set_random_seed(config.training.seed)
    order = np.random.default_rng(config.training.seed).permutation(len(digits))[: config.num_digits]
    held_out, training = (digits.take(part) for part in np.split(order, [len(order) // 6]))
    network = build_rejector()
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder, "rejector.weights.h5")
        fit_network(network, _add_made_up(training, config), config.training, checkpoint, False, verbose)
    is_digit = keras.ops.sum(network.output[:, :NUM_CLASSES], axis=1, keepdims=True)
    batch = make_batch(held_out.images)
    graph, difference = export_graph(keras.Model(network.input, is_digit, name=network.name), batch[:500])
    acceptance = compute_in_parts(open_graph(graph, output_shape=(1,)), batch)[:, 0]
    thresholds = Thresholds(acceptance=float(np.quantile(acceptance, config.refused_share, method="lower")))
    reasons = find_reasons(batch, compute_in_parts(predict, batch), acceptance, thresholds)
    return graph, {
        "thresholds": asdict(thresholds),
        "accepted_share": reasons.count(None) / len(reasons),
        "num_held_out": len(held_out),
        "config": asdict(config),
        "graph_difference": difference,
        "network": {"parameters": network.count_params(), "multiply_adds": count_multiply_adds(network)},
        "training_seconds": round(time.perf_counter() - start, 1),
    }


def _add_made_up(digits: LabelledImages, config: RejectorConfig) -> LabelledImages:
    """Return the digits, then digits drawn from skeletons, then images that are no digits with the label 10."""
    seed, num = config.training.seed, len(digits)
    drawn = draw_any_digits(round(config.drawn_share * num), np.random.default_rng(seed))
    negatives = make_negatives(round(config.negative_share * num), digits.images, digits.labels, seed)
    return append_images(digits, drawn, (negatives, np.full(len(negatives), _NO_DIGIT)))


def main() -> None:
    """Train a rejector for the file named on the command line, and write the file anew with it."""
    parser = argparse.ArgumentParser(description="Train the network that tells digits from all else, for an .h5.")
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, default=Path("data/train.csv.gz"), help="the digits it was trained on")
    parser.add_argument("--seed", type=int, default=TrainingConfig.seed)
    parser.add_argument("--fast", action="store_true", help="a tenth of the digits, to see it work")
    arguments = parser.parse_args()
    tf.config.experimental.enable_op_determinism()
    provenance, network = read_artifact(arguments.model).provenance, load_network(arguments.model)
    digits = read_labelled_images(arguments.data)
    predict = partial(network.predict, verbose=0)
    graph, rejector = train_rejector(digits, predict, configure_rejector(arguments.seed, arguments.fast), verbose=2)
    provenance = {**provenance, "acceptance": rejector}
    write_artifact(arguments.model, network, provenance, make_batch(digits.images[:500]), graph)
    print(add_int8(arguments.model, digits))
    print(
        f"{arguments.model} now carries an acceptance network, which accepts {rejector['accepted_share']:.2%} of ",
        end="",
    )
    print(f"{rejector['num_held_out']:,} held-out digits.")


if __name__ == "__main__":
    with end_in_one_line("the file is as it was."):
        main()
