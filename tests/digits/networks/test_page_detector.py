"""What the page network is taught, and that the served network's numbers can be read."""

import numpy as np
import tensorflow as tf

from digits.inference.page_detector import find_marks, measure_ink
from digits.networks.page_detector import add_page_probabilities, build_page_network, draw_targets, measure_page_loss
from digits.preprocessing.page_map import CENTRE, CLASSES, INK, NUM_CHANNELS, SIZES

DIGITS = np.zeros((80, 5), np.float32)
DIGITS[:, 4] = -1
DIGITS[0] = 70, 30, 20, 40, 3
DIGITS[1] = 101, 33, 8, 36, 1


def draw(digits: np.ndarray = DIGITS) -> np.ndarray:
    ink = np.zeros((128, 128), bool)
    ink[14, 35] = ink[15, 36] = True
    return draw_targets(tf.constant(digits), tf.constant(ink)).numpy()


def answer(target: np.ndarray) -> np.ndarray:
    """Return what a network that has learnt the target by heart would tell."""
    seen = np.zeros((*target.shape[:2], NUM_CHANNELS), np.float32)
    seen[..., CENTRE], seen[..., SIZES], seen[..., INK] = target[..., :1], target[..., 1:3], target[..., 3:7]
    labels = target[..., 7].clip(0).astype(int)
    seen[..., CLASSES] = np.eye(10, dtype=np.float32)[labels]
    return seen


def test_targets_are_read_as_what_was_written() -> None:
    found = find_marks(answer(draw()))
    order = np.argsort(found.middles[:, 0])
    np.testing.assert_allclose(found.middles[order], DIGITS[:2, :2], atol=2)
    np.testing.assert_allclose(found.sizes[order], DIGITS[:2, 2:4], rtol=1e-3)
    assert found.probabilities[order].argmax(axis=1).tolist() == [3, 1]


def test_targets_hold_the_ink_in_its_place() -> None:
    assert np.argwhere(measure_ink(answer(draw()))).tolist() == [[14, 35], [15, 36]]


def test_targets_of_an_empty_page_have_no_mark() -> None:
    empty = np.zeros((80, 5), np.float32)
    empty[:, 4] = -1
    target = draw(empty)
    assert target[..., 0].max() == 0
    assert target[..., 8].max() == 0


def test_loss_is_least_for_the_right_answer() -> None:
    target = draw()
    seen = answer(target)
    scores = np.concatenate([np.log(seen.clip(1e-4, 1 - 1e-4) / (1 - seen).clip(1e-4, 1)), seen[..., :0]], -1)
    right = measure_page_loss(target[None], scores[None])
    for channels in (CENTRE, SIZES, INK, CLASSES):
        wrong = scores.copy()
        wrong[..., channels] = np.roll(scores[..., channels], 9, axis=1)
        assert float(measure_page_loss(target[None], wrong[None])[0]) > float(right[0]) + 0.01


def test_served_network_tells_shares() -> None:
    served = add_page_probabilities(build_page_network())
    seen = served.predict(np.random.default_rng(0).random((1, 64, 96, 1), np.float32), verbose=0)
    assert seen.shape == (1, 16, 24, NUM_CHANNELS)
    assert 0 <= seen.min() <= seen.max() <= 1
    np.testing.assert_allclose(seen[..., CLASSES].sum(axis=-1), 1, atol=1e-5)
