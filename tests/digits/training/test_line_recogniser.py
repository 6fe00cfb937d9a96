"""Training of the line network, on a few lines: what it repeats, resumes and writes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from digits.data.dataset import LabelledImages
from digits.errors import CheckpointError, ConfigurationError
from digits.inference.artifact import read_artifact
from digits.inference.line_reader import load_line_reader
from digits.training import line_recogniser as line_training
from digits.training.checkpoint import CheckpointSaver
from digits.training.export import write_artifact
from digits.training.line_recogniser import FAST, LineConfig, compose, train_line_network
from tests.wordings import wording

SHORT = replace(FAST, num_lines=200, epochs=2, batch_size=20, num_scored=20, held_out=0.2)
Trained = tuple[keras.Model, dict[str, Any], NDArray[np.float32]]


def train(digits: LabelledImages, folder: Path, resume: bool = False) -> Trained:
    return train_line_network(digits, SHORT, folder / "c.weights.h5", resume, verbose=0)


@pytest.fixture(scope="module")
def trained(small_digits: LabelledImages, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(small_digits, tmp_path_factory.mktemp("lines"))


@pytest.mark.slow
def test_train_line_network_resumed_ends_with_the_weights_of_a_whole_run(
    trained: Trained, small_digits: LabelledImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = CheckpointSaver.on_epoch_end

    def stop(saver: CheckpointSaver, epoch: int, logs: dict[str, float] | None = None) -> None:
        save(saver, epoch, logs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(CheckpointSaver, "on_epoch_end", stop)
        with pytest.raises(KeyboardInterrupt):
            train(small_digits, tmp_path)
    resumed = train(small_digits, tmp_path, resume=True)[0]
    for weights, others in zip(trained[0].get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, others)


def test_train_line_network_told_to_resume_nothing_is_refused(small_digits: LabelledImages, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=wording("checkpoint_missing")):
        train(small_digits, tmp_path, resume=True)


def test_compose_in_several_processes_gives_the_same_lines(
    small_digits: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = compose(small_digits, SHORT, 50)
    monkeypatch.setattr(line_training, "_COMPOSED_AT_ONCE", 20)
    together = compose(small_digits, SHORT, 50)
    np.testing.assert_array_equal(together.images, alone.images)
    np.testing.assert_array_equal(together.labels, alone.labels)


@pytest.mark.slow
def test_train_line_network_serves_probabilities(trained: Trained) -> None:
    answers = trained[0].predict(trained[2], verbose=0)
    np.testing.assert_allclose(answers.sum(axis=2), 1, atol=1e-5)


@pytest.mark.slow
def test_train_line_network_writes_down_what_it_did(trained: Trained, small_digits: LabelledImages) -> None:
    said = trained[1]
    assert said["config"]["num_lines"] == 200
    assert said["data"] == {"sha256": small_digits.sha256, "num_digits": len(small_digits)}
    assert 0 <= said["lines_read"] <= 1


@pytest.mark.slow
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


def test_line_config_with_a_seed_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=wording("seed_out_of_range", seed=-1)):
        LineConfig(seed=-1)
