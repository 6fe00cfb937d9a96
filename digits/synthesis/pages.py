"""Make up pages with digits on them: the page network learns to find them.

A page shows lines, cells of a form, digits anywhere, one line that fills it, or none. Words, rulings, blots and other
marks stand beside them. The page lies on a desk or fills the picture, in any light.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from digits.synthesis.centre_lines import find_centre_lines
from digits.synthesis.page_marks import blot, print_words, put_stops, rule, scribble, write_words
from digits.synthesis.page_photo import photograph
from digits.synthesis.page_sheet import PAGE_SIDE, SCALE, Segments, Sheet, draw_view, to_level

MAX_DIGITS = 80
"""The most digits of a page."""
INK_STRIDE = 2
"""Pixels of the page that one of the ink's map stands for, each way."""
_THINNED_AT_ONCE = 16  # Digits.
_INK_LEVEL = 40  # Of the 255 levels; more of a map's pixel is ink.
_SMALLEST, _LARGEST = 11.0, 110.0  # Heights of digits, in pixels.
_LAYOUTS = {"lines": 0.34, "cells": 0.25, "scattered": 0.17, "one line": 0.17, "none": 0.07}


@dataclass(frozen=True)
class PageExamples:
    """Pages, and where the digits are.

    Attributes:
        images: uint8 `(n, 256, 256)`, luminance.
        ink: bool `(n, 128, 128)`, where there is ink of digits.
        digits: float32 `(n, 80, 5)`: the middle's x and y, the width and the height along the line, all in pixels, and
            the label; rows of zeros and the label -1 follow.
    """

    images: NDArray[np.uint8]
    ink: NDArray[np.bool_]
    digits: NDArray[np.float32]


@dataclass(frozen=True)
class Hand:
    """How the digits of a page are written; `pen` is a share of the height, `level` the ink of 255."""

    slant: float
    stretch: float
    pen: float
    level: int
    unevenness: float
    random: np.random.Generator

    def form(self, segments: Segments) -> Segments:
        """Return a digit's centre line 1 high, its middle at 0, in this hand."""
        middle = (segments.max(axis=(0, 1)) + segments.min(axis=(0, 1))) / 2
        height, width = np.ptp(segments[..., 1]), np.ptp(segments[..., 0])
        formed: Segments = (segments - middle) / max(height, 0.45 * width, 1.0)
        formed[..., 0] *= self.stretch * np.exp(self.random.normal(0, 0.07))
        formed[..., 0] -= (self.slant + self.random.normal(0, 0.05)) * formed[..., 1]
        return formed


class Writer:
    """Writes digits that are drawn from all of a set."""

    def __init__(self, images: NDArray[np.uint8], labels: NDArray[np.int64], random: np.random.Generator) -> None:
        self._images, self._labels = images, labels
        self._chosen = random.integers(len(images), size=MAX_DIGITS)
        self._lines: list[Segments] = []
        self._num_used = 0

    @property
    def is_tired(self) -> bool:
        """Whether a page of the most digits is written."""
        return self._num_used == MAX_DIGITS

    def take(self) -> tuple[Segments, int]:
        """Return the next digit's centre line and label."""
        if self._num_used == len(self._lines):
            chosen = self._chosen[self._num_used : self._num_used + _THINNED_AT_ONCE]
            self._lines += find_centre_lines(self._images[chosen])
        self._num_used += 1
        return self._lines[self._num_used - 1], int(self._labels[self._chosen[self._num_used - 1]])


def compose_pages(
    images: NDArray[np.uint8], labels: NDArray[np.int64], indices: Sequence[int] | NDArray[np.int64], seed: int
) -> PageExamples:
    """Make up pages.

    Args:
        images: uint8 `(m, 28, 28)`, digits in MNIST's form.
        labels: int64 `(m,)`.
        indices: The numbers of the pages; seed and number decide what a page looks like.
        seed: The same seed gives the same pages.
    """
    num, side = len(indices), PAGE_SIDE // INK_STRIDE
    pages = PageExamples(
        np.zeros((num, PAGE_SIDE, PAGE_SIDE), np.uint8),
        np.zeros((num, side, side), bool),
        np.zeros((num, MAX_DIGITS, 5), np.float32),
    )
    pages.digits[..., 4] = -1
    for place, index in enumerate(indices):
        random = np.random.default_rng([seed, int(index)])
        is_on_desk = bool(random.random() < 0.3)
        sheet = Sheet(draw_view(random, is_on_desk))
        _fill(sheet, Writer(images, labels, random), random)
        pages.images[place] = photograph(sheet, random, is_on_desk)
        pages.ink[place] = np.asarray(sheet.digits.reduce(SCALE * INK_STRIDE)) > _INK_LEVEL
        written = sheet.written[:MAX_DIGITS]
        pages.digits[place, : len(written)] = np.array(written, np.float32).reshape(-1, 5)
    return pages


def _fill(sheet: Sheet, writer: Writer, random: np.random.Generator) -> None:
    """Write digits and marks."""
    layout = str(random.choice(list(_LAYOUTS), p=list(_LAYOUTS.values())))
    height = float(np.exp(random.uniform(np.log(_SMALLEST), np.log(_LARGEST))))
    hand = _choose_hand(random)
    if layout == "lines":
        height = min(height, 70)
        _write_lines(sheet, writer, hand, height, random)
    elif layout == "cells":
        height = min(height, 80)
        _write_cells(sheet, writer, hand, height, random)
    elif layout == "scattered":
        _scatter(sheet, writer, random)
    elif layout == "one line":
        height = random.uniform(30, 170)
        top = random.uniform(height * 0.52, max(PAGE_SIDE - height * 0.52, height * 0.53))
        _write_line(sheet, writer, hand, height, random.uniform(-0.1, 0.3) * height, top, random)
    if layout != "cells" and random.random() < 0.25:
        put_stops(sheet, random, height, hand.pen * height, hand.level)
    if random.random() < 0.25:
        rule(sheet, random)
    if random.random() < 0.22:
        print_words(sheet, random)
    if random.random() < (0.8 if layout == "none" else 0.2):
        write_words(sheet, random, float(np.clip(height * random.uniform(0.5, 1.3), 9, 90)))
    for _ in range(int(random.choice([0, 1, 3], p=[0.85, 0.1, 0.05]))):
        scribble(sheet, random)
    if random.random() < 0.2:
        blot(sheet, random)


def _choose_hand(random: np.random.Generator) -> Hand:
    return Hand(
        slant=random.normal(0.05, 0.15),
        stretch=float(np.exp(random.normal(0, 0.2))),
        pen=float(np.exp(random.uniform(np.log(0.012), np.log(0.2)))),
        level=to_level(random.uniform(0.75, 1)),
        unevenness=random.uniform(0.02, 0.12) if random.random() < 0.8 else random.uniform(0.1, 0.3),
        random=random,
    )


def _write_lines(sheet: Sheet, writer: Writer, hand: Hand, height: float, random: np.random.Generator) -> None:
    """Write lines one below the other, left-aligned or not, in one or two columns."""
    pitch = height * random.uniform(1.15, 2.6)
    top = random.uniform(0.6, 2) * height
    left = random.uniform(0.2, 2.5) * height
    while top < PAGE_SIDE and not writer.is_tired:
        indent = left if random.random() < 0.7 else random.uniform(0.2, 0.6 * PAGE_SIDE)
        if random.random() < 0.95:
            _write_line(sheet, writer, hand, height, indent, top, random)
        top += pitch * (1 + random.normal(0, 0.06))


def _write_line(
    sheet: Sheet, writer: Writer, hand: Hand, height: float, left: float, middle: float, random: np.random.Generator
) -> None:
    """Write one line, whose digits touch, stand close or far apart."""
    gap = height * random.choice(
        [random.uniform(-0.18, 0.1), random.uniform(0.1, 0.5), random.uniform(0.5, 2.5)], p=[0.2, 0.5, 0.3]
    )
    slope, num = random.normal(0, 0.02), int(random.integers(1, 12))
    for _ in range(num):
        if writer.is_tired:
            return
        segments, label = writer.take()
        formed = hand.form(segments)
        size = height * (1 + random.normal(0, hand.unevenness))
        width = size * float(np.ptp(formed[..., 0])) + hand.pen * height
        where = np.array([left + width / 2, middle + slope * left + height * random.normal(0, 0.05)])
        if where[0] > 1.3 * PAGE_SIDE:
            return
        sheet.write(formed, label, where, size, hand.pen * height, hand.level)
        left += width + max(gap + height * random.normal(0, 0.06), -0.2 * height)
        if random.random() < 0.06:
            left += height * random.uniform(0.5, 3)


def _write_cells(sheet: Sheet, writer: Writer, hand: Hand, height: float, random: np.random.Generator) -> None:
    """Write digits into rows of cells, which share their sides or stand apart; some stay empty."""
    across, down = height * random.uniform(1.0, 2.2), height * random.uniform(1.15, 2.0)
    apart = height * random.uniform(0.1, 0.6) if random.random() < 0.3 else 0.0
    between = random.choice([0.0, height * random.uniform(0.2, 2)])
    pen, level = random.uniform(0.6, 3.5), to_level(random.uniform(0.3, 1))
    num_columns, num_rows = int(random.integers(1, 13)), int(random.integers(1, 7))
    left0, top = random.uniform(0.1, 1) * height, random.uniform(0.1, 2) * height
    empty_share = random.choice([0.0, 0.1, 0.5])
    for _ in range(num_rows):
        for column in range(num_columns):
            left = left0 + column * (across + apart)
            right, bottom = left + across, top + down
            if left > 1.2 * PAGE_SIDE or top > 1.2 * PAGE_SIDE:
                break
            sheet.mark([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)], pen, level)
            if random.random() < empty_share or writer.is_tired:
                continue
            segments, label = writer.take()
            formed = hand.form(segments)
            size = min(height * (1 + random.normal(0, hand.unevenness)), 1.05 * down)
            size = min(size, across * 1.05 / max(float(np.ptp(formed[..., 0])), 0.1))
            room = np.array([across - size * float(np.ptp(formed[..., 0])), down - size]) / 2
            where = np.array([left + across / 2, top + down / 2]) + room * random.normal(0, 0.35, 2).clip(-1, 1)
            sheet.write(formed, label, where, size, hand.pen * height, hand.level)
        top += down + between


def _scatter(sheet: Sheet, writer: Writer, random: np.random.Generator) -> None:
    """Write digits of several sizes and pens anywhere."""
    for _ in range(int(random.integers(1, 22))):
        height = float(np.exp(random.uniform(np.log(_SMALLEST), np.log(_LARGEST))))
        hand = _choose_hand(random)
        segments, label = writer.take()
        formed = hand.form(segments)
        where = random.uniform(0, PAGE_SIDE, 2)
        reach = height * np.ptp(formed, axis=(0, 1)) / 2 + 0.12 * height + 2
        if sheet.is_free(*(where - reach), *(where + reach)):
            sheet.write(formed, label, where, height, hand.pen * height, hand.level)
