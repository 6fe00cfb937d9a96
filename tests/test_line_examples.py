"""Made-up lines: what stands there is what is said to stand there."""

from pathlib import Path

import numpy as np
import pytest

from digits.dataset import LabelledImages
from digits.line_examples import LINE_WIDTH, MAX_DIGITS, LineExamples, compose_lines
from digits.line_images import LINE_HEIGHT, make_line_batch
from digits.line_reading import load_line_reader
from digits.line_training import score_lines
from digits.negatives import draw_any_glyphs

ROOT = Path(__file__).resolve().parents[1]


def compose(digits: LabelledImages, num: int, seed: int = 1) -> LineExamples:
    foreign = draw_any_glyphs("letters", 50, np.random.default_rng(0))
    return compose_lines(digits.images, digits.labels, foreign, range(num), seed)


@pytest.fixture(scope="module")
def lines(small_digits: LabelledImages) -> LineExamples:
    return compose(small_digits, 300)


def test_compose_lines_shapes_and_padding(lines: LineExamples) -> None:
    assert (lines.images.shape, lines.images.dtype) == ((300, LINE_HEIGHT, LINE_WIDTH), np.uint8)
    assert lines.labels.shape == (300, MAX_DIGITS)
    is_digit = lines.labels >= 0
    assert (np.sort(is_digit, axis=1)[:, ::-1] == is_digit).all()


def test_compose_lines_same_seed_same_lines(lines: LineExamples, small_digits: LabelledImages) -> None:
    again = compose(small_digits, 40)
    np.testing.assert_array_equal(again.images, lines.images[:40])
    np.testing.assert_array_equal(again.labels, lines.labels[:40])


def test_compose_lines_other_seed_other_lines(lines: LineExamples, small_digits: LabelledImages) -> None:
    assert (compose(small_digits, 40, seed=2).labels != lines.labels[:40]).any()


def test_compose_lines_hold_every_digit_and_some_hold_none(lines: LineExamples) -> None:
    assert set(range(10)) < set(lines.labels.ravel().tolist())
    num_empty = int((lines.labels < 0).all(axis=1).sum())
    assert 5 <= num_empty <= 40


def test_compose_lines_are_legible(lines: LineExamples) -> None:
    """The shipped network never saw these lines, though it knows the digits on them."""
    reader = load_line_reader(ROOT / "models" / "lines.h5")
    assert score_lines(reader.compute, make_line_batch(lines.images), lines.list_numbers()) > 0.8
