"""From what the line network answers at each step to digits, and to how probable a single digit is."""

from itertools import product

import numpy as np

from digits.inference.ctc import BLANK, decode, measure_single_digits


def test_decode_takes_each_run_for_one_digit() -> None:
    answers = [BLANK, 3, 3, 3, BLANK, 3, 5, BLANK]
    probabilities = np.full((len(answers), 11), 0.01, np.float32)
    probabilities[np.arange(len(answers)), answers] = 0.9
    steps, found = decode(probabilities)
    assert found.argmax(axis=1).tolist() == [3, 3, 5]
    assert steps == [2, 5, 6]


def test_decode_nothing() -> None:
    probabilities = np.zeros((4, 11), np.float32)
    probabilities[:, BLANK] = 1
    steps, found = decode(probabilities)
    assert (steps, found.shape) == ([], (0, 10))


def test_measure_single_digits_adds_up_every_way_to_say_it() -> None:
    says = np.random.default_rng(1).dirichlet(np.ones(BLANK + 1), (2, 4)).astype(np.float32)
    expected = np.zeros((2, BLANK))
    for way in product(range(BLANK + 1), repeat=4):
        # What repeats is one digit, and what is none falls away.
        said = [one for one, before in zip(way, (BLANK, *way[:-1]), strict=True) if one not in (BLANK, before)]
        if len(said) == 1:
            expected[:, said[0]] += says[:, np.arange(4), way].prod(axis=1)
    np.testing.assert_allclose(measure_single_digits(says), expected, rtol=1e-5)
