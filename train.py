"""Train the digit recogniser and write models/digits.h5.

The classifier is trained on all training digits, augmented, with one schedule and a fixed seed. Then a second, small
network, the rejector, learns to tell digits from everything else. The test digits are scored once, at the end. Every
setting was chosen on training digits that were held out. With `--from` a trained network learns more digits.
"""

import argparse
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import keras
import tensorflow as tf
from absl import logging

from digits.data.dataset import LabelledImages
from digits.data.images import make_batch
from digits.errors import ConfigurationError, DatasetError, end_in_one_line
from digits.inference.artifact import Artifact, read_artifact
from digits.networks.classifier import LOGITS_NAME, build_network, count_multiply_adds, fold_temperature
from digits.training.classifier import FAST, TrainingConfig, configure_further_training, fit_network
from digits.training.export import write_artifact
from digits.training.int8 import add_int8
from digits.training.keras_file import load_network
from digits.training.metrics import Evaluation, evaluate, fit_temperature
from digits.training.own_digits import hold_out_of_each, join, read_digits, repeat_to_share, split_paths
from digits.training.provenance import describe_run
from digits.training.rejector import configure_rejector, train_rejector
from digits.training.reports import save_reports
from digits.training.split import HELD_OUT, hold_out, hold_out_writers, read_writers
from digits.training.tracking import track_run

DATA, TEST, MODEL = Path("data/train.csv.gz"), Path("data/test.csv.gz"), Path("models/digits.h5")
OWN_HOLD_OUT = 0.2
"""The share of a user's own data that is scored if no test file is named."""
OWN_SHARE = 0.2
"""The share of the digits of a batch that come from folders of pictures, at least; few pictures are repeated for it."""


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    defaults = TrainingConfig()
    parser = argparse.ArgumentParser(description="Train the digit recogniser.")
    kinds = "CSVs in Kaggle's layout, or folders with pictures in 0/ to 9/"
    parser.add_argument("--data", nargs="+", default=[str(DATA)], help=f"labelled digits: {kinds} (default: {DATA})")
    scored = parser.add_mutually_exclusive_group()
    scored.add_argument("--test", nargs="+", help=f"digits to score at the end (default: {TEST} if DATA has {DATA})")
    scored.add_argument(
        "--hold-out",
        type=float,
        nargs="?",
        const=HELD_OUT,
        help=f"score on this share of DATA (a sixth if none is given; default without TEST: {OWN_HOLD_OUT})",
    )
    scored.add_argument(
        "--hold-out-writers", type=Path, help="an .npz of who wrote each digit; score on a sixth of DATA, by writer"
    )
    parser.add_argument("--from", dest="start", type=Path, help="go on from the weights in this .h5, for a few epochs")
    parser.add_argument("--output", type=Path, default=MODEL, help=f"the .h5 to write (default: {MODEL})")
    parser.add_argument("--reports", type=Path, default=Path("reports"), help="folder for plots (default: reports)")
    parser.add_argument("--seed", type=int, default=defaults.seed, help=f"default: {defaults.seed}")
    parser.add_argument(
        "--epochs", type=int, help=f"default: {defaults.epochs}; {FAST.epochs} with --fast; --from: few"
    )
    parser.add_argument("--fast", action="store_true", help="a minute of training, to see it work")
    parser.add_argument("--resume", action="store_true", help="go on with the run that was interrupted")
    parser.add_argument("--tensorboard", type=Path, help="folder for TensorBoard's files")
    parser.add_argument("--register", help="the model's name in MLflow's registry (with MLFLOW_TRACKING_URI)")
    return parser.parse_args()


def configure(arguments: argparse.Namespace, num_digits: int) -> TrainingConfig:
    """Return the experiment's settings for so many digits, with those that the options change."""
    config = TrainingConfig() if arguments.start is None else configure_further_training(num_digits)
    config = replace(FAST if arguments.fast else config, seed=arguments.seed)
    return config if arguments.epochs is None else replace(config, epochs=arguments.epochs)


def prepare_folders(output: Path, reports: Path) -> None:
    """Make the folders for the results, so that a mistake in their names ends the run before hours of training.

    Raises:
        OSError: If a file stands where a folder is needed.
        ConfigurationError: If a folder stands where the model is to be written.
    """
    if output.is_dir():
        raise ConfigurationError(f"Received --output {output}, a folder; expected the .h5 to write.")
    for folder in (output.parent, reports):
        folder.mkdir(parents=True, exist_ok=True)


def load_digits(arguments: argparse.Namespace) -> tuple[LabelledImages, LabelledImages, dict[str, LabelledImages]]:
    """Return the digits to train on, the same with people's own repeated, and the digits to score by what they are."""
    paths = split_paths(arguments.data)
    data = {path: read_digits(path) for path in paths}
    if arguments.hold_out_writers is not None:
        digits = join(list(data.values()))
        training, held_out = hold_out_writers(digits, read_writers(arguments.hold_out_writers, len(digits)))
        return training, training, {f"digits of {name_all(paths)} by writers held out": held_out}
    if arguments.hold_out is not None:
        training, held_out = hold_out(join(list(data.values())), arguments.hold_out)
        return training, training, {f"{arguments.hold_out:.1%} held out of {name_all(paths)}": held_out}
    scored = {}
    if arguments.test is not None:
        scored = {f"test digits of {path.name}": read_digits(path) for path in split_paths(arguments.test)}
    elif DATA in paths or (arguments.start is not None and TEST.exists()):
        scored = {f"test digits of {TEST.name}": read_digits(TEST)}
    if arguments.test is None:
        for path in paths:
            if path.is_dir():
                data[path], held_out = hold_out_of_each(data[path], OWN_HOLD_OUT)
                scored[f"{OWN_HOLD_OUT:.1%} held out of {path.name}"] = held_out
    if not scored:
        training, held_out = hold_out(join(list(data.values())), OWN_HOLD_OUT)
        return training, training, {f"{OWN_HOLD_OUT:.1%} held out of {name_all(paths)}": held_out}
    num_others = sum(len(digits) for path, digits in data.items() if not path.is_dir())
    fitted = [
        repeat_to_share(digits, num_others, OWN_SHARE) if path.is_dir() else digits for path, digits in data.items()
    ]
    scored = {what: digits for what, digits in scored.items() if len(digits)}
    if not scored:
        raise DatasetError(
            f"Received too few digits in {name_all(paths)} to hold any out; name a --test file or folder."
        )
    return join(list(data.values())), join(fitted), scored


def name_all(paths: Sequence[Path]) -> str:
    """Return the names of files and folders, without the folders that they lie in."""
    return ", ".join(path.name for path in paths)


def load_start(path: Path) -> tuple[keras.Model, Artifact]:
    """Load the network to go on from.

    Raises:
        ConfigurationError: If it is none of this project.
    """
    network = load_network(path)
    if not any(layer.name == LOGITS_NAME for layer in network.layers):
        raise ConfigurationError(f"Received --from {path}, a network from elsewhere; expected one that train.py wrote.")
    artifact = read_artifact(path)
    # The temperature is divided out again at the end.
    fold_temperature(network, 1 / artifact.provenance.get("config", {}).get("temperature", 1.0))
    return network, artifact


def announce(config: TrainingConfig, training: LabelledImages, network: keras.Model) -> None:
    """Print the size of the training and of the network."""
    print(f"{len(training):,} training digits, {config.epochs} epochs, seed {config.seed}; ", end="")
    print(f"{network.count_params():,} parameters, {count_multiply_adds(network):,} multiply-adds a digit.")


def print_score(what: str, evaluation: Evaluation, before: Evaluation | None) -> None:
    """Print the results on one set of digits for people."""
    earlier = "" if before is None else f", before {before.accuracy:.2%}"
    print(f"\nScored on {evaluation.num_digits:,} {what}")
    print(f"  accuracy            {evaluation.accuracy:.2%}{earlier}")
    print(f"  errors              {evaluation.num_errors} ({1 - evaluation.accuracy:.2%})")
    print(f"  errors by digit     {'  '.join(f'{digit}:{n}' for digit, n in enumerate(evaluation.errors_per_digit))}")
    print(f"  log-likelihood      {-evaluation.negative_log_likelihood:.4f} nats a digit")
    print(f"  calibration error   {evaluation.calibration_error:.2%}")


def print_effort(seconds: float) -> None:
    """Print what the training took."""
    peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "linux" else 2**30)
    print(f"  training time       {seconds / 60:.1f} minutes, peak memory {peak_gib:.2f} GiB")


def main() -> None:
    """Configure, load, build, fit, evaluate, save."""
    arguments = parse_arguments()
    configure(arguments, 1)  # Refuses an impossible setting before anything is read.
    prepare_folders(arguments.output, arguments.reports)
    training, fitted, scored = load_digits(arguments)
    config = configure(arguments, len(fitted))

    logging.set_verbosity(logging.ERROR)  # Keras warns of .h5 at each save.
    # With these two lines the same seed gives the same weights on the same machine.
    keras.utils.set_random_seed(config.seed)
    tf.config.experimental.enable_op_determinism()
    network, start_artifact = (build_network(), None) if arguments.start is None else load_start(arguments.start)
    predict = partial(network.predict, batch_size=500, verbose=0)

    def score() -> dict[str, Evaluation]:
        return {what: evaluate(predict(make_batch(digits.images)), digits.labels) for what, digits in scored.items()}

    before = {} if arguments.start is None else score()
    checkpoint = arguments.output.with_suffix(".checkpoint.weights.h5")
    announce(config, fitted, network)

    verbose = 1 if sys.stdout.isatty() else 2
    with track_run({**asdict(config), "data": name_all(split_paths(arguments.data))}) as tracker:
        start = time.perf_counter()
        callbacks = tracker.callbacks + list_tensorboard(arguments.tensorboard)
        history = fit_network(network, fitted, config, checkpoint, arguments.resume, verbose, callbacks)
        seconds = time.perf_counter() - start

        fold_temperature(network, config.temperature)
        if start_artifact is not None and start_artifact.acceptance_graph is not None:
            rejector_graph, rejector = start_artifact.acceptance_graph, start_artifact.provenance["acceptance"]
        else:
            print("Now a small network, to tell digits from all else.")
            rejector_config = configure_rejector(config.seed, arguments.fast)
            rejector_graph, rejector = train_rejector(training, predict, rejector_config, verbose)
        evaluations = score()
        (what, scoring), *others = scored.items()
        scoring_batch = make_batch(scoring.images)
        probabilities = predict(scoring_batch)
        provenance = {
            "scored_on": {"what": what, "sha256": scoring.sha256},
            "metrics": describe(evaluations[what]),
            "also_scored": [
                {"what": other, "sha256": digits.sha256, "metrics": describe(evaluations[other])}
                for other, digits in others
            ],
            "training_seconds": round(seconds, 1),  # Of a resumed run, since resuming.
            "resumed": arguments.resume,
            "started_from": None if start_artifact is None else start_artifact.sha256,
            "acceptance": rejector,
            **describe_run(config, training, name_all(split_paths(arguments.data)), network),
        }
        write_artifact(arguments.output, network, provenance, scoring_batch[:500], rejector_graph)
        print(add_int8(arguments.output, training))
        checkpoint.unlink(missing_ok=True)
        plots = save_reports(arguments.reports, history, scoring, probabilities)
        figures = {name: describe(evaluation) for name, evaluation in evaluations.items()}
        tracker.log_results(figures, arguments.output, plots, arguments.register)

    for name, evaluation in evaluations.items():
        print_score(name, evaluation, before.get(name))
    if arguments.hold_out is not None or arguments.hold_out_writers is not None:
        # The temperature is a setting, so only held-out training digits may show which one fits.
        temperature = fit_temperature(probabilities, scoring.labels)
        print(f"  temperature to fit  {temperature:.3f} on top of the configured one")
    print_effort(seconds)
    print(f"  taken for digits    {rejector['accepted_share']:.2%} of {rejector['num_held_out']:,} training digits")
    print(f"\nWrote {arguments.output} and {', '.join(map(str, plots))}.")


def list_tensorboard(folder: Path | None) -> list[keras.callbacks.Callback]:
    """Return what writes the course of the training for TensorBoard.

    Raises:
        ConfigurationError: If TensorBoard is not installed.
    """
    if folder is None:
        return []
    if find_spec("tensorboard") is None:
        raise ConfigurationError("Received --tensorboard, expected it to be installed; pip install '.[tensorboard]'.")
    return [keras.callbacks.TensorBoard(folder, write_graph=False)]


def describe(evaluation: Evaluation) -> dict[str, object]:
    """Return the figures in types that JSON can hold."""
    return {**asdict(evaluation), "accuracy": evaluation.accuracy}


if __name__ == "__main__":
    with end_in_one_line("if an epoch was finished, the same command with --resume goes on from there."):
        main()
