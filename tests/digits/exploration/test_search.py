"""The search: what it draws, that it goes on where it was, and that several workers share one study."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import psycopg
import pytest

from digits.data.dataset import LabelledImages
from digits.errors import ConfigurationError
from digits.exploration import search
from digits.exploration.search import Budget, Candidate, build_candidate, open_study, run_trials, suggest_candidate
from digits.networks.classifier import count_multiply_adds
from tests.conftest import ROOT, RunPython
from tests.wordings import wording

# Five passes over 166 digits: one batch at each point of the curve.
BUDGET = Budget(num_digits=166, num_held_out=30, epochs=5)


@pytest.fixture
def storage(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/folder/search.db"


def test_suggest_candidate_reads_a_fixed_trial() -> None:
    settings = {"width": 16, "depth": 2, "dropout": 0.25, "strength": 0.5, "learning_rate": 1e-3}
    assert suggest_candidate(optuna.trial.FixedTrial(settings)) == Candidate(**settings)


def test_build_candidate_larger_settings_make_a_larger_network() -> None:
    small, wide, deep = (
        build_candidate(Candidate(width, depth, dropout=0.0, strength=0.0, learning_rate=1e-3))
        for width, depth in ((8, 1), (16, 1), (8, 2))
    )
    assert small.output_shape == (None, 10)
    assert count_multiply_adds(small) < count_multiply_adds(deep) < count_multiply_adds(wide)


@pytest.mark.slow
def test_run_trials_goes_on_with_a_study_and_repeats_nothing(storage: str, small_digits: LabelledImages) -> None:
    run_trials(open_study(storage, BUDGET), small_digits, 1, BUDGET)
    run_trials(open_study(storage, BUDGET), small_digits, 1, BUDGET)
    assert len(open_study(storage, BUDGET).trials) == 1
    run_trials(open_study(storage, BUDGET), small_digits, 2, BUDGET)
    trials = open_study(storage, BUDGET).trials
    assert len({trial.params["learning_rate"] for trial in trials}) == len(trials) == 2
    assert all(0 <= trial.value <= 100 for trial in trials)
    assert all(len(trial.intermediate_values) == 5 for trial in trials)


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Candidates are drawn and not trained, where a test asks only which are drawn."""

    def score(trial: optuna.Trial, *_: object) -> float:
        suggest_candidate(trial)
        return 50.0

    monkeypatch.setattr(search, "score_candidate", score)


@pytest.mark.usefixtures("untrained")
def test_run_trials_workers_draw_different_candidates_the_same_worker_the_same(
    tmp_path: Path, small_digits: LabelledImages
) -> None:
    drawn = []
    for place, worker in enumerate((0, 1, 0)):
        study = open_study(f"sqlite:///{tmp_path}/{place}.db", BUDGET)
        run_trials(study, small_digits, 1, BUDGET, worker)
        drawn.append(study.trials[0].params)
    assert drawn[0] == drawn[2] != drawn[1]


def test_open_study_another_budget_is_another_study(storage: str) -> None:
    assert open_study(storage, BUDGET).study_name != open_study(storage, Budget()).study_name


@pytest.mark.usefixtures("untrained")
def test_run_trials_on_other_digits_is_refused(storage: str, small_digits: LabelledImages) -> None:
    run_trials(open_study(storage, BUDGET), small_digits, 1, BUDGET)
    begun = small_digits.sha256[:12]
    with pytest.raises(ConfigurationError, match=wording("study_of_other_digits", received="other", begun=begun)):
        run_trials(open_study(storage, BUDGET), replace(small_digits, sha256="other"), 2, BUDGET)
    assert len(open_study(storage, BUDGET).trials) == 1


@pytest.mark.parametrize("option", ["--trials", "--workers", "--epochs", "--digits"])
def test_search_command_for_nothing_is_refused(option: str, run_command: RunPython) -> None:
    finished = run_command("digits.exploration.search", option, "0")
    assert finished.returncode == 2
    assert re.search(wording("option_below_one", option=option, value=0), finished.stderr)


def test_open_study_without_a_database_says_where_and_hides_the_password() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        storage = f"postgresql+psycopg://ann:secret@127.0.0.1:{probe.getsockname()[1]}/digits"
        shown = storage.replace("secret", "***")
        with pytest.raises(ConfigurationError, match=wording("study_out_of_reach", storage=shown)) as caught:
            open_study(storage, BUDGET)
    assert "secret" not in str(caught.value)


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """A PostgreSQL of its own on a free port; its storage URL."""
    initdb = shutil.which("initdb") or next(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")), None)
    if initdb is None:
        pytest.skip("PostgreSQL's server is not installed (Debian: postgresql)")
    # It refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    if user:
        shutil.chown(folder, user)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    control = Path(initdb).with_name("pg_ctl")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"

    def run(*command: str | Path) -> None:
        subprocess.run(command, user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=300)

    try:
        run(initdb, "-D", folder / "data", "-U", "digits", "--auth=trust", "--no-sync")
        run(control, "-D", folder / "data", "-o", options, "-l", folder / "log", "-w", "-t", "240", "start")
        yield f"postgresql+psycopg://digits@127.0.0.1:{port}/postgres"
        run(control, "-D", folder / "data", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_open_study_by_eight_workers_at_once_on_an_empty_database(postgresql: str) -> None:
    server = psycopg.connect(postgresql.replace("+psycopg", ""), autocommit=True)
    server.execute("CREATE DATABASE empty")
    storage = postgresql.removesuffix("/postgres") + "/empty"
    with server, ThreadPoolExecutor(8) as workers:
        names = list(workers.map(lambda _: open_study(storage, BUDGET).study_name, range(8)))
    assert len(set(names)) == 1


@pytest.mark.slow
def test_search_command_on_two_machines_with_two_workers_shares_a_study_in_postgresql(
    postgresql: str, small_csv: Path
) -> None:
    """Both begin at once on an empty database, as the pods of a Job do."""
    options = ("--trials", "6", "--workers", "2", "--epochs", "5", "--data", str(small_csv))
    machines = [
        subprocess.Popen(
            [sys.executable, "-m", "digits.exploration.search", *options],
            cwd=ROOT,
            env={**os.environ, "SEARCH_STORAGE": postgresql, "JOB_COMPLETION_INDEX": str(index)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(2)
    ]
    for machine in machines:
        printed, errors = machine.communicate(timeout=900)
        assert machine.returncode == 0, errors
        assert "best:" in printed
    trials = open_study(postgresql, Budget(epochs=5)).trials
    # The last may be begun by each worker at once.
    assert 6 <= len(trials) <= 9
    assert all(trial.state.is_finished() for trial in trials)
    assert len({trial.params["learning_rate"] for trial in trials}) == len(trials)
    assert np.isfinite([trial.value for trial in trials if trial.value is not None]).all()
