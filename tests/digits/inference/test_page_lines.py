"""Digits are grouped into the lines in which a person reads them."""

import numpy as np
import pytest

from digits.inference.page_detector import FoundDigits
from digits.inference.page_lines import group_lines

HEIGHT = 40.0


def place(points: list[tuple[float, float]], heights: list[float] | None = None) -> FoundDigits:
    num = len(points)
    sizes = np.array([[0.6 * height, height] for height in heights or [HEIGHT] * num]).reshape(num, 2)
    return FoundDigits(np.array(points, float).reshape(num, 2), sizes, np.ones(num), np.full((num, 10), 0.1))


def turn(points: list[tuple[float, float]], degrees: float) -> list[tuple[float, float]]:
    angle = np.deg2rad(degrees)
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return [(float(x), float(y)) for x, y in np.array(points) @ matrix]


def write_rows(num_rows: int, num_columns: int, step: float, pitch: float) -> list[tuple[float, float]]:
    return [(step * column, pitch * row) for row in range(num_rows) for column in range(num_columns)]


def test_group_lines_of_nothing() -> None:
    assert group_lines(place([])) == []


@pytest.mark.parametrize("degrees", [-30, -15, -5, 0, 5, 15, 30])
def test_group_lines_of_a_sloping_page(degrees: int) -> None:
    found = place(turn(write_rows(4, 6, 35, 70), degrees))
    assert group_lines(found) == [list(range(6 * row, 6 * row + 6)) for row in range(4)]


def test_group_lines_whatever_the_order_in_which_digits_were_found() -> None:
    points = write_rows(3, 5, 35, 70)
    order = np.random.default_rng(1).permutation(15)
    grouped = group_lines(place([points[index] for index in order]))
    assert [order[line].tolist() for line in grouped] == [list(range(5 * row, 5 * row + 5)) for row in range(3)]


def test_group_lines_of_digits_further_apart_than_the_lines() -> None:
    found = place(write_rows(3, 4, 110, 65))
    assert group_lines(found) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


def test_group_lines_of_two_columns_left_before_right() -> None:
    left, right = write_rows(2, 3, 30, 70), [(x + 600, y) for x, y in write_rows(2, 3, 30, 70)]
    assert group_lines(place(left + right)) == [[0, 1, 2], [6, 7, 8], [3, 4, 5], [9, 10, 11]]


def test_group_lines_keeps_a_large_gap_inside_of_a_line() -> None:
    assert group_lines(place([(0, 0), (30, 2), (60, 0), (180, 1), (210, 0)])) == [[0, 1, 2, 3, 4]]


def test_group_lines_parts_a_title_from_small_print() -> None:
    found = place([(0, 0), (90, 0), (180, 0), (0, 90), (20, 90), (40, 90)], [110, 110, 110, 22, 22, 22])
    assert group_lines(found) == [[0, 1, 2], [3, 4, 5]]
