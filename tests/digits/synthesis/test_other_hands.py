"""Digits of other hands are the digits that their labels say, as many as were asked for, in MNIST's form."""

from dataclasses import fields, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from digits.data.dataset import LabelledImages
from digits.synthesis.other_hands import OtherHands, draw_other_hands

KINDS = [field.name for field in fields(OtherHands)]
CHANGED = ["rewritten", "narrowed", "faded"]
"""Kinds that are made of training digits."""
ALL = OtherHands(**dict.fromkeys(KINDS, 0.1))


def draw(digits: LabelledImages, hands: OtherHands, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    return draw_other_hands(digits.images, digits.labels, hands, seed)


def measure_extent(image: NDArray[np.uint8]) -> tuple[int, int]:
    rows, columns = np.nonzero(image)
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


@pytest.fixture
def ten(small_digits: LabelledImages) -> LabelledImages:
    """One digit of each label."""
    return small_digits.take(np.array([np.flatnonzero(small_digits.labels == label)[0] for label in range(10)]))


def test_draw_other_hands_by_default_draws_none(small_digits: LabelledImages) -> None:
    images, labels = draw(small_digits, OtherHands())
    assert images.shape == (0, 28, 28)
    assert labels.shape == (0,)


@pytest.mark.parametrize("kind", KINDS)
def test_draw_other_hands_draws_the_share_of_a_kind(kind: str, small_digits: LabelledImages) -> None:
    images, labels = draw(small_digits, OtherHands(**{kind: 0.3}))
    assert images.dtype == np.uint8
    assert images.shape == (round(0.3 * len(small_digits)), 28, 28)
    assert labels.shape == (len(images),)
    assert set(labels) == ({9} if kind == "small_heads" else set(range(10)))


def test_draw_other_hands_of_more_than_there_are_digits_repeats_them(ten: LabelledImages) -> None:
    _, labels = draw(ten, OtherHands(narrowed=2.5))
    assert sorted(np.bincount(labels, minlength=10)) == [2] * 5 + [3] * 5


@pytest.mark.parametrize("kind", KINDS)
def test_draw_other_hands_with_the_same_seed_draws_the_same(kind: str, ten: LabelledImages) -> None:
    hands = OtherHands(**{kind: 1.0})
    first, again, other = (draw(ten, hands, seed)[0] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_draw_other_hands_without_one_kind_leaves_the_others_as_they_are(small_digits: LabelledImages) -> None:
    whole, _ = draw(small_digits, ALL)
    without, _ = draw(small_digits, replace(ALL, drawn=0.0))
    np.testing.assert_array_equal(whole[-len(without) :], without)


@pytest.mark.parametrize("kind", CHANGED)
def test_draw_other_hands_keeps_the_label_of_a_training_digit(kind: str, ten: LabelledImages) -> None:
    images, labels = draw(ten, OtherHands(**{kind: 1.0}))
    assert sorted(labels) == list(range(10))
    likeness = np.corrcoef(images.reshape(10, -1), ten.images.reshape(10, -1))[:10, 10:]
    assert (likeness.argmax(axis=1) == labels).mean() >= 0.8


@pytest.mark.parametrize("kind", KINDS)
def test_draw_other_hands_fits_the_ink_into_twenty_pixels(kind: str, small_digits: LabelledImages) -> None:
    images, _ = draw(small_digits, OtherHands(**{kind: 0.2}))
    assert max(max(measure_extent(image)) for image in images) <= 20


def test_draw_other_hands_narrows_digits(ten: LabelledImages) -> None:
    images, labels = draw(ten, OtherHands(narrowed=1.0))
    by_label = images[labels.argsort()]
    for label in (0, 2, 3, 8):
        height, width = measure_extent(by_label[label])
        height_before, width_before = measure_extent(ten.images[label])
        assert width / height < width_before / height_before


def test_draw_other_hands_fades_a_part_of_the_ink(small_digits: LabelledImages) -> None:
    hands = OtherHands(faded=1.0)
    images, labels = draw(small_digits, hands)
    before = np.array([small_digits.images[small_digits.labels == label].mean() for label in range(10)])
    left = np.array([images[labels == label].mean() for label in range(10)]) / before
    assert (left > 0.6).all()
    assert (left < 0.97).all()


def test_draw_other_hands_rewrites_with_thin_and_thick_pens(ten: LabelledImages) -> None:
    seven = LabelledImages(np.repeat(ten.images[7:8], 40, axis=0), np.full(40, 7), ten.sha256)
    images, _ = draw(seven, OtherHands(rewritten=1.0))
    ink = images.mean(axis=(1, 2))
    assert ink.max() > 2 * ink.min()
    # A pen leaves nearly all of its ink black or white.
    assert ((images > 20) & (images < 235)).mean() < 0.15


def test_draw_other_hands_shrinks_the_heads_of_nines(small_digits: LabelledImages) -> None:
    nines = small_digits.take(np.flatnonzero(small_digits.labels == 9))
    hands = {kind: draw(nines, OtherHands(**{kind: 2.0}))[0] for kind in ("rewritten", "small_heads")}
    # The head is most of the ink that lies left of the stem.
    widths = {
        kind: np.median([measure_extent(image[8:12])[1] / measure_extent(image)[0] for image in images])
        for kind, images in hands.items()
    }
    assert widths["small_heads"] < 0.8 * widths["rewritten"]


def test_draw_other_hands_without_nines_shrinks_no_heads(small_digits: LabelledImages) -> None:
    others = small_digits.take(np.flatnonzero(small_digits.labels != 9))
    images, labels = draw(others, OtherHands(small_heads=0.1))
    assert images.shape == (0, 28, 28)
    assert labels.shape == (0,)


@pytest.mark.parametrize("kind", CHANGED)
def test_draw_other_hands_leaves_an_empty_image_empty(kind: str) -> None:
    images, _ = draw_other_hands(
        np.zeros((2, 28, 28), np.uint8), np.zeros(2, np.int64), OtherHands(**{kind: 1.0}), seed=0
    )
    assert images.shape == (2, 28, 28)
    assert not images.any()
