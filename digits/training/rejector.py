"""Train the small network that tells digits from all else, and put it into an .h5.

It is taught eleven classes, the ten digits and none of them, on training digits and as many images that are no digits
(`digits.synthesis.negatives`): to tell digits apart, it has to learn what they look like. What is kept of it is one
number, the sum of the ten.

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
from digits.inference.rejection import Thresholds, judge
from digits.networks.classifier import count_multiply_adds
from digits.networks.rejector import build_rejector
from digits.synthesis.negatives import draw_any_digits, make_negatives
from digits.training.augmentation import NO_DISTURBANCE
from digits.training.classifier import TrainingConfig, fit_network
from digits.training.export import export_graph, write_artifact
from digits.training.keras_file import load_network

_NO_DIGIT = NUM_CLASSES


@dataclass(frozen=True)
class AcceptanceConfig:
    """The settings; written into the artifact. The threshold is set on training digits held out."""

    training: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(
            epochs=3, batch_size=100, finishing_fraction=1 / 3, disturbance=NO_DISTURBANCE
        )
    )
    num_digits: int = 60_000
    """Of the training digits, at most; a sixth of these is held out to set the threshold on."""
    drawn_share: float = 0.15
    """Digits drawn from skeletons as the letters are, a share of the others: without them a pen tells digits apart."""
    negative_share: float = 0.9
    """As many negatives, as a share of the digits."""
    refused_share: float = 0.0025
    """Of the held-out digits, below the threshold."""


def configure_acceptance(config: TrainingConfig, is_fast: bool) -> AcceptanceConfig:
    """Return the settings that go with the classifier's."""
    acceptance = AcceptanceConfig()
    if is_fast:
        acceptance = AcceptanceConfig(replace(acceptance.training, epochs=1, finishing_fraction=0), num_digits=6_000)
    return replace(acceptance, training=replace(acceptance.training, seed=config.seed))


def train_acceptance(
    digits: LabelledImages, predict: Predict, config: AcceptanceConfig, verbose: int
) -> tuple[bytes, dict[str, Any]]:
    """Train the network and set its threshold.

    Args:
        digits: Training digits.
        predict: The classifier, from batch to probabilities.
        config: The settings.
        verbose: Keras's.

    Returns:
        The network as ONNX, and what `provenance["acceptance"]` says of it.
    """
    start = time.perf_counter()
    keras.utils.set_random_seed(config.training.seed)
    order = np.random.default_rng(config.training.seed).permutation(len(digits))[: config.num_digits]
    held_out, training = (digits.take(part) for part in np.split(order, [len(order) // 6]))
    network = build_rejector()
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder, "acceptance.weights.h5")
        fit_network(network, _add_taught(training, config), config.training, checkpoint, False, verbose)
    is_digit = keras.ops.sum(network.output[:, :NUM_CLASSES], axis=1, keepdims=True)
    kept = keras.Model(network.input, is_digit, name=network.name)
    batch = make_batch(held_out.images)
    graph, difference = export_graph(kept, batch[:500])
    acceptance = compute_in_parts(open_graph(graph, output_shape=(1,)), batch)[:, 0]
    thresholds = Thresholds(acceptance=float(np.quantile(acceptance, config.refused_share, method="lower")))
    reasons = judge(batch, compute_in_parts(predict, batch), acceptance, thresholds)
    return graph, {
        "thresholds": asdict(thresholds),
        "accepted_share": reasons.count(None) / len(reasons),
        "num_held_out": len(held_out),
        "config": asdict(config),
        "graph_difference": difference,
        "network": {"parameters": network.count_params(), "multiply_adds": count_multiply_adds(network)},
        "training_seconds": round(time.perf_counter() - start, 1),
    }


def _add_taught(digits: LabelledImages, config: AcceptanceConfig) -> LabelledImages:
    """Return the digits, drawn digits after them, and negatives with the label 10 at the end."""
    seed, num = config.training.seed, len(digits)
    drawn, drawn_labels = draw_any_digits(round(config.drawn_share * num), np.random.default_rng(seed))
    negatives = make_negatives(round(config.negative_share * num), digits.images, digits.labels, seed)
    labels = np.concatenate([digits.labels, drawn_labels, np.full(len(negatives), _NO_DIGIT)])
    return LabelledImages(np.concatenate([digits.images, drawn, negatives]), labels, digits.sha256)


def main() -> None:
    """Train the network for the file named on the command line."""
    parser = argparse.ArgumentParser(description="Train the network that tells digits from all else, for an .h5.")
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, default=Path("data/train.csv.gz"), help="the digits it was trained on")
    parser.add_argument("--seed", type=int, default=TrainingConfig().seed)
    parser.add_argument("--fast", action="store_true", help="a tenth of the digits, to see it work")
    arguments = parser.parse_args()
    replace_acceptance(arguments.model, arguments.data, arguments.seed, arguments.fast)


def replace_acceptance(path: Path, data: Path, seed: int, is_fast: bool) -> None:
    """Train an acceptance network and write the .h5 anew with it.

    Raises:
        DigitsError: As `load_network`, `read_labelled_images` and `write_artifact`.
    """
    tf.config.experimental.enable_op_determinism()
    provenance, network, digits = read_artifact(path).provenance, load_network(path), read_labelled_images(data)
    predict = partial(network.predict, verbose=0)
    config = configure_acceptance(TrainingConfig(seed=seed), is_fast)
    graph, acceptance = train_acceptance(digits, predict, config, verbose=2)
    provenance = {**provenance, "acceptance": acceptance}
    write_artifact(path, network, provenance, make_batch(digits.images[:500]), graph)
    print(f"{path} now carries an acceptance network, which accepts {acceptance['accepted_share']:.2%} of ", end="")
    print(f"{acceptance['num_held_out']:,} held-out digits.")


if __name__ == "__main__":
    with end_in_one_line("the file is as it was."):
        main()
