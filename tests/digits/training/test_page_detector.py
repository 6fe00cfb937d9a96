"""Training of the page network, on a few pages: what it repeats, resumes and writes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from digits.data.dataset import LabelledImages
from digits.errors import CheckpointError
from digits.inference.page_detector import load_page_detector
from digits.training import page_detector as page_training
from digits.training.checkpoint import CheckpointSaver
from digits.training.export import write_artifact
from digits.training.page_detector import FAST, compose, train_page_network
from tests.wordings import wording

SHORT = replace(FAST, num_pages=8, epochs=2, batch_size=4, num_scored=4, held_out=0.2)
Trained = tuple[keras.Model, dict[str, Any], NDArray[np.float32]]


def train(digits: LabelledImages, folder: Path, resume: bool = False) -> Trained:
    return train_page_network(digits, SHORT, folder / "c.weights.h5", resume, verbose=0)


@pytest.fixture(scope="module")
def trained(small_digits: LabelledImages, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(small_digits, tmp_path_factory.mktemp("pages"))


@pytest.mark.slow
def test_train_page_network_resumed_ends_with_the_weights_of_a_whole_run(
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
        # Two whole runs differ in their last digits, too, by up to 8e-4.
        np.testing.assert_allclose(weights, others, atol=5e-3)


def test_train_page_network_told_to_resume_nothing_is_refused(small_digits: LabelledImages, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=wording("checkpoint_missing")):
        train(small_digits, tmp_path, resume=True)


def test_compose_in_several_processes_gives_the_same_pages(
    small_digits: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = compose(small_digits, np.arange(6), 1)
    monkeypatch.setattr(page_training, "_COMPOSED_AT_ONCE", 3)
    together = compose(small_digits, np.arange(6), 1)
    np.testing.assert_array_equal(together.images, alone.images)
    np.testing.assert_array_equal(together.digits, alone.digits)


@pytest.mark.slow
def test_train_page_network_writes_down_what_it_did(trained: Trained, small_digits: LabelledImages) -> None:
    said = trained[1]
    assert said["config"]["num_pages"] == 8
    assert said["data"] == {"sha256": small_digits.sha256, "num_digits": len(small_digits)}
    assert 0 <= said["digits_found"] <= 1
    assert said["network"]["multiply_adds_per_pixel"] < 12_000


@pytest.mark.slow
def test_written_page_network_is_read_as_it_was(trained: Trained, tmp_path: Path) -> None:
    network, provenance, sample = trained
    path = tmp_path / "pages.h5"
    write_artifact(path, network, provenance, sample)
    detector = load_page_detector(path)
    np.testing.assert_allclose(detector.compute(sample), network.predict(sample, verbose=0), atol=1e-5)
    # Any picture is looked at, whatever its sides.
    assert detector.look(np.full((50, 70), 255, np.uint8)).shape == (13, 18, 17)
