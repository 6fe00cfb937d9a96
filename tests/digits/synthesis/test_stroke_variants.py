"""Variants are the digits that they were, with strokes that MNIST lacks, in MNIST's form."""

import numpy as np
import pytest

from digits.synthesis.stroke_variants import StrokeVariants, draw_variants

ALL = StrokeVariants(slashed_zeros=1.0, flagged_ones=1.0, crossed_sevens=1.0, ticked_sevens=1.0)


@pytest.fixture
def sevens(small_digits):
    return small_digits.take(np.flatnonzero(small_digits.labels == 7)[:20])


def test_draw_variants_gives_the_share_of_each_label(small_digits):
    counts = np.bincount(small_digits.labels, minlength=10)
    images, labels = draw_variants(small_digits.images, small_digits.labels, StrokeVariants(), seed=0)
    expected = [round(0.15 * counts[0]), round(0.2 * counts[1]), round(0.1 * counts[7])]
    assert [int((labels == digit).sum()) for digit in (0, 1, 7)] == expected
    assert len(images) == len(labels) == sum(expected)


def test_draw_variants_with_the_same_seed_draws_the_same(sevens):
    first, again = (draw_variants(sevens.images, sevens.labels, ALL, seed=3)[0] for _ in range(2))
    other, _ = draw_variants(sevens.images, sevens.labels, ALL, seed=4)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_draw_variants_fits_the_ink_into_twenty_pixels(small_digits):
    images, _ = draw_variants(small_digits.images, small_digits.labels, ALL, seed=0)
    for image in images:
        rows, columns = np.nonzero(image)
        assert max(np.ptp(rows), np.ptp(columns)) + 1 <= 20


def test_draw_variants_slashes_a_zero_through_its_middle(small_digits):
    zeros = small_digits.take(np.flatnonzero(small_digits.labels == 0))
    images, _ = draw_variants(zeros.images, zeros.labels, ALL, seed=0)
    # The bowl of an upright 0 is empty; the slash crosses it.
    assert np.median(zeros.images[:, 12:16, 12:16].mean(axis=(1, 2))) < 60
    assert np.median(images[:, 12:16, 12:16].mean(axis=(1, 2))) > 100


def test_draw_variants_hangs_a_tick_from_the_left_end_of_a_sevens_bar():
    seven = np.zeros((28, 28), np.uint8)
    seven[4:6, 6:22] = 255
    seven[4:24, 20:22] = 255
    drawn, labels = draw_variants(
        np.repeat(seven[None], 20, axis=0), np.full(20, 7), StrokeVariants(0, 0, 0, ticked_sevens=1.0), seed=0
    )
    assert labels.tolist() == [7] * 20
    reached = []
    for image in drawn:
        rows, columns = np.nonzero(image > 127)
        is_left = columns < columns.min() + 0.25 * np.ptp(columns)
        reached.append(np.ptp(rows[is_left]) / np.ptp(rows))
    # The bar alone reaches down by a tenth.
    assert 0.15 < np.median(reached) < 0.5


def test_draw_variants_of_digits_without_zeros_ones_and_sevens_is_empty(small_digits):
    others = small_digits.take(np.flatnonzero(~np.isin(small_digits.labels, [0, 1, 7])))
    images, labels = draw_variants(others.images, others.labels, ALL, seed=0)
    assert images.shape == (0, 28, 28)
    assert labels.shape == (0,)


def test_draw_variants_of_an_empty_image_leaves_it_empty():
    images, _ = draw_variants(np.zeros((1, 28, 28), np.uint8), np.zeros(1, np.int64), ALL, seed=0)
    assert not images.any()
