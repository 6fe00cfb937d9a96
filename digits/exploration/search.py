"""Search for a network: candidates of one family are trained briefly and scored on held-out training digits.

`make tune` and the notebook run this search. Its study is kept in a database, so that an interrupted search can be
continued, and several workers, on one machine or on many, can add trials at once. Test digits are not used.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import re
import warnings
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import keras
import optuna
import sqlalchemy
from keras import layers
from optuna.trial import TrialState

from digits.data.dataset import LabelledImages, read_labelled_images
from digits.data.images import BATCH_SHAPE, NUM_CLASSES
from digits.errors import ConfigurationError, end_in_one_line
from digits.exploration.short_training import ShortRun, predict_probabilities, train_briefly
from digits.networks.classifier import add_convolution
from digits.training.classifier import TrainingConfig
from digits.training.split import HELD_OUT, hold_out

DATA = Path("data/train.csv.gz")
DEFAULT_STORAGE = "sqlite:///reports/search.db"
DEFAULT_TRIALS = 40
_NUM_POINTS = 5  # Points of a trial's training, at each of which it may be stopped.
_HEARTBEAT_SECONDS = 20
_LOCK = 28_28_10  # Any number that nothing else locks in this database.


@dataclass(frozen=True)
class Budget:
    """The size of one trial, and the seed of all of them."""

    num_digits: int = 6_000  # Training digits.
    num_held_out: int = 5_000  # Held-out digits that are scored.
    epochs: int = 2
    seed: int = 42


@dataclass(frozen=True)
class Candidate:
    """One point of the search space."""

    width: int  # Channels of the first stage; the second stage has twice as many.
    depth: int  # 3x3 convolutions in each stage.
    dropout: float  # The share of features that are dropped before the logits while training.
    strength: float  # Scales the distortion of the shipped model's training.
    learning_rate: float  # At the start of the training; it falls to zero as a cosine.


def suggest_candidate(trial: optuna.trial.BaseTrial) -> Candidate:
    """Choose a candidate from the search space, which is defined here."""
    return Candidate(
        width=trial.suggest_int("width", 8, 32, step=8),
        depth=trial.suggest_int("depth", 1, 3),
        dropout=trial.suggest_float("dropout", 0.0, 0.5),
        strength=trial.suggest_float("strength", 0.0, 1.0),
        learning_rate=trial.suggest_float("learning_rate", 3e-4, 1e-2, log=True),
    )


def build_candidate(candidate: Candidate) -> keras.Model:
    """Build the untrained network: 5x5 stride 2, two stages of 3x3 convolutions on 14x14 and 7x7, dropout, logits.

    Returns:
        A model from float32 `(n, 28, 28, 1)` in [0, 1] to logits `(n, 10)`.
    """
    # A trial has a few hundred steps. With Keras's momentum of 0.99 the statistics would still be those of the start.
    add = partial(add_convolution, padding="same", momentum=0.9)
    pixels = keras.Input(BATCH_SHAPE, name="pixels")
    x = add(pixels, candidate.width, 5, strides=2)
    for stage in range(2):
        for place in range(candidate.depth):
            x = add(x, candidate.width * 2**stage, strides=2 if stage and not place else 1)
    x = layers.Dropout(candidate.dropout)(layers.Flatten()(x))
    return keras.Model(pixels, layers.Dense(NUM_CLASSES, name="logits")(x), name="candidate")


def score_candidate(trial: optuna.Trial, training: LabelledImages, held_out: LabelledImages, budget: Budget) -> float:
    """Train one candidate and return its error on the held-out digits in percent.

    Raises:
        optuna.TrialPruned: If the candidate is worse than most were at the same point, which ends its training.
    """
    candidate = suggest_candidate(trial)

    def report(point: int, error: float) -> None:
        trial.report(100 * error, point)
        if trial.should_prune():
            raise optuna.TrialPruned

    keras.utils.clear_session()
    keras.utils.set_random_seed(budget.seed)
    network = build_candidate(candidate)
    run = ShortRun(budget.epochs, candidate.learning_rate, candidate.strength, num_points=_NUM_POINTS, seed=budget.seed)
    train_briefly(network, training, held_out, run, report)
    predicted = predict_probabilities(network, held_out.images).argmax(axis=1)
    return 100 * float((predicted != held_out.labels).mean())


def open_study(storage: str, budget: Budget) -> optuna.Study:
    """Open the study of this budget, or begin it. Each budget has its own study, because their scores differ.

    Args:
        storage: A database as SQLAlchemy names it: `sqlite:///file`, `postgresql+psycopg://user:password@host/name`.
        budget: The size of a trial.

    Raises:
        ConfigurationError: If the database cannot be opened.
    """
    if storage.startswith("sqlite:///"):
        Path(storage.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    # Optuna has warned since 2021 that heartbeats are experimental.
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    comparable = {"budget": asdict(budget), "distortion": asdict(TrainingConfig().distortion)}
    name = "digits-" + hashlib.sha256(json.dumps(comparable).encode()).hexdigest()[:8]
    try:
        with sqlalchemy.create_engine(storage, poolclass=sqlalchemy.NullPool).connect() as connection:
            # Only one of several workers may make the tables of an empty database. Closing the connection unlocks it.
            if connection.dialect.name == "postgresql":
                connection.execute(sqlalchemy.text(f"SELECT pg_advisory_lock({_LOCK})"))
            # A worker whose heartbeats stop has died, and another worker repeats its trial.
            database = optuna.storages.RDBStorage(
                storage,
                heartbeat_interval=_HEARTBEAT_SECONDS,
                grace_period=3 * _HEARTBEAT_SECONDS,
                heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(max_retry=2),
            )
            pruner = optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1)
            return optuna.create_study(storage=database, study_name=name, load_if_exists=True, pruner=pruner)
    # SQLAlchemy and its drivers raise their own exceptions, which do not name the database.
    except Exception as error:
        shown = re.sub(r"(://[^:@/]*:)[^@]*@", r"\1***@", storage)
        raise ConfigurationError(
            f"The study cannot be opened at {shown} ({type(error).__name__}: {error}); expected a database that can be "
            "reached, such as sqlite:///reports/search.db or postgresql+psycopg://user:password@host/name."
        ) from error


def claim_study(study: optuna.Study, digits: LabelledImages) -> None:
    """Note the digits that a study is begun with, because scores on other digits cannot be compared with its scores.

    Raises:
        ConfigurationError: If the study was begun with other digits.
    """
    claimed = study.user_attrs.get("data_sha256", digits.sha256)
    if claimed != digits.sha256:
        raise ConfigurationError(
            f"Received digits {digits.sha256[:12]}, but study {study.study_name} was begun with {claimed[:12]}; "
            "name that file, or a new database with STORAGE."
        )
    study.set_user_attr("data_sha256", digits.sha256)


def run_trials(study: optuna.Study, digits: LabelledImages, num_trials: int, budget: Budget, worker: int = 0) -> None:
    """Add trials until the study has `num_trials`, with those of other workers.

    Args:
        study: A study that `open_study` opened.
        digits: Training digits; a part of them is held out.
        num_trials: The number of trials that the study is to have, with earlier ones.
        budget: The size of a trial.
        worker: The number of the worker, so that no two workers choose the same candidates.

    Raises:
        ConfigurationError: If the study was begun with other digits.
    """
    claim_study(study, digits)
    kept, held_out = hold_out(digits, HELD_OUT, budget.seed)
    training, scored = kept.take(slice(budget.num_digits)), held_out.take(slice(budget.num_held_out))
    while _count_trials(study) < num_trials:
        # The seed depends on the number of trials, so that a continued study repeats no candidate.
        seed = int(hashlib.sha256(f"{budget.seed} {worker} {len(study.trials)}".encode()).hexdigest()[:8], 16)
        study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=8, multivariate=True)
        study.optimize(lambda trial: score_candidate(trial, training, scored, budget), n_trials=1)


def _count_trials(study: optuna.Study) -> int:
    """Return the number of trials that are finished or running; trials of dead workers are first marked as failed."""
    optuna.storages.fail_stale_trials(study)
    under_way = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
    return len(study.get_trials(deepcopy=False, states=under_way))


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    description = "Search for a network; the same command goes on with an earlier search."
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--trials", type=int, default=DEFAULT_TRIALS, help="in the study, earlier ones included")
    parser.add_argument("--workers", type=int, default=1, help="processes on this machine (default: 1)")
    parser.add_argument("--epochs", type=int, default=Budget.epochs, help="of each trial")
    parser.add_argument("--digits", type=int, default=Budget.num_digits, help="to train each trial on")
    parser.add_argument("--data", type=Path, default=DATA, help=f"labelled digits (default: {DATA})")
    arguments = parser.parse_args()
    for name in ("trials", "workers", "epochs", "digits"):
        if getattr(arguments, name) < 1:
            parser.error(f"argument --{name}: received {getattr(arguments, name)}, expected at least 1")
    return arguments


def work(storage: str, data: Path, num_trials: int, budget: Budget, worker: int) -> None:
    """Add trials as one worker, in its own process."""
    run_trials(open_study(storage, budget), read_labelled_images(data), num_trials, budget, worker)


def main() -> None:
    """Open the study, start the workers, and print the best trial."""
    arguments = parse_arguments()
    # This is no option, because everybody on the machine can read a password on a command line.
    storage = os.environ.get("SEARCH_STORAGE") or DEFAULT_STORAGE
    budget = Budget(num_digits=arguments.digits, epochs=arguments.epochs)
    study = open_study(storage, budget)
    claim_study(study, read_labelled_images(arguments.data))
    num_trials = arguments.trials
    print(f"Study {study.study_name} of {len(study.trials)} trials so far; {num_trials} are asked for.", flush=True)

    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(max((os.cpu_count() or 1) // arguments.workers, 1)))
    # An indexed Kubernetes Job numbers its pods with this variable.
    first = int(os.environ.get("JOB_COMPLETION_INDEX", "0")) * arguments.workers
    spawn = multiprocessing.get_context("spawn")
    workers = [
        spawn.Process(target=work, args=(storage, arguments.data, num_trials, budget, number))
        for number in range(first, first + arguments.workers)
    ]
    for process in workers:
        process.start()
    for process in workers:
        process.join()
    if any(process.exitcode for process in workers):
        raise ConfigurationError("A worker failed, its message is above; the same command goes on with the search.")
    best = study.best_trial
    print(f"{len(study.trials)} trials; best: {best.value:.2f} % of held-out digits misread with {best.params}.")


if __name__ == "__main__":
    with end_in_one_line("the same command goes on with the search."):
        main()
