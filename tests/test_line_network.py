"""Training of the line network, on a few lines, and the file that it writes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from digits.artifact import read_artifact, write_artifact
from digits.dataset import LabelledImages
from digits.line_network import FAST, build_line_network, train_line_network
from digits.line_reading import load_line_reader

SHORT = replace(FAST, num_lines=200, batch_size=20, num_scored=20, held_out=0.2)
RunPython = Callable[..., CompletedProcess[str]]
Trained = tuple[keras.Model, dict[str, Any], NDArray[np.float32]]


@pytest.fixture(scope="module")
def trained(small_digits: LabelledImages) -> Trained:
    return train_line_network(small_digits, SHORT, verbose=0)


def test_line_network_takes_lines_of_any_width() -> None:
    network = build_line_network()
    for width in (16, 224, 400):
        assert network(np.zeros((1, 32, width, 1), np.float32)).shape == (1, width // 4, 11)


def test_train_line_network_same_seed_same_network(trained: Trained, small_digits: LabelledImages) -> None:
    again = train_line_network(small_digits, SHORT, verbose=0)[0]
    for weights, others in zip(trained[0].get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, others)


def test_train_line_network_serves_probabilities(trained: Trained) -> None:
    answers = trained[0].predict(trained[2], verbose=0)
    np.testing.assert_allclose(answers.sum(axis=2), 1, atol=1e-5)


def test_train_line_network_writes_down_what_it_did(trained: Trained, small_digits: LabelledImages) -> None:
    said = trained[1]
    assert said["config"]["num_lines"] == 200
    assert said["data"] == {"sha256": small_digits.sha256, "num_digits": len(small_digits)}
    assert 0 <= said["lines_read"] <= 1


def test_written_line_network_is_read_as_it_was(trained: Trained, tmp_path: Path) -> None:
    network, provenance, sample = trained
    path = tmp_path / "lines.h5"
    write_artifact(path, network, provenance, sample)
    reader = load_line_reader(path)
    np.testing.assert_allclose(reader.compute(sample), network.predict(sample, verbose=0), atol=1e-5)
    narrow = np.ascontiguousarray(sample[:, :, :60])
    np.testing.assert_allclose(reader.compute(narrow), network.predict(narrow, verbose=0), atol=1e-5)
    plain = keras.saving.load_model(path, compile=False)
    np.testing.assert_allclose(plain.predict(sample, verbose=0), network.predict(sample, verbose=0), atol=1e-5)
    assert read_artifact(path).provenance["lines_read"] == provenance["lines_read"]


def test_command_without_data_ends_in_one_line(run_python: RunPython, tmp_path: Path) -> None:
    ended = run_python("-m", "digits.line_network", "--data", tmp_path / "none.csv", "--output", tmp_path / "lines.h5")
    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines()[-1].startswith("error: ")
    assert not (tmp_path / "lines.h5").exists()
