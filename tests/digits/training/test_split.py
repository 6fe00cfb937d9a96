"""What is held out of the training digits: each label in proportion, none on both sides, the same each time."""

from pathlib import Path

import numpy as np
import pytest

from digits.data.dataset import LabelledImages
from digits.errors import ConfigurationError, DatasetError
from digits.training.split import NUM_FOLDS, fold_by_writer, hold_out, hold_out_writers, read_writers
from tests.wordings import wording


def test_hold_out_keeps_the_labels_in_proportion() -> None:
    labels = np.repeat(np.arange(10), 10)
    digits = LabelledImages(np.zeros((100, 28, 28), np.uint8), labels, "")
    kept, held_out = hold_out(digits)
    assert np.bincount(kept.labels).tolist() == [8] * 10
    assert np.bincount(held_out.labels).tolist() == [2] * 10


def test_hold_out_shares_no_digit_and_loses_none() -> None:
    """Each image carries its own number, so that the two parts can be told apart."""
    numbers = np.arange(200, dtype=np.uint8)
    digits = LabelledImages(np.tile(numbers[:, None, None], (1, 28, 28)), np.tile(np.arange(10), 20), "")
    kept, held_out = hold_out(digits)
    assert sorted([*kept.images[:, 0, 0], *held_out.images[:, 0, 0]]) == numbers.tolist()
    np.testing.assert_array_equal(kept.labels, kept.images[:, 0, 0] % 10)


def test_hold_out_is_the_same_each_time(small_digits: LabelledImages) -> None:
    np.testing.assert_array_equal(hold_out(small_digits)[1].images, hold_out(small_digits)[1].images)


def test_hold_out_too_few_of_a_label(small_digits: LabelledImages) -> None:
    with pytest.raises(DatasetError, match=wording("held_out_too_few", num=5, share="20%")):
        hold_out(small_digits.take(slice(5)))


@pytest.mark.parametrize("fraction", [0, 1, 1.5, -0.1, float("nan")])
def test_hold_out_of_an_impossible_share_is_refused(small_digits: LabelledImages, fraction: float) -> None:
    with pytest.raises(ConfigurationError, match=wording("held_out_share", share=fraction)):
        hold_out(small_digits, fraction)


def draw_writers(num_digits: int, num_writers: int = 60) -> np.ndarray:
    return np.random.default_rng(0).integers(num_writers, size=num_digits).astype(np.uint16)


def test_folds_keep_each_writer_in_one_and_are_of_about_one_size() -> None:
    labels, writers = np.tile(np.arange(10), 300), draw_writers(3000)
    folds = fold_by_writer(labels, writers)
    assert all(len(set(folds[writers == writer])) == 1 for writer in set(writers))
    sizes = np.bincount(folds, minlength=NUM_FOLDS)
    assert len(sizes) == NUM_FOLDS
    assert sizes.min() > 0.8 * sizes.max()


def test_folds_are_the_same_each_time() -> None:
    labels, writers = np.tile(np.arange(10), 300), draw_writers(3000)
    np.testing.assert_array_equal(fold_by_writer(labels, writers), fold_by_writer(labels, writers))


def test_folds_of_fewer_writers_than_folds_are_refused() -> None:
    with pytest.raises(DatasetError, match=wording("too_few_writers", num=5)):
        fold_by_writer(np.tile(np.arange(10), 30), draw_writers(300, num_writers=5))


def test_folds_are_those_of_the_kept_answers() -> None:
    """The answers of benchmarks/training/committee.npz hold for these folds alone."""
    labels, writers = np.tile(np.arange(10), 300), draw_writers(3000)
    assert fold_by_writer(labels, writers)[:20].tolist() == [3, 1, 0, 5, 4, 4, 4, 3, 5, 2, 1, 2, 0, 1, 3, 3, 4, 4, 4, 1]


def test_folds_of_fewer_digits_of_every_label_than_folds_are_refused() -> None:
    with pytest.raises(DatasetError, match=wording("too_few_of_every_label", num=20)):
        fold_by_writer(np.tile(np.arange(10), 2), draw_writers(20))


def test_hold_out_writers_holds_out_a_sixth_by_people_who_wrote_nothing_else() -> None:
    writers = draw_writers(3000)
    images = np.tile(writers.astype(np.uint8)[:, None, None], (1, 28, 28))
    kept, held_out = hold_out_writers(LabelledImages(images, np.tile(np.arange(10), 300), ""), writers)
    assert not {*kept.images[:, 0, 0]} & {*held_out.images[:, 0, 0]}
    assert len(kept) + len(held_out) == 3000
    assert len(held_out) == pytest.approx(500, rel=0.2)


def test_read_writers_returns_what_the_file_tells(tmp_path: Path) -> None:
    np.savez(tmp_path / "writers.npz", writers=np.arange(5), series=np.zeros(5))
    assert read_writers(tmp_path / "writers.npz", 5).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "kind", ["missing", "no archive", "one array", "other key", "other number", "fractions", "too large"]
)
def test_read_writers_of_no_file_of_writers_says_what_was_expected(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "writers.npz"
    if kind == "no archive":
        path.write_bytes(b"writers")
    elif kind == "one array":
        with path.open("wb") as file:
            np.save(file, np.arange(5))
    elif kind != "missing":
        writers = np.arange(4 if kind == "other number" else 5) + (2**16 if kind == "too large" else 0)
        np.savez(path, **{"hands" if kind == "other key" else "writers": writers / (2 if kind == "fractions" else 1)})
    with pytest.raises(DatasetError, match=wording("writers_unreadable", path=path, num=5)):
        read_writers(path, 5)
