"""Disturbances meet their share of the digits, are drawn from the seed alone and act where they say."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from digits.data.dataset import read_labelled_images
from digits.data.images import draw_one, make_batch
from digits.training.augmentation import NO_DISTURBANCE, disturb
from tests.conftest import ROOT

KINDS = ("clutter", "convolution", "noise")


@pytest.fixture(scope="module")
def ones():
    return make_batch(np.stack([draw_one()] * 64))


@pytest.fixture(scope="module")
def digits():
    return make_batch(read_labelled_images(ROOT / "data" / "test.csv.gz").images[:200])


def disturb_by(kind, batch, share=1.0, seed=(1, 2), strength=1.0):
    return disturb(batch, replace(NO_DISTURBANCE, **{kind: share}), tf.constant(seed), strength).numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_disturb_changes_the_share_of_the_digits(kind, digits):
    is_changed = (disturb_by(kind, digits, 0.5) != digits).any(axis=(1, 2, 3))
    assert 60 < is_changed.sum() < 130
    np.testing.assert_array_equal(disturb_by(kind, digits, 0.5, strength=0.0), digits)


@pytest.mark.parametrize("kind", KINDS)
def test_disturb_draws_from_the_seed_alone(kind, digits):
    disturbed = disturb_by(kind, digits)
    np.testing.assert_array_equal(disturbed, disturb_by(kind, digits))
    assert not np.array_equal(disturbed, disturb_by(kind, digits, seed=(1, 3)))


@pytest.mark.parametrize("kind", ["convolution", "noise"])
def test_disturb_changes_each_digit_in_its_own_way(kind, ones):
    assert len({image.tobytes() for image in disturb_by(kind, ones)}) == len(ones)


def test_disturb_adds_ink_of_another_digit_and_takes_none_away(digits):
    cluttered = disturb_by("clutter", digits)
    assert (cluttered >= digits).all()
    both = np.maximum(digits, np.roll(digits, 1, axis=0))
    assert ((cluttered == digits) | (cluttered == both)).all()
    added = (cluttered - digits).sum() / digits.sum()
    assert 0.1 < added < 0.4


def test_disturb_convolves_a_part_of_the_image_and_greys_its_paper(ones):
    convolved = disturb_by("convolution", ones)
    shares = (convolved != ones).mean(axis=(1, 2, 3))
    assert 0.4 < shares.mean() < 0.6
    assert shares.max() < 1
    far = tf.nn.max_pool2d(ones, 3, 1, "SAME").numpy() == 0
    greys = [image[where & (image != 0)] for image, where in zip(convolved, far, strict=True)]
    assert max(np.ptp(grey) for grey in greys if len(grey)) < 1e-6
    assert 0 < min(grey.min() for grey in greys if len(grey)) < 0.1
    assert 0.6 < max(grey.max() for grey in greys if len(grey)) <= 1


def test_disturb_makes_outlines_of_a_quarter_of_what_it_convolves():
    # A half are outlines, a half of those are not mixed with the ink.
    blocks = np.zeros((400, 28, 28, 1), np.float32)
    blocks[:, 7:21, 7:21] = 1
    convolved = disturb_by("convolution", blocks)
    inner, outer = convolved[:, 8:20, 8:20], np.concatenate([convolved[:, :6], convolved[:, 22:]], axis=1)
    num_outlines = 0
    for inside, outside in zip(inner, outer, strict=True):
        greys = outside[outside != 0]
        num_outlines += len(greys) > 0 and np.allclose(inside[inside != 1], greys[0], atol=1e-6)
    assert 70 < num_outlines < 130


def test_disturb_adds_noise_up_to_its_limit():
    noise = disturb_by("noise", np.zeros((400, 28, 28, 1), np.float32))
    deviations = noise.std(axis=(1, 2, 3))
    limit = NO_DISTURBANCE.noise_limit
    assert abs(noise.mean()) < 0.01
    assert deviations.min() < 0.1 * limit
    assert 0.9 * limit < deviations.max() < 1.1 * limit
