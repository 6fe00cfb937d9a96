"""Kaggle's tables cut into blocks: Arrow's reading and the csv module's are one."""

import gzip
from io import BytesIO

import numpy as np
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digits.data.dataset import LabelledImages
from digits.data.images import PIXEL_NAMES
from digits.data.kaggle_csv import read_rows
from digits.errors import TableError
from digits.scoring.storage import locate, open_plain
from digits.scoring.table import Block, cut_table

HEADER = ",".join(PIXEL_NAMES)
ROW = ",".join(["0"] * 784)


def make_row(**cells: str) -> str:
    return ",".join(cells.get(name, "0") for name in PIXEL_NAMES)


def parse(text: str, rows_at_once: int = 2) -> tuple[list[int], np.ndarray, list[TableError]]:
    numbers, pixels, errors = [], [np.empty((0, 784), np.uint8)], []
    for block in cut_table(BytesIO(text.encode()), rows_at_once):
        some_numbers, some_pixels, some_errors = block.parse()
        numbers += some_numbers.tolist()
        pixels.append(some_pixels)
        errors += some_errors
    return numbers, np.concatenate(pixels), errors


def test_cut_table_gives_the_digits_of_the_training_reader(small_csv, small_digits: LabelledImages) -> None:
    numbers, pixels, errors = parse(small_csv.read_text(), 64)
    assert numbers == list(range(1, 201))
    assert (pixels == small_digits.images.reshape(-1, 784)).all()
    assert errors == []


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lambda raw: pyarrow.compress(raw, "zstd", asbytes=True)])
def test_cut_table_packed_under_any_name(tmp_path, small_csv, pack) -> None:
    path = tmp_path / "digits.csv"
    path.write_bytes(pack(small_csv.read_bytes()))
    with open_plain(locate(str(path))) as (plain, _):
        assert [block.num_rows for block in cut_table(plain, 128)] == [128, 72]


def test_cut_table_bad_rows_are_named_and_the_others_are_read() -> None:
    lines = [HEADER, ROW, "", make_row(pixel5="300"), ROW, "1,2", make_row(pixel7=""), '"' + ROW, ROW]
    numbers, pixels, errors = parse("\n".join(lines) + "\n")
    assert numbers == [1, 3, 7]
    assert len(pixels) == 3
    assert [(error.row, error.line, error.column) for error in errors] == [
        (2, 4, "pixel5"),
        (4, 6, None),
        (5, 7, "pixel7"),
        (6, 8, None),
    ]
    assert "received '300', expected an integer 0-255" in str(errors[0])
    assert "received 2 cells, expected 784" in str(errors[1])


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_cut_table_columns_in_any_order_with_labels_and_a_byte_order_mark(ends: str) -> None:
    names = ["label", *reversed(PIXEL_NAMES)]
    row = ["7", *(str(index % 256) for index in reversed(range(784)))]
    numbers, pixels, _ = parse("\ufeff" + ends.join([",".join(names), ",".join(row)]))
    assert numbers == [1]
    assert pixels[0].tolist() == [index % 256 for index in range(784)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "received an empty file"),
        (HEADER + "\n", "received a header without rows"),
        ("a,b\n1,2\n", "received 2 columns"),
        (HEADER + "\n" + "1," * 40_000, "line 2 has 65,536 bytes or more"),
    ],
)
def test_cut_table_unusable_table_is_refused(text: str, message: str) -> None:
    with pytest.raises(TableError, match=message):
        parse(text)


CELLS = st.one_of(
    st.integers(-1, 300).map(str),
    st.sampled_from(
        ["", " 5", "5 ", "007", "5.0", "0.5", "1e2", "0x1F", "+5", "NA", '"5"', '"', "٣", "5;6", "-0", "\x00"]
    ),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(CELLS, min_size=1, max_size=3), min_size=1, max_size=4))
def test_block_parse_accepts_and_refuses_the_cells_that_the_row_reader_does(starts: list[list[str]]) -> None:
    lines = [",".join([*start, *["0"] * (784 - len(start))]) for start in starts]
    block = Block(PIXEL_NAMES, "".join(line + "\n" for line in lines).encode(), len(lines), 1, 2)
    numbers, pixels, errors = block.parse()
    for number, line in enumerate(lines, start=1):
        try:
            (expected,) = read_rows([HEADER + "\n", line + "\n"], PIXEL_NAMES)
        except TableError:
            assert number in [error.row for error in errors]
        else:
            assert bytes(pixels[numbers.tolist().index(number)]) == expected
