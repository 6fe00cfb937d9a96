"""A run that is tracked: against a real MLflow server, where MLflow is installed."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from digits.data.dataset import LabelledImages
from digits.errors import ConfigurationError
from tests.conftest import ROOT
from tests.digits.training.test_own_digits import write_folder
from tests.service.server import attempt
from tests.wordings import wording

TRAIN = [sys.executable, "train.py", "--fast", "--reports"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """MLflow's own server on a free port."""
    pytest.importorskip(
        "mlflow", reason="mlflow is not installed: pip install -r digits/training/requirements-mlflow.txt"
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    store = [
        "--backend-store-uri",
        f"sqlite:///{tmp_path}/mlflow.db",
        "--artifacts-destination",
        str(tmp_path / "store"),
    ]
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(port), *store]
    with (tmp_path / "server.log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            assert any(_is_up(url) for _ in attempt())
            yield url
        finally:
            process.terminate()


def _is_up(url: str) -> bool:
    try:
        return urlopen(f"{url}/health").status == 200
    except URLError:
        return False


@pytest.mark.slow
def test_tracked_run_has_settings_epochs_figures_plots_and_a_registered_model(
    server: str, tmp_path: Path, small_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    output = tmp_path / "model.h5"
    command = [*TRAIN, tmp_path / "reports", "--data", small_csv, "--output", output, "--epochs", "2"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    finished = subprocess.run([*command, "--register", "tried"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    client = mlflow.MlflowClient(server, server)
    (run,) = client.search_runs([client.get_experiment_by_name("digits").experiment_id])
    assert run.info.status == "FINISHED"
    assert (run.data.params["epochs"], run.data.params["data"]) == ("2", small_csv.name)
    assert run.data.params["distortion.shift_pixels"] == "1"
    assert [one.step for one in client.get_metric_history(run.info.run_id, "loss")] == [1, 2]
    assert 0 <= run.data.metrics["scored_1_accuracy"] <= 1
    assert run.data.tags["scored_1"] == "20.0% held out of small.csv"
    names = {one.path for one in client.list_artifacts(run.info.run_id)}
    assert {"model.h5", "learning_curves.png", "confusion_matrix.png", "misread_digits.png"} <= names
    (version,) = client.search_model_versions("name='tried'")
    signature = mlflow.models.get_model_info(f"models:/tried/{version.version}").signature
    assert [tensor.shape for tensor in (*signature.inputs.inputs, *signature.outputs.inputs)] == [
        (-1, 28, 28, 1),
        (-1, 10),
    ]


@pytest.mark.skipif(find_spec("mlflow") is not None, reason="MLflow is installed")
def test_tracked_run_without_mlflow_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from digits.training.tracking import track_run

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    with pytest.raises(ConfigurationError, match=wording("mlflow_missing")), track_run({}):
        pass


@pytest.mark.slow
@pytest.mark.skipif(find_spec("tensorboard") is None, reason="tensorboard is not installed")
def test_tensorboard_gets_the_course_of_the_training(tmp_path: Path, small_digits: LabelledImages) -> None:
    folder = write_folder(tmp_path / "own", small_digits, 150)
    command = [*TRAIN, tmp_path / "reports", "--data", folder, "--output", tmp_path / "model.h5"]
    subprocess.run([*command, "--tensorboard", tmp_path / "board"], cwd=ROOT, check=True)
    assert list((tmp_path / "board").rglob("events.out.tfevents.*"))
