"""Batches come from seed and step alone, statistics are of undistorted digits, a resumed run must be the same run.

That a killed run resumes to the same weights is shown on the real command, in test_train.py.
"""

from dataclasses import replace

import keras
import numpy as np
import pytest

from digits.data.dataset import LabelledImages
from digits.data.images import make_batch
from digits.errors import CheckpointError, ConfigurationError
from digits.synthesis.other_hands import OtherHands
from digits.training.augmentation import NO_DISTURBANCE
from digits.training.classifier import TrainingConfig, add_variants, fit_network, make_batches, recompute_statistics
from tests.wordings import wording

_LIMITS = ("rotation_degrees", "zoom", "shear", "shift_pixels", "elastic_pixels")
CONFIG = TrainingConfig(epochs=3, batch_size=20, finishing_fraction=1 / 3)


@pytest.fixture
def digits() -> LabelledImages:
    images = np.random.default_rng(0).integers(0, 256, (90, 28, 28), np.uint8)
    images[:, 0, 0] = np.arange(90)  # so that each image says which one it is
    return LabelledImages(images, np.arange(90) % 10, sha256="0" * 64)


def build_small_network() -> keras.Model:
    keras.utils.set_random_seed(1)
    pixels = keras.Input((28, 28, 1))
    x = keras.layers.BatchNormalization()(keras.layers.Flatten()(pixels))
    return keras.Model(pixels, keras.layers.Softmax()(keras.layers.Dense(10, name="logits")(x)))


def fit(network, digits, config, tmp_path, resume=False):
    return fit_network(network, digits, config, tmp_path / "c.weights.h5", resume, verbose=0)


def collect(batches):
    return [(batch.numpy(), labels.numpy()) for batch, labels in batches]


def test_make_batches_shows_a_digit_at_most_once_an_epoch_and_reshuffles(digits):
    distortion = replace(CONFIG.distortion, **dict.fromkeys(_LIMITS, 0.0))
    still = replace(CONFIG, distortion=distortion, disturbance=NO_DISTURBANCE)
    batches = collect(make_batches(digits, still))
    steps_per_epoch = 90 // 20
    epochs = []
    for epoch in range(3):
        shown = batches[epoch * steps_per_epoch : (epoch + 1) * steps_per_epoch]
        order = np.concatenate([np.rint(batch[:, 0, 0, 0] * 255).astype(int) for batch, _ in shown])
        labels = np.concatenate([labels for _, labels in shown])
        assert len(set(order)) == steps_per_epoch * 20
        np.testing.assert_array_equal(labels, order % 10)
        epochs.append(order.tolist())
    assert epochs[0] != epochs[1] != epochs[2]
    assert len(batches) == 3 * steps_per_epoch


def test_make_batches_from_a_later_epoch_gives_what_an_unbroken_run_would(digits):
    whole, rest = collect(make_batches(digits, CONFIG)), collect(make_batches(digits, CONFIG, first_epoch=1))
    for (batch, labels), (batch_again, labels_again) in zip(whole[4:], rest, strict=True):
        np.testing.assert_array_equal(batch, batch_again)
        np.testing.assert_array_equal(labels, labels_again)


def test_make_batches_distorts_less_in_the_finish(digits):
    finishing = make_batches(digits, CONFIG), make_batches(digits, replace(CONFIG, finishing_fraction=0))
    pairs = list(zip(*map(collect, finishing), strict=True))
    same = [np.array_equal(batch, other) for (batch, _), (other, _) in pairs]
    assert same == [True] * 8 + [False] * 4


def test_make_batches_disturbs_until_the_finish(digits):
    disturbed, plain = (
        collect(make_batches(digits, replace(CONFIG, disturbance=disturbance)))
        for disturbance in (CONFIG.disturbance, NO_DISTURBANCE)
    )
    same = [np.array_equal(batch, other) for (batch, _), (other, _) in zip(disturbed, plain, strict=True)]
    assert same == [False] * 8 + [True] * 4


def test_add_variants_puts_them_after_the_digits(digits):
    extended = add_variants(digits, CONFIG)
    np.testing.assert_array_equal(extended.images[:90], digits.images)
    assert set(extended.labels[90:]) == {0, 1, 7}


def test_add_variants_puts_digits_of_other_hands_after_them(digits):
    before = add_variants(digits, CONFIG)
    extended = add_variants(digits, replace(CONFIG, other_hands=OtherHands(regional=0.1, narrowed=0.2)))
    np.testing.assert_array_equal(extended.images[: len(before)], before.images)
    assert len(extended) - len(before) == 9 + 18


def test_fit_network_twice_with_the_same_seed_gives_the_same_weights(digits, tmp_path):
    weights = []
    for _ in range(2):
        network = build_small_network()
        history = fit(network, digits, CONFIG, tmp_path)
        weights.append(network.get_weights())
    for first, second in zip(*weights, strict=True):
        np.testing.assert_array_equal(first, second)
    assert [len(values) for values in history.values()] == [3, 3]


def test_fit_network_with_fewer_digits_than_a_batch_is_refused(digits, tmp_path):
    with pytest.raises(ConfigurationError, match=wording("digits_too_few", num=90, batch_size=100)):
        fit(build_small_network(), digits, replace(CONFIG, batch_size=100), tmp_path)


def test_fit_network_told_to_resume_without_a_checkpoint_is_refused(digits, tmp_path):
    with pytest.raises(CheckpointError, match=wording("checkpoint_missing", path=tmp_path / "c.weights.h5")):
        fit(build_small_network(), digits, CONFIG, tmp_path, resume=True)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"config": replace(CONFIG, seed=43)}, "config"),
        ({"digits": "other"}, "data_sha256"),
    ],
)
def test_fit_network_told_to_resume_another_run_is_refused(digits, tmp_path, change, named):
    fit(build_small_network(), digits, CONFIG, tmp_path)
    others = replace(digits, sha256="1" * 64) if "digits" in change else digits
    with pytest.raises(CheckpointError, match=wording("checkpoint_of_another_run", names=named)):
        fit(build_small_network(), others, change.get("config", CONFIG), tmp_path, resume=True)


def test_fit_network_told_to_resume_from_a_broken_checkpoint_is_refused(digits, tmp_path):
    (tmp_path / "c.weights.h5").write_bytes(b"half a file")
    with pytest.raises(CheckpointError, match=wording("checkpoint_not_whole", path=tmp_path / "c.weights.h5")):
        fit(build_small_network(), digits, CONFIG, tmp_path, resume=True)


def test_recompute_statistics_sets_mean_and_variance_of_the_undistorted_digits(digits):
    network = build_small_network()
    recompute_statistics(network, digits, CONFIG)
    normalisation = network.layers[2]
    batch = make_batch(digits.images).reshape(90, -1)
    np.testing.assert_allclose(normalisation.moving_mean, batch.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(normalisation.moving_variance, batch.var(axis=0), rtol=1e-3)
    assert normalisation.momentum == 0.99


@pytest.mark.parametrize("name", ["epochs", "batch_size", "learning_rate", "temperature"])
def test_training_config_with_a_setting_that_is_not_positive_is_refused(name):
    with pytest.raises(ConfigurationError, match=wording("setting_not_positive", name=name, value=0)):
        TrainingConfig(**{name: 0})


@pytest.mark.parametrize(
    ("name", "value"), [("finishing_fraction", 1.0), ("finishing_fraction", -0.1), ("warmup_fraction", 2.0)]
)
def test_training_config_with_a_schedule_that_does_not_fit_is_refused(name, value):
    with pytest.raises(ConfigurationError, match=wording("setting_not_a_share", name=name, value=value)):
        TrainingConfig(**{name: value})


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_training_config_with_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(ConfigurationError, match=wording("seed_out_of_range", seed=seed)):
        TrainingConfig(seed=seed)
