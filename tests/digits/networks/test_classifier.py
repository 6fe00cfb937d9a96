"""The network's contract: shapes, names, size, and a temperature that changes no answer."""

import keras
import numpy as np
import pytest

from digits.errors import ConfigurationError
from digits.networks.classifier import build_network, count_multiply_adds, fold_temperature, select_logits
from tests.wordings import wording

SAMPLE = np.random.default_rng(0).random((16, 28, 28, 1), np.float32)


def test_build_network_maps_a_batch_to_probabilities():
    probabilities = build_network().predict(SAMPLE, verbose=0)
    assert probabilities.shape == (16, 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_build_network_after_the_same_seed_gives_the_same_weights():
    networks = []
    for _ in range(2):
        keras.utils.set_random_seed(7)
        networks.append(build_network().get_weights())
    for first, second in zip(*networks, strict=True):
        np.testing.assert_array_equal(first, second)


def test_build_network_stays_small_enough_for_two_cores():
    network = build_network()
    assert network.count_params() <= 330_000
    assert count_multiply_adds(network) <= 8_000_000


def test_build_network_answers_the_same_on_darker_paper():
    network = build_network()
    np.testing.assert_allclose(network.predict(SAMPLE + 0.5, verbose=0), network.predict(SAMPLE, verbose=0), atol=1e-4)


def test_count_multiply_adds_of_known_layers():
    network = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(4, 3, strides=2, padding="same"),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )
    assert count_multiply_adds(network) == 14 * 14 * 4 * 9 + 14 * 14 * 4 * 10


def test_select_logits_shares_the_weights_and_ends_before_the_softmax():
    network = build_network()
    logits = select_logits(network).predict(SAMPLE, verbose=0)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(
        network.predict(SAMPLE, verbose=0), exponentials / exponentials.sum(axis=1, keepdims=True), atol=1e-6
    )


def test_fold_temperature_divides_the_logits():
    network = build_network()
    before = select_logits(network).predict(SAMPLE, verbose=0)
    fold_temperature(network, 2.0)
    np.testing.assert_allclose(select_logits(network).predict(SAMPLE, verbose=0), before / 2, atol=1e-6)


@pytest.mark.parametrize("temperature", [0, -1, float("nan")])
def test_fold_temperature_with_an_impossible_one_is_refused(temperature):
    with pytest.raises(ConfigurationError, match=wording("setting_not_positive", name="temperature")):
        fold_temperature(build_network(), temperature)
