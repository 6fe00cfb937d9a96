"""Several digits in one drawing: real digits put together, read by the shipped model."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from digits.data.dataset import LabelledImages
from digits.data.images import make_batch
from digits.errors import ArtifactError
from digits.inference.classifier import Classifier, load_classifier
from digits.inference.line_reader import LineReader, ReadDigit, load_line_reader, read_number
from tests.conftest import ROOT
from tests.wordings import wording

HEIGHT = 140  # Of a digit's 28 pixels, drawn large.


@pytest.fixture(scope="module")
def reader() -> LineReader:
    return load_line_reader(ROOT / "models" / "lines.h5")


def draw_line(images: NDArray[np.uint8], gap: int) -> NDArray[np.uint8]:
    """Put digits side by side on white, their ink `gap` pixels apart."""
    parts = []
    for image in images:
        columns = np.flatnonzero(image.max(axis=0) > 64)
        part = Image.fromarray(image[:, columns[0] : columns[-1] + 1])
        parts += [part.resize((part.width * 5, HEIGHT), Image.Resampling.BICUBIC)]
    width = sum(part.width for part in parts) + gap * (len(parts) - 1)
    ink = np.zeros((2 * HEIGHT, width + HEIGHT), np.uint8)
    left = HEIGHT // 2
    for part in parts:
        window = np.s_[HEIGHT // 2 : HEIGHT // 2 + HEIGHT, left : left + part.width]
        ink[window] = np.maximum(ink[window], np.asarray(part))
        left += part.width + gap
    return 255 - ink


@cache
def load_shipped() -> Classifier:
    return load_classifier(ROOT / "models" / "digits.h5")


def read(reader: LineReader, drawing: NDArray[np.uint8]) -> list[ReadDigit]:
    return read_number(drawing, reader, load_shipped())


def join(found: list[ReadDigit]) -> str:
    return "".join(str(digit.digit) for digit in found)


@pytest.mark.parametrize("num", [2, 4, 6, 8])
def test_read_number_of_ones_close_together(num: int, reader: LineReader) -> None:
    drawing = np.full((300, 500), 255, np.uint8)
    for place in range(num):
        drawing[80:220, 40 + 36 * place : 48 + 36 * place] = 0
    found = read(reader, drawing)
    assert join(found) == "1" * num
    assert [one.box[0] for one in found] == pytest.approx([40 + 36 * place for place in range(num)], abs=4)


@pytest.mark.parametrize("size", [20, 28])
def test_read_number_leaves_out_a_looped_stop(size: int, reader: LineReader, small_digits: LabelledImages) -> None:
    chosen = [5, 6, 7]
    drawing = draw_line(small_digits.images[chosen], gap=60)
    columns = np.flatnonzero((drawing < 128).any(axis=0))
    gap = int(np.flatnonzero(np.diff(columns) > 40)[0])
    middle = int(columns[gap] + columns[gap + 1]) // 2
    bottom = int(np.flatnonzero((drawing < 128).any(axis=1))[-1])
    rows, places = np.indices(drawing.shape)
    distance = np.hypot(rows - bottom + size / 2, places - middle)
    drawing[np.abs(distance - size / 2 + 3) < 3] = 0
    assert join(read(reader, drawing)) == "".join(str(small_digits.labels[one]) for one in chosen)


def draw_in_cell(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Put a digit into a printed box."""
    drawing = draw_line(image[None], 0)[:, 20:-20]
    cell = drawing[HEIGHT // 2 - 20 : HEIGHT + HEIGHT // 2 + 20, 5:-5]
    cell[:4] = cell[-4:] = cell[:, :4] = cell[:, -4:] = 110
    return drawing


@pytest.mark.parametrize("first", [0, 10, 20, 30])
def test_read_number_in_the_cells_of_a_form(first: int, reader: LineReader, small_digits: LabelledImages) -> None:
    chosen = slice(first, first + 4)
    drawing = np.concatenate([draw_in_cell(image) for image in small_digits.images[chosen]], axis=1)
    assert join(read(reader, drawing)) == "".join(map(str, small_digits.labels[chosen]))


@pytest.mark.parametrize("wide", [1, 6])
def test_read_number_in_one_box_along_the_edge(wide: int, reader: LineReader, small_digits: LabelledImages) -> None:
    drawing = draw_line(small_digits.images[:4], gap=25)
    drawing[:wide] = drawing[-wide:] = drawing[:, :wide] = drawing[:, -wide:] = 0
    assert join(read(reader, drawing)) == "".join(map(str, small_digits.labels[:4]))


@pytest.mark.parametrize("first", [0, 4, 10, 15])
def test_read_number_cut_out_between_its_rulings(first: int, reader: LineReader, small_digits: LabelledImages) -> None:
    """The paper beside rulings along the edge was taken for light ink."""
    chosen = slice(first, first + 4)
    line = draw_line(small_digits.images[chosen], gap=25)[50:-50]
    drawing = (120 + (205 - 120) * (line / 255)).astype(np.uint8)
    drawing[:8] = drawing[-8:] = 120
    assert join(read(reader, drawing)) == "".join(map(str, small_digits.labels[chosen]))


@pytest.mark.parametrize("angle", [0, 4])
def test_read_number_on_a_sheet_on_a_desk(angle: int, reader: LineReader, small_digits: LabelledImages) -> None:
    """The desk was taken for paper, and the sheet for ink."""
    sheet = Image.fromarray((60 + 145 * (draw_line(small_digits.images[:4], gap=25) / 255)).astype(np.uint8))
    photo = Image.new("L", (sheet.width + 200, sheet.height + 160), 40)
    photo.paste(sheet, (100, 80))
    seen = np.asarray(photo.rotate(angle, Image.Resampling.BICUBIC, fillcolor=40))
    assert join(read(reader, seen)) == "".join(map(str, small_digits.labels[:4]))


@pytest.mark.parametrize("first", [0, 4, 10, 15, 20, 25, 30, 35])
def test_read_number_spaced_digits(first: int, reader: LineReader, small_digits: LabelledImages) -> None:
    chosen = slice(first, first + 5)
    found = read(reader, draw_line(small_digits.images[chosen], gap=25))
    assert join(found) == "".join(map(str, small_digits.labels[chosen]))


@pytest.mark.parametrize("digit", range(10))
def test_read_number_one_digit_stays_one(digit: int, reader: LineReader, small_digits: LabelledImages) -> None:
    chosen = small_digits.images[small_digits.labels == digit][:4]
    read_alone = [join(read(reader, draw_line(image[None], gap=0))) for image in chosen]
    assert read_alone == [str(digit)] * 4


def test_read_number_parts_most_digits_that_touch(reader: LineReader, small_digits: LabelledImages) -> None:
    pairs = [slice(first, first + 2) for first in range(0, 40, 2)]
    num_right = 0
    for pair in pairs:
        line = draw_line(small_digits.images[pair], gap=-8)
        num_right += join(read(reader, line)) == "".join(map(str, small_digits.labels[pair]))
    assert num_right >= len(pairs) / 2


def test_read_number_boxes_are_where_the_digits_are(reader: LineReader, small_digits: LabelledImages) -> None:
    drawing = draw_line(small_digits.images[:4], gap=30)
    columns = np.flatnonzero(np.diff((drawing < 128).any(axis=0).astype(np.int8)))
    lefts, rights = columns[::2] + 1, columns[1::2] + 1
    boxes = [digit.box for digit in read(reader, drawing)]
    np.testing.assert_allclose([left for left, _, _, _ in boxes], lefts, atol=3)
    np.testing.assert_allclose([left + width for left, _, width, _ in boxes], rights, atol=3)
    for left, top, width, height in boxes:
        rows = np.flatnonzero((drawing[:, left : left + width] < 128).any(axis=1))
        np.testing.assert_allclose([top, top + height], [rows[0], rows[-1] + 1], atol=3)


def test_read_number_cuts_out_digits_that_the_classifier_reads_alike(
    reader: LineReader, small_digits: LabelledImages
) -> None:
    found = read(reader, draw_line(small_digits.images[:6], gap=10))
    alone = load_shipped().predict(make_batch(np.array([digit.image for digit in found])))
    assert alone.argmax(axis=1).tolist() == [digit.digit for digit in found]


def test_read_number_probabilities_sum_to_one(reader: LineReader, small_digits: LabelledImages) -> None:
    for digit in read(reader, draw_line(small_digits.images[:6], gap=-5)):
        assert digit.probabilities.shape == (10,)
        assert digit.probabilities.sum() == pytest.approx(1, abs=1e-5)


def test_read_number_boxes_in_a_large_photo(reader: LineReader, small_digits: LabelledImages) -> None:
    drawing = draw_line(small_digits.images[:3], gap=30)
    boxes = [digit.box for digit in read(reader, drawing)]
    large = read(reader, np.kron(drawing, np.ones((5, 5), np.uint8)))
    assert join(large) == "".join(map(str, small_digits.labels[:3]))
    np.testing.assert_allclose([digit.box for digit in large], 5 * np.array(boxes), atol=25)


def test_read_number_narrow_zeros_are_no_ones(reader: LineReader) -> None:
    rows, columns = np.indices((300, 700))
    rings = [np.abs(np.hypot((rows - 150) / 111, (columns - centre) / 40) - 1) * 40 < 6 for centre in (120, 350, 580)]
    drawing = np.where(np.any(rings, axis=0), 0, 255).astype(np.uint8)
    assert join(read(reader, drawing)) == "000"


def test_read_number_light_on_dark(reader: LineReader, small_digits: LabelledImages) -> None:
    drawing = 255 - draw_line(small_digits.images[:4], gap=25)
    assert join(read(reader, drawing)) == "".join(map(str, small_digits.labels[:4]))


def test_read_number_leaves_out_a_stop(reader: LineReader, small_digits: LabelledImages) -> None:
    drawing = draw_line(small_digits.images[:2], gap=60)
    box = read(reader, drawing)[0].box
    stop = box[0] + box[2] + 20
    drawing[190:205, stop : stop + 15] = 0
    assert join(read(reader, drawing)) == "".join(map(str, small_digits.labels[:2]))


@pytest.mark.parametrize("shape", [(1, 1), (28, 28), (5, 900), (400, 1200)])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_read_number_blank(shape: tuple[int, int], level: int, reader: LineReader) -> None:
    assert read(reader, np.full(shape, level, np.uint8)) == []


def draw_bars(height: int, width: int) -> NDArray[np.uint8]:
    drawing = np.full((height, width), 255, np.uint8)
    drawing[1:-1, 5::9] = drawing[1:-1, 6::9] = 0
    return drawing


@pytest.mark.parametrize("shape", [(14, 1024), (60, 300), (1000, 1000), (3, 4000)])
def test_read_number_boxes_lie_inside_the_drawing(shape: tuple[int, int], reader: LineReader) -> None:
    drawing = draw_bars(*shape)
    for found in read(reader, drawing):
        left, top, width, height = found.box
        assert min(left, top) >= 0
        assert min(width, height) >= 1
        assert (left + width <= shape[1], top + height <= shape[0]) == (True, True)


def test_read_number_many_bars_are_many_digits(reader: LineReader) -> None:
    assert len(read(reader, draw_bars(14, 1024))) > 40


def test_read_number_digit_cut_off_at_the_edge(reader: LineReader, small_digits: LabelledImages) -> None:
    drawing = draw_line(small_digits.images[:3], gap=25)
    cut = np.flatnonzero((drawing < 128).any(axis=0))[-1] - 10
    assert join(read(reader, drawing[:, :cut])).startswith("".join(map(str, small_digits.labels[:2])))


def test_load_line_reader_other_network(artifact_path: Path) -> None:
    expected = {"expected_input": "(n, 32, any, 1)", "expected_output": "(n, any, 11)"}
    with pytest.raises(ArtifactError, match=wording("graph_shape", **expected)):
        load_line_reader(artifact_path)


def test_load_line_reader_missing(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=wording("artifact_missing")):
        load_line_reader(tmp_path / "lines.h5")
