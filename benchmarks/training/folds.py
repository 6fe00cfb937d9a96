"""Compare training recipes on six folds of MNIST's training digits, each scored by networks that met no writer of it.

Usage:
    python -m benchmarks.training.folds --config default                  # trains six networks, each on five folds
    python -m benchmarks.training.folds --config "average pooling" --folds 0 1 2
    python -m benchmarks.training.folds --compare                         # writes folds.csv here and prints it

Who wrote which digit lies outside of the repository, in ../shared/writers.npz (QMNIST's labels). Without it nothing can
be trained here. Each network's probabilities are kept in reports/folds, so that an interrupted run goes on, and any two
recipes can be compared by digit. `NAME, weights averaged` is the same training with the mean of the weights of its last
third. The difference of two recipes is paired by digit; its interval comes from drawing the writers anew, because the
digits of a person are misread together (a cluster bootstrap; Cameron, Gelbach and Miller, "Bootstrap-Based Improvements
for Inference with Clustered Errors", 2008).
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import product
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from scipy.special import log_softmax

from benchmarks import ROOT
from benchmarks.held_out import WRITERS
from benchmarks.reading.robustness import MEAN, measure_robustness
from benchmarks.results import write_rows
from benchmarks.training.variants import VARIANTS, WeightAverage, fit_beside_peer, read_committee
from digits.data.dataset import LabelledImages, read_labelled_images
from digits.data.files import replace_file
from digits.data.images import make_batch
from digits.networks.classifier import select_logits
from digits.training.classifier import recompute_statistics
from digits.training.metrics import evaluate, fit_temperature
from digits.training.split import NUM_FOLDS, fold_by_writer, read_writers

PREDICTIONS = ROOT / "reports/folds"
RESULTS = ROOT / "benchmarks/training/folds.csv"
EPOCHS = 12
NUM_DRAWS = 2_000
NUM_CORRUPTED = 2_000
AVERAGED = ", weights averaged"
BASELINE = "default"


@cache
def load() -> tuple[LabelledImages, NDArray[np.uint16], NDArray[np.int64]]:
    """Return the training digits, who wrote each, and the fold of each."""
    digits = read_labelled_images(ROOT / "data/train.csv.gz")
    writers = read_writers(WRITERS, len(digits))
    return digits, writers, fold_by_writer(digits.labels, writers)


def train_fold(name: str, fold: int, epochs: int) -> None:
    """Train a recipe without a fold and keep what its networks say of that fold, with and without averaged weights."""
    kept_as = name_kept(name, epochs)
    # Two trainings on a thread each take less time than one after the other on two.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    digits, _, folds = load()
    training, scored = digits.take(np.flatnonzero(folds != fold)), digits.take(np.flatnonzero(folds == fold))
    variant = VARIANTS[name]
    # The networks of two recipes start alike in a fold, and differently in each fold.
    config = replace(variant.config, epochs=epochs, seed=variant.config.seed + fold)
    keras.utils.set_random_seed(config.seed)
    network = variant.build()
    average = WeightAverage()
    checkpoint = PREDICTIONS / f"{kept_as} {fold}.weights.h5"
    fit = variant.fit
    if variant.is_taught:
        fit = partial(fit, answers=read_committee(digits.sha256)[folds != fold])
    fit(network, training, config, checkpoint, resume=False, verbose=2, callbacks=[average])
    save(kept_as, fold, network, scored)
    average.apply(select_logits(network))
    recompute_statistics(network, training, config)
    save(kept_as + AVERAGED, fold, network, scored)
    checkpoint.unlink(missing_ok=True)


def name_kept(name: str, epochs: int) -> str:
    """Return the name under which a recipe's answers are kept; it says how long it was trained if that is unusual."""
    return name if epochs == EPOCHS else f"{name}, {epochs} epochs"


def train_alone(name: str, fold: int, epochs: int) -> None:
    """Train as `train_fold`, in a process of its own.

    Raises:
        CalledProcessError: If the training failed; what it printed stands above.
    """
    command = [sys.executable, "-m", "benchmarks.training.folds", "--config", name, "--folds", str(fold)]
    subprocess.run([*command, "--epochs", str(epochs)], check=True, cwd=ROOT)


def save(name: str, fold: int, network: keras.Model, scored: LabelledImages) -> None:
    """Keep the probabilities of the digits, and the error on 15 corruptions of the first of them in percent."""
    corrupted = scored.take(slice(NUM_CORRUPTED))
    with replace_file(locate(name, fold)) as unfinished, unfinished.open("wb") as file:
        np.savez(
            file,
            probabilities=network.predict(make_batch(scored.images), batch_size=500, verbose=0),
            corruption_error=measure_robustness(network.predict_on_batch, corrupted.images, corrupted.labels)[MEAN],
        )


def locate(name: str, fold: int) -> Path:
    """Return where a network's answers are kept."""
    return PREDICTIONS / f"{name} {fold}.npz"


@dataclass(frozen=True)
class Answers:
    """What a recipe's networks said of the digits of some folds.

    Attributes:
        probabilities: float64 `(n, 10)`, at the temperature that suits these digits best.
        temperature: That temperature.
        corruption_error: The mean over the folds, in percent.
    """

    probabilities: NDArray[np.float64]
    temperature: float
    corruption_error: float


def read_answers(name: str, folds: Sequence[int]) -> Answers:
    """Read the answers of a recipe to the digits of these folds, in the order of the training file."""
    digits, _, fold_of = load()
    chosen = np.isin(fold_of, folds)
    probabilities = np.zeros((len(digits), 10), np.float32)
    errors = []
    for fold in folds:
        with np.load(locate(name, fold)) as kept:
            probabilities[fold_of == fold] = kept["probabilities"]
            errors.append(float(kept["corruption_error"]))
    return calibrate(probabilities[chosen], digits.labels[chosen], float(np.mean(errors)))


def calibrate(probabilities: NDArray[np.float32], labels: NDArray[np.int64], corruption_error: float) -> Answers:
    """Return the answers at the temperature of the largest likelihood, as a recipe would be shipped."""
    temperature = fit_temperature(probabilities, labels)
    logits = np.log(np.maximum(probabilities.astype(np.float64), np.finfo(np.float32).tiny))
    return Answers(np.exp(log_softmax(logits / temperature, axis=1)), temperature, corruption_error)


def bootstrap_difference(
    differences: NDArray[np.float64], writers: NDArray[np.uint16], num_draws: int = NUM_DRAWS, seed: int = 0
) -> tuple[float, float]:
    """Return the bounds of the 95 % interval of a sum over digits, when the writers are drawn anew.

    Args:
        differences: float64 `(n,)`, of two recipes on the same digit.
        writers: uint16 `(n,)`, who wrote it.
        num_draws: How often as many writers as there are are drawn with replacement.
        seed: Of the draws.
    """
    _, clusters = np.unique(writers, return_inverse=True)
    sums = np.bincount(clusters, weights=differences)
    drawn = np.random.default_rng(seed).integers(len(sums), size=(num_draws, len(sums)))
    low, high = np.quantile(sums[drawn].sum(axis=1), (0.025, 0.975))
    return float(low), float(high)


def list_folds(name: str) -> list[int]:
    """Return the folds of which a recipe's answers are there."""
    return [fold for fold in range(NUM_FOLDS) if locate(name, fold).exists()]


def compare(names: Sequence[str], baseline: str = BASELINE) -> list[dict[str, object]]:
    """Return a line a recipe: its errors and likelihood, and how they differ from the baseline's on the same folds."""
    digits, writers, fold_of = load()
    rows = []
    misread_by_all = find_misread_by_all(names)
    for name in names:
        folds = [fold for fold in list_folds(name) if fold in list_folds(baseline)]
        chosen = np.isin(fold_of, folds)
        labels, of_writer = digits.labels[chosen], writers[chosen]
        answers, others = read_answers(name, folds), read_answers(baseline, folds)
        error_difference = _list_errors(answers, labels) - _list_errors(others, labels)
        loss_difference = (_list_losses(answers, labels) - _list_losses(others, labels)) / len(labels)
        evaluation = evaluate(answers.probabilities.astype(np.float32), labels)
        error_from, error_to = bootstrap_difference(error_difference, of_writer)
        loss_from, loss_to = bootstrap_difference(loss_difference, of_writer)
        kept = ~misread_by_all[chosen]
        rows.append(
            {
                "recipe": name,
                "folds": len(folds),
                "num_digits": len(labels),
                "num_errors": evaluation.num_errors,
                "error_percent": round(100 * evaluation.num_errors / len(labels), 3),
                "num_errors_but_common": int(_list_errors(answers, labels)[kept].sum()),
                "error_difference": int(error_difference.sum()),
                "error_difference_from": round(error_from),
                "error_difference_to": round(error_to),
                "negative_log_likelihood": round(evaluation.negative_log_likelihood, 5),
                "likelihood_difference": round(float(loss_difference.sum()), 5),
                "likelihood_difference_from": round(loss_from, 5),
                "likelihood_difference_to": round(loss_to, 5),
                "temperature_to_fit": round(answers.temperature, 3),
                "corruption_error_percent": round(answers.corruption_error, 2),
            }
        )
    return rows


def find_misread_by_all(names: Sequence[str]) -> NDArray[np.bool_]:
    """Return which of the training digits every recipe misreads that has read them, bool `(n,)`."""
    digits, _, fold_of = load()
    misread = np.ones(len(digits), bool)
    read = np.zeros(len(digits), bool)
    for name in names:
        folds = list_folds(name)
        chosen = np.isin(fold_of, folds)
        misread[chosen] &= _list_errors(read_answers(name, folds), digits.labels[chosen]) > 0
        read |= chosen
    return misread & read


def _list_errors(answers: Answers, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    return (answers.probabilities.argmax(axis=1) != labels).astype(np.float64)


def _list_losses(answers: Answers, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    of_label = answers.probabilities[np.arange(len(labels)), labels]
    losses: NDArray[np.float64] = -np.log(np.maximum(of_label, np.finfo(np.float32).tiny))
    return losses


def main() -> None:
    """Read the command line and train, or compare what was trained."""
    parser = argparse.ArgumentParser(description="Compare training recipes on folds of writers.")
    # Of two networks that teach each other the weights of one cannot be averaged alone.
    choices = [name for name, variant in VARIANTS.items() if variant.fit is not fit_beside_peer]
    parser.add_argument("--config", nargs="+", choices=choices, default=[])
    parser.add_argument("--folds", type=int, nargs="+", choices=range(NUM_FOLDS), default=list(range(NUM_FOLDS)))
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--jobs", type=int, default=2, help="trainings at once, each on one thread")
    parser.add_argument("--compare", action="store_true", help="compare every recipe whose answers are there")
    arguments = parser.parse_args()
    if not WRITERS.exists():
        sys.exit("error: ../shared/writers.npz is not there, so the digits cannot be divided by writer.")
    if not arguments.config and not arguments.compare:
        parser.error("name a --config to train, or --compare")
    PREDICTIONS.mkdir(parents=True, exist_ok=True)
    wanted = [
        (name, fold)
        for name, fold in product(arguments.config, arguments.folds)
        if not locate(name_kept(name, arguments.epochs) + AVERAGED, fold).exists()
    ]
    if len(wanted) == 1:
        train_fold(*wanted[0], arguments.epochs)
    else:
        with ThreadPoolExecutor(arguments.jobs) as pool:
            list(pool.map(lambda pair: train_alone(*pair, arguments.epochs), wanted))
    if arguments.compare:
        kept = {path.stem.rpartition(" ")[0] for path in PREDICTIONS.glob("*.npz")}
        first = [name + suffix for name in VARIANTS for suffix in ("", AVERAGED)]
        names = [name for name in first if name in kept] + sorted(kept - set(first))
        names = [name for name in names if set(list_folds(name)) & set(list_folds(BASELINE))]
        if not names:
            sys.exit(f"error: reports/folds has no answers of `{BASELINE}` to compare with; train it with --config.")
        rows = compare(names)
        write_rows(RESULTS, rows)
        for row in rows:
            print(*row.values(), sep="\t")


if __name__ == "__main__":
    main()
