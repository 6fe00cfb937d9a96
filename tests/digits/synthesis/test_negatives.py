import numpy as np
import pytest

from digits.data.dataset import LabelledImages
from digits.synthesis.negatives import KINDS, draw_any_digits, make_negatives


@pytest.mark.parametrize("kind", KINDS)
def test_negatives_of_each_kind_are_inked_and_of_no_training_digit(kind: str, small_digits: LabelledImages) -> None:
    images = make_negatives(40, small_digits.images, small_digits.labels, 1, (kind,))
    assert images.dtype == np.uint8
    assert images.shape == (40, 28, 28)
    assert (images.sum(axis=(1, 2)) > 6 * 255).all()
    known = {digit.tobytes() for digit in small_digits.images}
    assert not known & {image.tobytes() for image in images}


def test_negatives_same_seed_same_images(small_digits: LabelledImages) -> None:
    first, again, other = (make_negatives(60, small_digits.images, small_digits.labels, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any(axis=(1, 2)).all()


@pytest.mark.parametrize("num", [0, 1, 7, 101])
def test_negatives_as_many_as_asked_for(num: int, small_digits: LabelledImages) -> None:
    assert len(make_negatives(num, small_digits.images, small_digits.labels, 1)) == num


def test_negatives_of_digits_of_one_label_alone(small_digits: LabelledImages) -> None:
    """One's own data may lack what is turned or laid over."""
    zeros = small_digits.images[small_digits.labels == 0]
    assert len(make_negatives(50, zeros, np.zeros(len(zeros), np.int64), 1)) == 50


def test_draw_any_digits_have_the_labels_they_say() -> None:
    images, labels = draw_any_digits(300, np.random.default_rng(0))
    assert set(labels) == set(range(10))
    ones, zeros = (images[labels == label] for label in (1, 0))
    # A one is a line, a zero goes around its middle.
    assert zeros.sum(axis=(1, 2)).mean() > 1.2 * ones.sum(axis=(1, 2)).mean()
