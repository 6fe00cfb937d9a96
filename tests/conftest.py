"""What several test modules share: real digits, a tiny network and its artifact, a fresh interpreter."""

import gzip
import os
import runpy
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from digits.data.dataset import LabelledImages, read_labelled_images
from digits.data.images import make_batch

if TYPE_CHECKING:
    import keras

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

ROOT = Path(__file__).resolve().parents[1]
NUM_SMALL_DIGITS = 200
TRAINING_PACKAGES = ("tensorflow", "keras", "pandas", "matplotlib", "sklearn", "scipy")

RunPython = Callable[..., subprocess.CompletedProcess[str]]

# Put before the code of a fresh interpreter: every package of training raises ImportError, as where it is missing.
BLOCK_TRAINING_PACKAGES = f"""
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {TRAINING_PACKAGES!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files with slow tests first: a process must not begin with one when the others have finished."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def small_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first real training digits, as a plain CSV in Kaggle's layout."""
    path = tmp_path_factory.mktemp("digits") / "small.csv"
    with gzip.open(ROOT / "data/train.csv.gz", "rt") as file:
        path.write_text("".join(islice(file, NUM_SMALL_DIGITS + 1)))
    return path


@pytest.fixture(scope="session")
def small_digits(small_csv: Path) -> LabelledImages:
    return read_labelled_images(small_csv)


@pytest.fixture(scope="session")
def small_batch(small_digits: LabelledImages) -> NDArray[np.float32]:
    return make_batch(small_digits.images)


@pytest.fixture(scope="session")
def tiny_network() -> "keras.Model":
    """An untrained network with the input and output of the real one, small enough to export in a second."""
    import keras

    keras.utils.set_random_seed(0)
    pixels = keras.Input((28, 28, 1))
    features = keras.layers.Conv2D(2, 5, strides=4, activation="relu")(pixels)
    logits = keras.layers.Dense(10)(keras.layers.Flatten()(features))
    return keras.Model(pixels, keras.layers.Softmax()(logits))


@pytest.fixture(scope="session")
def tiny_provenance() -> Mapping[str, Any]:
    return {"config": {"epochs": 1, "rate": 0.1}, "metrics": {"errors_per_digit": [0, 1]}, "note": "ünïcode"}


@pytest.fixture(scope="session")
def shared_artifact(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_network: "keras.Model",
    tiny_provenance: Mapping[str, Any],
    small_batch: NDArray[np.float32],
) -> Path:
    """An artifact of the tiny network; read it, never change it."""
    from digits.training.export import write_artifact

    path = tmp_path_factory.mktemp("artifact") / "tiny.h5"
    write_artifact(path, tiny_network, tiny_provenance, small_batch)
    return path


@pytest.fixture(scope="session")
def tiny_rejector(tiny_network: "keras.Model") -> "keras.Model":
    """The tiny network's probability of the digit 0, in place of the probability that an image is a digit."""
    import keras

    return keras.Model(tiny_network.input, tiny_network.output[:, :1])


@pytest.fixture(scope="session")
def tiny_rejector_graph(tiny_rejector: "keras.Model", small_batch: NDArray[np.float32]) -> bytes:
    """The tiny rejector as ONNX."""
    from digits.training.export import export_graph

    return export_graph(tiny_rejector, small_batch)[0]


@pytest.fixture
def artifact_with_rejector(
    tmp_path: Path, tiny_network: "keras.Model", tiny_rejector_graph: bytes, small_batch: NDArray[np.float32]
) -> Path:
    """An artifact with a rejector, which accepts nothing."""
    from digits.training.export import write_artifact

    provenance = {"acceptance": {"thresholds": {"acceptance": 0.9, "confidence": 0.2}}, "note": "kept"}
    path = tmp_path / "with-rejector.h5"
    write_artifact(path, tiny_network, provenance, small_batch, tiny_rejector_graph)
    return path


@pytest.fixture
def keras_file(tiny_network: "keras.Model", tmp_path: Path) -> Path:
    """The tiny network as Keras saves it: no serving graph."""
    path = tmp_path / "elsewhere.h5"
    tiny_network.save(path)
    return path


@pytest.fixture
def artifact_path(shared_artifact: Path, tmp_path: Path) -> Path:
    """A copy of the tiny artifact, to be broken at will."""
    path = tmp_path / "tiny.h5"
    path.write_bytes(shared_artifact.read_bytes())
    return path


@pytest.fixture
def run_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunPython:
    """Run a module or a script with arguments as the command that it is, in this process.

    A new interpreter would import TensorFlow first, which takes four seconds.
    """

    def run(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [name, *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", command)
        monkeypatch.chdir(ROOT)
        capsys.readouterr()
        handler = signal.getsignal(signal.SIGTERM)
        status: str | int | None = 0
        try:
            # It was imported before, and runs once more under the name `__main__`.
            with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
                start = runpy.run_path if name.endswith(".py") else runpy.run_module
                start(name, run_name="__main__")
        except SystemExit as ended:
            status = ended.code
        finally:
            signal.signal(signal.SIGTERM, handler)
        printed, errors = capsys.readouterr()
        # The interpreter prints a message and exits with 1.
        if isinstance(status, str):
            status, errors = 1, f"{errors}{status}\n"
        return subprocess.CompletedProcess(command, status or 0, printed, errors)

    return run


@pytest.fixture
def run_python() -> RunPython:
    """Run code, or a module with arguments, in a fresh interpreter at the repository's root."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def run_as_served(run_python: RunPython) -> RunPython:
    """Run code where no package of training can be imported, as in the service's image."""
    return lambda code: run_python("-c", BLOCK_TRAINING_PACKAGES + code)
