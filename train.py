"""Train the digit recogniser and write models/digits.h5.

The classifier is trained on all training digits, augmented, with one schedule and a fixed seed. Then a second, small
network, the rejector, learns to tell digits from everything else. The test digits are scored once, at the end. Every
setting was chosen with `--hold-out`, on training digits.
"""

import argparse
import resource
import sys
import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import keras
import tensorflow as tf
from absl import logging

from digits.data.dataset import LabelledImages, read_labelled_images
from digits.data.images import make_batch
from digits.errors import ConfigurationError, end_in_one_line
from digits.networks.classifier import build_network, count_multiply_adds, fold_temperature
from digits.training.classifier import FAST, TrainingConfig, fit_network
from digits.training.export import write_artifact
from digits.training.metrics import Evaluation, evaluate, fit_temperature
from digits.training.provenance import describe_run
from digits.training.rejector import configure_rejector, train_rejector
from digits.training.reports import save_reports
from digits.training.split import HELD_OUT, hold_out

DATA, TEST, MODEL = Path("data/train.csv.gz"), Path("data/test.csv.gz"), Path("models/digits.h5")
OWN_HOLD_OUT = 0.2
"""The share of a user's own data that is scored if no test file is named."""


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    defaults = TrainingConfig()
    parser = argparse.ArgumentParser(description="Train the digit recogniser.")
    parser.add_argument("--data", type=Path, default=DATA, help=f"labelled digits, .csv or .csv.gz (default: {DATA})")
    scored = parser.add_mutually_exclusive_group()
    scored.add_argument("--test", type=Path, help=f"digits to score at the end (default: {TEST} if DATA is {DATA})")
    scored.add_argument(
        "--hold-out",
        type=float,
        nargs="?",
        const=HELD_OUT,
        help=f"score on this share of DATA (a sixth if none is given; default without TEST: {OWN_HOLD_OUT})",
    )
    parser.add_argument("--output", type=Path, default=MODEL, help=f"the .h5 to write (default: {MODEL})")
    parser.add_argument("--reports", type=Path, default=Path("reports"), help="folder for plots (default: reports)")
    parser.add_argument("--seed", type=int, default=defaults.seed, help=f"default: {defaults.seed}")
    parser.add_argument("--epochs", type=int, help=f"default: {defaults.epochs}, or {FAST.epochs} with --fast")
    parser.add_argument("--fast", action="store_true", help="a minute of training, to see it work")
    parser.add_argument("--resume", action="store_true", help="go on with the run that was interrupted")
    return parser.parse_args()


def configure(arguments: argparse.Namespace) -> TrainingConfig:
    """Return the experiment's settings, with those that the options change."""
    config = replace(FAST if arguments.fast else TrainingConfig(), seed=arguments.seed)
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


def load_digits(arguments: argparse.Namespace) -> tuple[LabelledImages, LabelledImages, str]:
    """Return the digits to train on, the digits to score, and a description of the latter."""
    data = read_labelled_images(arguments.data)
    test = arguments.test or (TEST if arguments.data == DATA else None)
    if arguments.hold_out is None and test is not None:
        return data, read_labelled_images(test), f"test digits of {test.name}"
    share = OWN_HOLD_OUT if arguments.hold_out is None else arguments.hold_out
    training, held_out = hold_out(data, share)
    return training, held_out, f"{share:.1%} held out of {arguments.data.name}"


def announce(config: TrainingConfig, training: LabelledImages, network: keras.Model) -> None:
    """Print the size of the training and of the network."""
    print(f"{len(training):,} training digits, {config.epochs} epochs, seed {config.seed}; ", end="")
    print(f"{network.count_params():,} parameters, {count_multiply_adds(network):,} multiply-adds a digit.")


def print_summary(evaluation: Evaluation, scored: str, seconds: float, temperature: float | None) -> None:
    """Print the results for people."""
    peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "linux" else 2**30)
    print(f"\nScored on {evaluation.num_digits:,} {scored}")
    print(f"  accuracy            {evaluation.accuracy:.2%}")
    print(f"  errors              {evaluation.num_errors} ({1 - evaluation.accuracy:.2%})")
    print(f"  errors by digit     {'  '.join(f'{digit}:{n}' for digit, n in enumerate(evaluation.errors_per_digit))}")
    print(f"  log-likelihood      {-evaluation.negative_log_likelihood:.4f} nats a digit")
    print(f"  calibration error   {evaluation.calibration_error:.2%}")
    if temperature is not None:
        print(f"  temperature to fit  {temperature:.3f} on top of the configured one")
    print(f"  training time       {seconds / 60:.1f} minutes, peak memory {peak_gib:.2f} GiB")


def main() -> None:
    """Configure, load, build, fit, evaluate, save."""
    arguments = parse_arguments()
    config = configure(arguments)
    prepare_folders(arguments.output, arguments.reports)
    training, scoring, scored = load_digits(arguments)

    logging.set_verbosity(logging.ERROR)  # Keras warns of .h5 at each save.
    # With these two lines the same seed gives the same weights on the same machine.
    keras.utils.set_random_seed(config.seed)
    tf.config.experimental.enable_op_determinism()
    network = build_network()
    checkpoint = arguments.output.with_suffix(".checkpoint.weights.h5")
    announce(config, training, network)

    start = time.perf_counter()
    verbose = 1 if sys.stdout.isatty() else 2
    history = fit_network(network, training, config, checkpoint, arguments.resume, verbose)
    seconds = time.perf_counter() - start

    fold_temperature(network, config.temperature)
    predict = partial(network.predict, batch_size=500, verbose=0)
    print("Now a small network, to tell digits from all else.")
    rejector_config = configure_rejector(config.seed, arguments.fast)
    rejector_graph, rejector = train_rejector(training, predict, rejector_config, verbose)
    scoring_batch = make_batch(scoring.images)
    probabilities = predict(scoring_batch)
    evaluation = evaluate(probabilities, scoring.labels)
    provenance = {
        "scored_on": {"what": scored, "sha256": scoring.sha256},
        "metrics": {**asdict(evaluation), "accuracy": evaluation.accuracy},
        "training_seconds": round(seconds, 1),  # Of a resumed run, since resuming.
        "resumed": arguments.resume,
        "acceptance": rejector,
        **describe_run(config, training, arguments.data.name, network),
    }
    write_artifact(arguments.output, network, provenance, scoring_batch[:500], rejector_graph)
    checkpoint.unlink(missing_ok=True)

    # The temperature is a setting, so only held-out training digits may show which one fits.
    temperature = fit_temperature(probabilities, scoring.labels) if arguments.hold_out is not None else None
    print_summary(evaluation, scored, seconds, temperature)
    print(f"  taken for digits    {rejector['accepted_share']:.2%} of {rejector['num_held_out']:,} training digits")
    plots = save_reports(arguments.reports, history, scoring, probabilities)
    print(f"\nWrote {arguments.output} and {', '.join(map(str, plots))}.")


if __name__ == "__main__":
    with end_in_one_line("if an epoch was finished, the same command with --resume goes on from there."):
        main()
