"""Made-up lines: what stands there is what is said to stand there."""

import numpy as np
import pytest
from numpy.typing import NDArray

from digits.data.dataset import LabelledImages
from digits.inference.line_reader import load_line_reader
from digits.preprocessing.line_image import LINE_HEIGHT, make_line_batch
from digits.synthesis.lines import LINE_WIDTH, MAX_DIGITS, LineExamples, compose_lines
from digits.synthesis.negatives import draw_any_glyphs
from digits.training.line_recogniser import score_lines
from tests.conftest import ROOT


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


def test_compose_lines_most_are_written_with_one_pen() -> None:
    bars = np.zeros((40, 28, 28), np.uint8)
    bars[:20, 4:24, 13:15] = bars[20:, 4:24, 10:18] = 255
    composed = compose_lines(bars, np.tile(np.arange(10), 4), bars[:1], range(300), seed=1)
    pens = [measure_strokes(image) for image in composed.images]
    uneven = [pen.max() > 2 * pen.min() for pen in pens if len(pen) > 2]
    assert len(uneven) > 100
    assert np.mean(uneven) < 0.65  # 0.8 with a pen for each digit; paper adds strokes of its own.


def measure_strokes(image: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return how wide each stroke is that the middle row crosses."""
    crossed = np.flatnonzero(np.diff(image[LINE_HEIGHT * 2 // 3] > 128, prepend=False, append=False))
    return crossed[1::2] - crossed[::2]
