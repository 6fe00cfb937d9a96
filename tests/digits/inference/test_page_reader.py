"""Pages as people photograph them: real digits put onto made-up sheets, read by the shipped models."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from digits.data.dataset import LabelledImages
from digits.errors import ArtifactError
from digits.inference.classifier import load_classifier
from digits.inference.line_reader import load_line_reader
from digits.inference.page_detector import load_page_detector
from digits.inference.page_reader import PageReader, PageReading, read_line, read_page
from digits.synthesis.centre_lines import find_centre_lines
from tests.conftest import ROOT
from tests.service.doubtful import paint_doubtful_line
from tests.wordings import wording

Sheet = NDArray[np.uint8]
SIZE = 60  # Pixels of a digit.
PAPER, INK = 215, 40


@cache
def load_reader() -> PageReader:
    models = ROOT / "models"
    detector, lines = load_page_detector(models / "pages.h5"), load_line_reader(models / "lines.h5")
    return PageReader(detector, lines, load_classifier(models / "digits.h5"))


def read(sheet: Sheet) -> PageReading:
    return read_page(sheet, load_reader())


def list_numbers(sheet: Sheet) -> list[str]:
    return [line.number for line in read(sheet).lines]


def write(
    digits: LabelledImages, rows: list[slice], step: int = 55, pitch: int = 120, left: int = 90, size: int = SIZE
) -> tuple[Sheet, list[str]]:
    """Write a row of digits below the other; returns the sheet and what is written."""
    longest = max(row.stop - row.start for row in rows)
    sheet = Image.new("L", (left * 2 + step * longest, pitch * (len(rows) + 1)), PAPER)
    for place, row in enumerate(rows):
        for index, image in enumerate(digits.images[row]):
            ink = Image.fromarray(image).resize((size * 28 // 20,) * 2, Image.Resampling.BICUBIC)
            middle = left + step * index, pitch * (place + 1)
            sheet.paste(INK, (middle[0] - ink.width // 2, middle[1] - ink.height // 2), ink)
    return np.asarray(sheet), ["".join(map(str, digits.labels[row])) for row in rows]


THREE_ROWS = [slice(0, 5), slice(5, 11), slice(11, 15)]
ONE_ROW = [slice(20, 26)]


def add_blot(sheet: Sheet) -> Sheet:
    blotted = Image.fromarray(sheet)
    ImageDraw.Draw(blotted).ellipse((sheet.shape[1] - 60, 8, sheet.shape[1] - 25, 36), fill=30)
    return np.asarray(blotted)


def add_phone(sheet: Sheet) -> Sheet:
    covered = sheet.copy()
    covered[-35:, sheet.shape[1] // 2 :] = 15
    return covered


def add_shadow(sheet: Sheet) -> Sheet:
    mask = Image.new("L", sheet.shape[::-1], 255)
    ImageDraw.Draw(mask).polygon([(0, 0), (sheet.shape[1] * 0.7, 0), (0, sheet.shape[0])], fill=150)
    return (sheet * (np.asarray(mask.filter(ImageFilter.GaussianBlur(12))) / 255)).astype(np.uint8)


def add_falloff(sheet: Sheet) -> Sheet:
    light = np.linspace(1, 0.3, sheet.shape[1])[None, :] * np.linspace(1, 0.7, sheet.shape[0])[:, None]
    return (sheet * light).astype(np.uint8)


def add_tip(sheet: Sheet) -> Sheet:
    """Show the feet of another line along the upper edge."""
    tipped = Image.fromarray(sheet)
    for left in range(120, 300, 60):
        ImageDraw.Draw(tipped).line((left, -4, left - 4, 12), fill=INK, width=5)
    return np.asarray(tipped)


def put_on_desk(sheet: Sheet) -> Sheet:
    """Lay the sheet on a dark desk, seen aslant."""
    height, width = sheet.shape
    photo = Image.new("L", (width + 240, height + 240), 70)
    photo.paste(Image.fromarray(sheet), (120, 120))
    corners = (-40, -20, -10, photo.height + 60, photo.width + 30, photo.height, photo.width + 50, 10)
    return np.asarray(
        photo.transform(photo.size, Image.Transform.QUAD, corners, Image.Resampling.BICUBIC, fillcolor=70)
    )


@pytest.mark.parametrize("rows", [THREE_ROWS, ONE_ROW], ids=["lines", "line"])
@pytest.mark.parametrize("change", [add_blot, add_phone, add_shadow, add_falloff, add_tip, put_on_desk])
def test_read_page_whatever_else_is_in_the_picture(
    change: Callable[[Sheet], Sheet], rows: list[slice], small_digits: LabelledImages
) -> None:
    sheet, written = write(small_digits, rows)
    assert list_numbers(change(sheet)) == written


@pytest.mark.parametrize("degrees", [-15, -8, -3, 0, 3, 8, 15])
def test_read_page_that_slopes(degrees: int, small_digits: LabelledImages) -> None:
    sheet, written = write(small_digits, THREE_ROWS)
    turned = Image.fromarray(sheet).rotate(-degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=PAPER)
    page = read(np.asarray(turned))
    assert [line.number for line in page.lines] == written
    assert [line.angle for line in page.lines] == pytest.approx([degrees] * 3, abs=3)


@pytest.mark.parametrize("degrees", [0, 2, 5])
@pytest.mark.parametrize("first", [0, 8, 16])
def test_read_page_in_the_cells_of_a_form(first: int, degrees: int, small_digits: LabelledImages) -> None:
    form, written = write_into_cells(small_digits, first, degrees, 3)
    assert list_numbers(form) == written


def test_read_page_takes_no_side_of_a_cell_for_a_one(small_digits: LabelledImages) -> None:
    form, written = write_into_cells(small_digits, 0, 9, 4)
    assert list_numbers(form) == written


def write_into_cells(digits: LabelledImages, first: int, degrees: int, width: int) -> tuple[Sheet, list[str]]:
    """Write eight digits into a row of cells, whose sides are so many pixels wide."""
    sheet, written = write(digits, [slice(first, first + 8)], step=70)
    form = Image.fromarray(sheet)
    for index in range(8):
        ImageDraw.Draw(form).rectangle((55 + 70 * index, 75, 125 + 70 * index, 165), outline=30, width=width)
    return np.asarray(form.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=PAPER)), written


def test_read_page_of_thin_digits_far_apart(small_digits: LabelledImages) -> None:
    chosen = np.flatnonzero(small_digits.labels == 1)[:4]
    sheet = Image.new("L", (900, 260), 190)
    for place, segments in enumerate(find_centre_lines(small_digits.images[chosen])):
        points = segments * 8 + [200 * place + 30, 20]
        for (x0, y0), (x1, y1) in points.tolist():
            ImageDraw.Draw(sheet).line((x0, y0, x1, y1), fill=110, width=3)
    assert list_numbers(np.asarray(sheet)) == ["1111"]


def test_read_page_passes_over_words(small_digits: LabelledImages) -> None:
    sheet, written = write(small_digits, THREE_ROWS)
    labelled = Image.fromarray(sheet)
    for row in range(3):
        ImageDraw.Draw(labelled).text((sheet.shape[1] // 3, 42 + 120 * row), "Name and place:", fill=40, font_size=22)
    assert list_numbers(np.asarray(labelled)) == written


def test_read_page_of_columns_reads_the_left_one_first(small_digits: LabelledImages) -> None:
    left, numbers = write(small_digits, [slice(0, 3), slice(3, 6)])
    right, others = write(small_digits, [slice(6, 9), slice(9, 12)])
    between = np.full((left.shape[0], 250), PAPER, np.uint8)
    expected = [numbers[0], others[0], numbers[1], others[1]]
    assert list_numbers(np.concatenate([left, between, right], axis=1)) == expected


def test_read_page_light_on_dark(small_digits: LabelledImages) -> None:
    sheet, written = write(small_digits, THREE_ROWS)
    assert list_numbers(255 - sheet) == written


def test_read_page_small_digits_on_a_large_photo(small_digits: LabelledImages) -> None:
    sheet, written = write(small_digits, THREE_ROWS, step=38, pitch=80, size=40)
    photo = np.full((2400, 3000), PAPER, np.uint8)
    photo[900 : 900 + sheet.shape[0], 1200 : 1200 + sheet.shape[1]] = sheet
    assert list_numbers(photo) == written


def test_read_page_boxes_are_where_the_digits_are(small_digits: LabelledImages) -> None:
    sheet, _ = write(small_digits, THREE_ROWS)
    for line in read(sheet).lines:
        left, top, width, height = line.box
        assert abs(line.angle) < 2
        for digit in line.digits:
            x, y, wide, high = digit.box
            dark = np.argwhere(sheet[y : y + high, x : x + wide] < 130)
            assert len(dark)
            assert dark.min(axis=0).max() <= 6
            assert left - 6 <= x <= x + wide <= left + width + 6
            assert top - 6 <= y <= y + high <= top + height + 6


@pytest.mark.parametrize(("turns", "orientation"), [(0, 0), (1, 90), (2, 180), (3, 270)])
def test_read_page_that_lies_on_its_side(turns: int, orientation: int, small_digits: LabelledImages) -> None:
    sheet, written = write(small_digits, THREE_ROWS)
    turned = np.ascontiguousarray(np.rot90(sheet, turns))
    page = read(turned)
    assert (page.orientation, [line.number for line in page.lines]) == (orientation, written)
    for digit in page.lines[0].digits:
        x, y, wide, high = digit.box
        assert (turned[y : y + high, x : x + wide] < 130).any()


def test_read_page_accepts_plain_lines(small_digits: LabelledImages) -> None:
    pages = [
        read(write(small_digits, [slice(first, first + 5), slice(first + 5, first + 9)])[0]) for first in (0, 9, 18)
    ]
    accepted = [line.accepted for page in pages for line in page.lines]
    assert len(accepted) == 6
    assert sum(accepted) >= 5


def test_read_line_does_not_accept_a_doubtful_line() -> None:
    (line,) = read_line(np.asarray(paint_doubtful_line()), load_reader()).lines
    assert (len(line.digits), line.accepted) == (3, False)


@pytest.mark.parametrize("shape", [(1, 1), (28, 28), (5, 900), (900, 5), (400, 1200)])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_read_page_blank(shape: tuple[int, int], level: int) -> None:
    page = read(np.full(shape, level, np.uint8))
    assert (page.lines, page.reason, page.orientation) == ([], "blank", 0)


def test_read_page_without_digits() -> None:
    sheet = Image.new("L", (500, 400), PAPER)
    ImageDraw.Draw(sheet).rectangle((60, 80, 440, 320), outline=30, width=6)
    page = read(np.asarray(sheet))
    assert (page.lines, page.reason) == ([], "no_digits")


def test_read_page_too_small(small_digits: LabelledImages) -> None:
    sheet, _ = write(small_digits, THREE_ROWS)
    small = Image.fromarray(sheet).resize((sheet.shape[1] // 10, sheet.shape[0] // 10), Image.Resampling.BOX)
    page = read(np.asarray(small))
    assert (page.lines, page.reason) == ([], "too_small")


def test_read_page_noise_of_any_shape_ends() -> None:
    generator = np.random.default_rng(1)
    for shape in ((3, 4000), (4000, 3), (64, 64), (1000, 1000)):
        read(generator.integers(0, 256, shape).astype(np.uint8))


def test_read_line_takes_everything_for_one_line(small_digits: LabelledImages) -> None:
    sheet, written = write(small_digits, ONE_ROW)
    page = read_line(sheet, load_reader())
    assert [line.number for line in page.lines] == written
    assert page.lines[0].box[2] > 4 * SIZE


def test_load_page_detector_other_network() -> None:
    expected = {"expected_input": "(n, any, any, 1)", "expected_output": "(n, any, any, 17)"}
    with pytest.raises(ArtifactError, match=wording("graph_shape", **expected)):
        load_page_detector(ROOT / "models" / "lines.h5")
