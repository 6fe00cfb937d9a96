"""What is held out of the training digits: each label in proportion, none on both sides, the same each time."""

import numpy as np
import pytest

from digits.data.dataset import LabelledImages
from digits.errors import ConfigurationError, DatasetError
from digits.training.split import hold_out
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
