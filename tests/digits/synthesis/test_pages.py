"""Made-up pages: where digits are said to stand, their ink is."""

import numpy as np
import pytest

from digits.data.dataset import LabelledImages
from digits.synthesis.centre_lines import find_centre_lines
from digits.synthesis.page_sheet import PAGE_SIDE
from digits.synthesis.pages import INK_STRIDE, MAX_DIGITS, PageExamples, compose_pages


@pytest.fixture(scope="module")
def pages(small_digits: LabelledImages) -> PageExamples:
    return compose_pages(small_digits.images, small_digits.labels, range(40), 1)


def test_compose_pages_shapes_and_padding(pages: PageExamples) -> None:
    side = PAGE_SIDE // INK_STRIDE
    assert (pages.images.shape, pages.images.dtype) == ((40, PAGE_SIDE, PAGE_SIDE), np.uint8)
    assert (pages.ink.shape, pages.ink.dtype) == ((40, side, side), bool)
    assert pages.digits.shape == (40, MAX_DIGITS, 5)
    is_digit = pages.digits[..., 4] >= 0
    assert (np.sort(is_digit, axis=1)[:, ::-1] == is_digit).all()
    assert is_digit.sum() > 200


def test_compose_pages_same_number_same_page(pages: PageExamples, small_digits: LabelledImages) -> None:
    again = compose_pages(small_digits.images, small_digits.labels, [7, 30], 1)
    np.testing.assert_array_equal(again.images, pages.images[[7, 30]])
    np.testing.assert_array_equal(again.digits, pages.digits[[7, 30]])


def test_compose_pages_other_seed_other_pages(pages: PageExamples, small_digits: LabelledImages) -> None:
    assert (compose_pages(small_digits.images, small_digits.labels, [7], 2).images != pages.images[7]).any()


def test_compose_pages_has_ink_where_digits_are_and_nowhere_else(pages: PageExamples) -> None:
    for ink, digits in zip(pages.ink, pages.digits, strict=True):
        is_near = np.zeros_like(ink)
        for x, y, width, height, _ in digits[digits[:, 4] >= 0]:
            # The sizes are along the line, which may be turned in the picture.
            reach = np.hypot(width, height) / 2 + 3
            window = np.s_[
                max(int((y - reach) / INK_STRIDE), 0) : int((y + reach) / INK_STRIDE) + 1,
                max(int((x - reach) / INK_STRIDE), 0) : int((x + reach) / INK_STRIDE) + 1,
            ]
            assert ink[window].any()
            is_near[window] = True
        assert not (ink & ~is_near).any()


def test_find_centre_lines_stay_inside_the_ink(small_digits: LabelledImages) -> None:
    images = small_digits.images[:50]
    for image, segments in zip(images, find_centre_lines(images), strict=True):
        assert len(segments) > 5
        columns, rows = np.floor(segments.reshape(-1, 2)).astype(int).clip(0, 27).T
        assert (image[rows, columns] > 40).mean() > 0.95


def test_find_centre_lines_span_the_digit(small_digits: LabelledImages) -> None:
    images = small_digits.images[:50]
    for image, segments in zip(images, find_centre_lines(images), strict=True):
        rows = np.flatnonzero((image > 110).any(axis=1))
        assert np.ptp(segments[..., 1]) > 0.6 * (rows[-1] - rows[0])
