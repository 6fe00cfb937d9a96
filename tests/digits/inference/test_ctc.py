"""From what the line network answers at each step to digits, and to how probable a single digit is."""

from itertools import product

import numpy as np

from digits.inference.ctc import NO_DIGIT, decode, measure_single_digits


def test_decode_takes_each_run_for_one_digit() -> None:
    answers = [NO_DIGIT, 3, 3, 3, NO_DIGIT, 3, 5, NO_DIGIT]
    probabilities = np.full((len(answers), 11), 0.01, np.float32)
    probabilities[np.arange(len(answers)), answers] = 0.9
    steps, found = decode(probabilities)
    assert found.argmax(axis=1).tolist() == [3, 3, 5]
    assert steps == [2, 5, 6]


def test_decode_nothing() -> None:
    probabilities = np.zeros((4, 11), np.float32)
    probabilities[:, NO_DIGIT] = 1
    steps, found = decode(probabilities)
    assert (steps, found.shape) == ([], (0, 10))


def test_measure_single_digits_adds_up_every_way_to_say_it() -> None:
    says = np.random.default_rng(1).dirichlet(np.ones(NO_DIGIT + 1), (2, 4)).astype(np.float32)
    expected = np.zeros((2, NO_DIGIT))
    for way in product(range(NO_DIGIT + 1), repeat=4):
        # What repeats is one digit, and what is none falls away.
        said = [one for one, before in zip(way, (NO_DIGIT, *way[:-1]), strict=True) if one not in (NO_DIGIT, before)]
        if len(said) == 1:
            expected[:, said[0]] += says[:, np.arange(4), way].prod(axis=1)
    np.testing.assert_allclose(measure_single_digits(says), expected, rtol=1e-5)
