"""Distortions keep digits readable, are drawn from the seed alone and are as strong as they say."""

import numpy as np
import pytest
import tensorflow as tf

from digits.data.images import draw_one, make_batch
from digits.training.augmentation import Distortion, distort, make_interpolation, stretch_grid

STILL = Distortion(rotation_degrees=0, zoom=0, shear=0, shift_pixels=0, elastic_pixels=0)


@pytest.fixture(scope="module")
def batch():
    return make_batch(np.stack([draw_one()] * 64))


def test_distort_without_any_strength_changes_nothing(batch):
    np.testing.assert_allclose(distort(batch, STILL, tf.constant([1, 2])), batch, atol=1e-6)
    np.testing.assert_allclose(distort(batch, Distortion(), tf.constant([1, 2]), 0.0), batch, atol=1e-6)


def test_distort_with_equal_seeds_gives_equal_batches_and_with_others_different_ones(batch):
    first = distort(batch, Distortion(), tf.constant([1, 2])).numpy()
    np.testing.assert_array_equal(first, distort(batch, Distortion(), tf.constant([1, 2])))
    assert np.abs(first - distort(batch, Distortion(), tf.constant([1, 3]))).mean() > 0.01


def test_distort_warps_each_image_of_a_batch_in_its_own_way(batch):
    distorted = distort(batch, Distortion(), tf.constant([1, 2])).numpy()
    assert len({image.tobytes() for image in distorted}) == len(batch)


def test_distort_keeps_pixels_between_paper_and_ink(batch):
    wild = Distortion(rotation_degrees=180, zoom=0.9, shear=2, shift_pixels=30, elastic_pixels=10)
    distorted = distort(batch, wild, tf.constant([1, 2])).numpy()
    assert distorted.dtype == np.float32
    assert distorted.shape == batch.shape
    assert distorted.min() >= 0
    assert distorted.max() <= 1
    assert np.isfinite(distorted).all()


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_distort_shifts_as_far_as_its_limit_and_no_further(batch, strength):
    shifted = distort(batch, Distortion(0, 0, 0, shift_pixels=4, elastic_pixels=0), tf.constant([1, 2]), strength)
    ink = shifted.numpy()[..., 0]
    rows = (ink.sum(axis=2) * np.arange(28)).sum(axis=1) / ink.sum(axis=(1, 2))
    moved = np.abs(rows - 13.5).max()
    assert 3.0 * strength < moved <= 4.0 * strength + 0.01


def test_distort_turns_by_the_angle_that_it_was_given(batch):
    turned = distort(batch, Distortion(40, 0, 0, 0, 0), tf.constant([1, 2])).numpy()[..., 0]
    down, across = np.mgrid[-13.5:14, -13.5:14]
    covariance = [[(ink * a * b).sum() for b in (across, down)] for ink in turned for a in (across, down)]
    largest = np.abs([_find_tilt(np.array(covariance[2 * n : 2 * n + 2])) for n in range(len(turned))]).max()
    assert 30 < largest <= 41


def _find_tilt(covariance: np.ndarray) -> float:
    _, axes = np.linalg.eigh(covariance)
    across, down = axes[:, -1] * np.sign(axes[1, -1])
    return float(np.degrees(np.arctan2(across, down)))


def test_make_interpolation_returns_weights_that_sum_to_one_and_meet_the_grid_points():
    weights = make_interpolation(5)
    assert weights.shape == (28, 5)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(weights[[0, 27]], [[1, 0, 0, 0, 0], [0, 0, 0, 0, 1]], atol=1e-6)


def test_stretch_grid_meets_the_knots_at_the_corners_and_keeps_a_level_grid_level():
    knots = tf.random.stateless_normal((3, 2, 5, 5), (1, 2))
    stretched = stretch_grid(knots).numpy()
    assert stretched.shape == (3, 2, 28, 28)
    np.testing.assert_allclose(stretched[..., ::27, ::27], knots[..., ::4, ::4], atol=1e-6)
    np.testing.assert_allclose(stretch_grid(tf.ones((1, 1, 4, 4))), np.ones((1, 1, 28, 28)), rtol=1e-6)
