"""Train a named configuration for named seeds and append a line each to benchmarks/training/training.csv.

Usage:
    python -m benchmarks.training.measure --config default --seeds 0 1 2 3 4
    python -m benchmarks.training.measure --config default --seeds 0 --score test
    python -m benchmarks.training.measure --config default --seeds 0 --score kaggle
    python -m benchmarks.training.measure --config "affine only" --epochs 8 --seeds 0 1 2
    python -m benchmarks.training.measure --model models/digits.h5

Settings are chosen by benchmarks.training.folds, and on `held-out writers` lines: about 50,000 of the training digits
train, the others are scored, always the same ones, by writers of their own. Without ../shared/writers.npz they are
drawn by row, and the lines are named `held-out`, as those before December 2026 are. `test` lines train on all 60,000
and are for the final table only. So are `kaggle` lines: MNIST's 70,000 digits, split once in the sizes of Kaggle's
digit-recognizer, 42,000 that train and 28,000 that are scored; which digit stands where is our own draw, stratified and
always the same. `--model` takes what `make run_train` wrote as one seed more.
"""

import argparse
import csv
import hashlib
import json
import platform
import sys
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import keras
import numpy as np
import tensorflow as tf

from benchmarks import ROOT
from benchmarks.held_out import hold_out_for_choosing
from benchmarks.reading.robustness import MEAN, measure_robustness
from benchmarks.training.variants import DEFAULT, VARIANTS, Variant
from digits.data.dataset import LabelledImages, read_labelled_images
from digits.data.images import make_batch
from digits.inference.artifact import read_artifact
from digits.networks.classifier import count_multiply_adds, fold_temperature
from digits.training.classifier import TrainingConfig
from digits.training.keras_file import load_network
from digits.training.metrics import evaluate, fit_temperature
from digits.training.split import hold_out

RESULTS = ROOT / "benchmarks/training/training.csv"
KAGGLE_SCORED = 28 / 70
MAX_CORRUPTED = 10_000
UNTAUGHT = [name for name, variant in VARIANTS.items() if not variant.is_taught]
"""Recipes that need no committee's answers; only benchmarks.training.folds has those."""


def load(score: str) -> tuple[LabelledImages, LabelledImages, str]:
    """Return the digits to train on, the digits to score, and what the results say of these."""
    training = read_labelled_images(ROOT / "data" / "train.csv.gz")
    if score == "held-out":
        return hold_out_for_choosing(training)
    test = read_labelled_images(ROOT / "data" / "test.csv.gz")
    parts = hold_out(concatenate(training, test), KAGGLE_SCORED) if score == "kaggle" else (training, test)
    return *parts, score


def concatenate(*parts: LabelledImages) -> LabelledImages:
    """Return the digits of several files in a row; the SHA-256 is of the files' own, one after the other."""
    return LabelledImages(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.labels for part in parts]),
        hashlib.sha256("".join(part.sha256 for part in parts).encode()).hexdigest(),
    )


def measure(
    name: str, variant: Variant, score: str, training: LabelledImages, scored: LabelledImages
) -> dict[str, object]:
    """Train once and return one line of the results."""
    config = variant.config
    keras.utils.set_random_seed(config.seed)
    network = variant.build()
    with TemporaryDirectory() as folder:
        start = time.perf_counter()
        variant.fit(network, training, config, Path(folder, "c.weights.h5"), resume=False, verbose=2)
        seconds = time.perf_counter() - start
    fold_temperature(network, config.temperature)
    return describe(name, config, score, network, scored, seconds)


def measure_model(path: Path, scored: LabelledImages) -> dict[str, object]:
    """Return the line of a model that train.py wrote with the configuration of today."""
    provenance = read_artifact(path).provenance
    config = replace(DEFAULT, seed=provenance["config"]["seed"])
    if (
        provenance["config"] != json.loads(json.dumps(asdict(config)))
        or provenance["scored_on"]["sha256"] != scored.sha256
    ):
        sys.exit(f"error: {path} was trained with another configuration or scored on other digits; `make run_train`.")
    # A resumed run does not know how long the whole training took.
    seconds = None if provenance["resumed"] else provenance["training_seconds"]
    return describe("default", config, "test", load_network(path), scored, seconds)


def describe(
    name: str, config: TrainingConfig, score: str, network: keras.Model, scored: LabelledImages, seconds: float | None
) -> dict[str, object]:
    """Return one line of the results."""
    probabilities = network.predict(make_batch(scored.images), batch_size=500, verbose=0)
    evaluation = evaluate(probabilities, scored.labels)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "config": name,
        "epochs": config.epochs,
        "seed": config.seed,
        "scored": score,
        "num_errors": evaluation.num_errors,
        "error_percent": round(100 * (1 - evaluation.accuracy), 3),
        "negative_log_likelihood": round(evaluation.negative_log_likelihood, 5),
        "calibration_error_percent": round(100 * evaluation.calibration_error, 3),
        "temperature_to_fit": round(fit_temperature(probabilities, scored.labels), 3),
        "corruption_error_percent": round(measure_corruptions(network, scored), 2),
        "training_seconds": None if seconds is None else round(seconds),
        "threads": tf.config.threading.get_intra_op_parallelism_threads(),
        "parameters": network.count_params(),
        "multiply_adds": count_multiply_adds(network),
        "machine": f"{platform.machine()}, {len(tf.config.list_physical_devices('GPU'))} GPU",
    }


def measure_corruptions(network: keras.Model, scored: LabelledImages) -> float:
    """Return the mean error on 15 corruptions of the first digits scored, in percent."""
    digits = scored.take(np.arange(min(len(scored), MAX_CORRUPTED)))
    return measure_robustness(network.predict_on_batch, digits.images, digits.labels)[MEAN]


def append(line: dict[str, object]) -> None:
    """Add one line, with the header if it is the first."""
    new = not RESULTS.exists()
    with RESULTS.open("a", newline="") as file:
        writer = csv.DictWriter(file, line, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(line)


def main() -> None:
    """Read the command line and measure seed after seed."""
    parser = argparse.ArgumentParser(description="Measure a training configuration over seeds.")
    parser.add_argument("--config", choices=UNTAUGHT, default="default")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, help="in place of the configuration's own number")
    parser.add_argument("--score", choices=["held-out", "test", "kaggle"], default="held-out")
    parser.add_argument("--threads", type=int, default=0, help="for TensorFlow; 0: as many as there are cores")
    parser.add_argument("--model", type=Path, help="an .h5 of train.py's, in place of training")
    arguments = parser.parse_args()
    if arguments.model:
        append(measure_model(arguments.model, load("test")[1]))
        return
    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(arguments.threads)
    tf.config.experimental.enable_op_determinism()
    training, scored, how = load(arguments.score)
    variant = VARIANTS[arguments.config]
    for seed in arguments.seeds:
        config = replace(variant.config, seed=seed, epochs=arguments.epochs or variant.config.epochs)
        line = measure(arguments.config, replace(variant, config=config), how, training, scored)
        append(line)
        print(line)


if __name__ == "__main__":
    main()
