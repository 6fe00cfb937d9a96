import csv
import gzip
import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from digits.data.dataset import LabelledImages, read_images, read_labelled_images
from digits.data.images import PIXEL_NAMES
from digits.errors import DatasetError
from tests.wordings import wording

Rows = list[list[str]]


@pytest.fixture
def rows(small_csv: Path) -> Rows:
    """The header and five real digits, as cells."""
    with small_csv.open(newline="") as file:
        return list(csv.reader(file))[:6]


def format_rows(rows: Rows, line_end: str = "\n") -> str:
    return "".join(",".join(row) + line_end for row in rows)


def expect_refusal(path: Path, content: bytes, kind: str, **parts: object) -> None:
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=wording(kind, **parts)) as caught:
        read_labelled_images(path)
    assert str(caught.value).startswith(str(path))


def test_read_labelled_images_kaggle_layout(small_digits: LabelledImages, small_csv: Path) -> None:
    assert small_digits.images.shape == (200, 28, 28)
    assert small_digits.images.dtype == np.uint8
    assert small_digits.labels.dtype == np.int64
    assert small_digits.labels[:8].tolist() == [5, 0, 4, 1, 9, 2, 1, 3]
    assert small_digits.sha256 == hashlib.sha256(small_csv.read_bytes()).hexdigest()


def test_read_labelled_images_agrees_with_numpy(small_digits: LabelledImages, small_csv: Path) -> None:
    expected = np.loadtxt(small_csv, dtype=np.int64, delimiter=",", skiprows=1)
    np.testing.assert_array_equal(small_digits.labels, expected[:, 0])
    np.testing.assert_array_equal(small_digits.images, expected[:, 1:].reshape(-1, 28, 28))


def test_read_labelled_images_can_be_written_to(small_csv: Path) -> None:
    digits = read_labelled_images(small_csv)
    digits.images[0, 0, 0] = 1
    assert read_images(small_csv).flags.writeable


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda text: text.encode(), id="as it is"),
        pytest.param(lambda text: gzip.compress(text.encode()), id="gzip"),
        pytest.param(lambda text: text.replace("\n", "\r\n").encode(), id="Windows line ends"),
        pytest.param(lambda text: text.encode("utf-8-sig"), id="byte order mark, as Excel writes"),
        pytest.param(lambda text: text.rstrip("\n").encode(), id="no last line end"),
        pytest.param(lambda text: (text + "\n\n").encode(), id="empty lines at the end"),
        pytest.param(lambda text: re.sub(r"([^,\n]+)", r'"\1"', text).encode(), id="quoted cells"),
        pytest.param(lambda text: text.replace(",0", ",0.0").encode(), id="whole numbers as decimals"),
        pytest.param(lambda text: text.replace(",", ", ").encode(), id="spaces"),
    ],
)
@pytest.mark.parametrize("name", ["train.csv", "train.csv.gz"])
def test_read_labelled_images_harmless_variant(
    small_digits: LabelledImages, rows: Rows, tmp_path: Path, name: str, edit: Callable[[str], bytes]
) -> None:
    path = tmp_path / name
    path.write_bytes(edit(format_rows(rows)))
    digits = read_labelled_images(path)
    np.testing.assert_array_equal(digits.images, small_digits.images[:5])
    np.testing.assert_array_equal(digits.labels, small_digits.labels[:5])


def test_read_labelled_images_columns_out_of_order(small_digits: LabelledImages, rows: Rows, tmp_path: Path) -> None:
    order = np.random.default_rng(0).permutation(785)
    path = tmp_path / "shuffled.csv"
    path.write_text(format_rows([[row[column] for column in order] for row in rows]))
    digits = read_labelled_images(path)
    np.testing.assert_array_equal(digits.images, small_digits.images[:5])
    np.testing.assert_array_equal(digits.labels, small_digits.labels[:5])


@pytest.mark.parametrize(
    ("text", "received"),
    [
        ("five", "'five'"),
        ("", "an empty cell"),
        (" ", "an empty cell"),
        ("NaN", "'NaN'"),
        ("inf", "'inf'"),
        ("256", "'256'"),
        ("-1", "'-1'"),
        ("1.5", "'1.5'"),
        ("1_0", "'1_0'"),
        ("0x10", "'0x10'"),
        ("٣", "'٣'"),
        ("True", "'True'"),
        ("False", "'False'"),
        ("9" * 400, f"'{'9' * 40}...'"),
        ("1e400", "'1e400'"),
        ("\0", r"'\x00'"),
        ("'; import os", '"\'; import os"'),
    ],
)
def test_read_labelled_images_bad_pixel(rows: Rows, tmp_path: Path, text: str, received: str) -> None:
    rows[3][1 + 56] = text
    parts = {"row": 3, "line": 4, "column": "pixel56", "received": received, "limit": 255}
    expect_refusal(tmp_path / "train.csv", format_rows(rows).encode(), "cell", **parts)


@pytest.mark.parametrize("text", ["True", "False"])
def test_read_labelled_images_whole_column_of_booleans(rows: Rows, tmp_path: Path, text: str) -> None:
    for row in rows[1:]:
        row[1] = text
    parts = {"row": 1, "line": 2, "column": "pixel0", "received": f"'{text}'", "limit": 255}
    expect_refusal(tmp_path / "train.csv", format_rows(rows).encode(), "cell", **parts)


@pytest.mark.parametrize(
    ("text", "received"),
    [("10", "'10'"), ("", "an empty cell"), ("255", "'255'"), ("3.5", "'3.5'"), ("10.0", "'10.0'")],
)
def test_read_labelled_images_bad_label(rows: Rows, tmp_path: Path, text: str, received: str) -> None:
    rows[5][0] = text
    parts = {"row": 5, "line": 6, "column": "label", "received": received, "limit": 9}
    expect_refusal(tmp_path / "train.csv", format_rows(rows).encode(), "cell", **parts)


def test_read_labelled_images_first_bad_cell_is_named(rows: Rows, tmp_path: Path) -> None:
    rows[4][2], rows[2][9], rows[2][7] = "x", "y", "z"
    parts = {"row": 2, "line": 3, "column": "pixel6", "received": "'z'"}
    expect_refusal(tmp_path / "train.csv", format_rows(rows).encode(), "cell", **parts)


def test_read_labelled_images_empty_line_keeps_the_line_number_right(rows: Rows, tmp_path: Path) -> None:
    rows[3][1] = "x"
    content = format_rows(rows).replace("\n", "\n\n", 1).encode()
    expect_refusal(tmp_path / "train.csv", content, "cell", row=3, line=5, column="pixel0")


@pytest.mark.parametrize("row", [1, 2, 5])
@pytest.mark.parametrize(
    ("edit", "num_cells"),
    [(lambda cells: [*cells, "0"], 786), (lambda cells: cells[:-1], 784), (lambda cells: ["7"], 1)],
)
def test_read_labelled_images_row_of_another_length(
    rows: Rows, tmp_path: Path, row: int, edit: Callable[[list[str]], list[str]], num_cells: int
) -> None:
    rows[row] = edit(rows[row])
    parts = {"row": row, "line": row + 1, "num": num_cells, "expected": 785}
    expect_refusal(tmp_path / "train.csv", format_rows(rows).encode(), "row_length", **parts)


def test_read_labelled_images_every_row_a_cell_too_long(rows: Rows, tmp_path: Path) -> None:
    """As a file with an index column but no name for it: the labels must not slip under another name."""
    rows[1:] = [[str(index), *row] for index, row in enumerate(rows[1:])]
    expect_refusal(tmp_path / "train.csv", format_rows(rows).encode(), "row_length", num=786, expected=785)


def without(*names: str) -> Callable[[Rows], Rows]:
    def remove(rows: Rows) -> Rows:
        kept = [column for column, name in enumerate(rows[0]) if name not in names]
        return [[row[column] for column in kept] for row in rows]

    return remove


@pytest.mark.parametrize(
    ("edit", "num", "faults"),
    [
        (without("label"), 784, "missing: label"),
        (without("pixel12"), 784, "missing: pixel12"),
        (without(*PIXEL_NAMES[5:]), 6, "missing: pixel5, pixel6, pixel7, pixel8, pixel9 and 774 more"),
        (lambda rows: [[*row, row[0]] for row in rows], 786, "repeated: label"),
        (
            lambda rows: [["Id" if name == "pixel3" else name for name in rows[0]]],
            785,
            "missing: pixel3; unknown: Id",
        ),
        (lambda rows: [["", *row] for row in rows], 786, "unknown: '' (a column without a name)"),
        (lambda rows: rows[1:], 785, re.compile("missing: label, pixel0, .*")),
        (lambda rows: [[";".join(row)] for row in rows], 1, re.compile(r".*; unknown: label;pixel0;.{0,27}\.\.\.")),
    ],
    ids=["no label", "783 pixels", "five pixels", "label twice", "another name", "an index", "no header", "semicolons"],
)
def test_read_labelled_images_bad_header(
    rows: Rows, tmp_path: Path, edit: Callable[[Rows], Rows], num: int, faults: object
) -> None:
    parts = {"num": num, "expected": "label, pixel0 ... pixel783 (785)", "faults": faults}
    expect_refusal(tmp_path / "train.csv", format_rows(edit(rows)).encode(), "table_header", **parts)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "table_empty"),
        (b"\n\n", "table_empty"),
        (gzip.compress(b""), "table_empty"),
        ((",".join(["label", *PIXEL_NAMES]) + "\n").encode(), "table_without_rows"),
        (b"PK\x03\x04\x14\x00\xe5\xf1", "dataset_not_text"),
        ("label,pixel0\n1,2\n".encode("utf-16"), "dataset_not_text"),
        (b'label,"pixel0\n' * 20_000, "table_not_cells"),
    ],
    ids=["empty", "empty lines", "empty .gz", "header only", "zip", "UTF-16", "quote never closed"],
)
@pytest.mark.parametrize("name", ["train.csv", "train.csv.gz"])
def test_read_labelled_images_not_a_table(tmp_path: Path, name: str, content: bytes, kind: str) -> None:
    expect_refusal(tmp_path / name, content, kind)


def test_read_labelled_images_quote_never_closed_names_the_line(rows: Rows, tmp_path: Path) -> None:
    rows[4][1] = '"0'
    expect_refusal(tmp_path / "train.csv", format_rows(rows).encode(), "table_not_cells", line=re.compile(r"\d+"))


@pytest.mark.parametrize("kept", [2, 9, 15, 200, -9, -1])
def test_read_labelled_images_truncated_gzip(rows: Rows, tmp_path: Path, kept: int) -> None:
    content = gzip.compress(format_rows(rows).encode())[:kept]
    expect_refusal(tmp_path / "train.csv.gz", content, "dataset_compressed")


def test_read_labelled_images_damaged_gzip(rows: Rows, tmp_path: Path) -> None:
    content = bytearray(gzip.compress(format_rows(rows).encode()))
    content[-6] ^= 0xFF  # In the checksum: every cell still reads well.
    expect_refusal(tmp_path / "train.csv.gz", bytes(content), "dataset_compressed")


@pytest.mark.parametrize("cell", ["0.0117", ".5", "1.17e-2"])
def test_read_labelled_images_scaled_greys_are_to_be_scaled_back(rows: Rows, tmp_path: Path, cell: str) -> None:
    rows[1][5] = cell
    parts = {"row": 1, "line": 2, "column": "pixel4", "received": f"'{cell}'"}
    expect_refusal(tmp_path / "train.csv", format_rows(rows).encode(), "cell_scaled", **parts)


def test_read_labelled_images_cut_in_the_middle_of_a_row(rows: Rows, tmp_path: Path) -> None:
    content = format_rows(rows).encode()[:-300]
    expect_refusal(tmp_path / "train.csv", content, "row_length", row=5, line=6, expected=785)


def test_read_labelled_images_no_such_file(tmp_path: Path) -> None:
    path = tmp_path / "absent.csv"
    with pytest.raises(DatasetError, match=wording("dataset_missing", path=path)):
        read_labelled_images(path)


def test_read_labelled_images_folder(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=wording("dataset_unreadable", path=tmp_path)):
        read_labelled_images(tmp_path)


def test_read_images_without_labels(small_digits: LabelledImages, rows: Rows, tmp_path: Path) -> None:
    path = tmp_path / "test.csv"
    path.write_text(format_rows([row[1:] for row in rows]))
    np.testing.assert_array_equal(read_images(path), small_digits.images[:5])


def test_read_images_label_column_is_ignored(small_digits: LabelledImages, rows: Rows, tmp_path: Path) -> None:
    rows[2][0] = "unknown"
    path = tmp_path / "test.csv"
    path.write_text(format_rows(rows))
    np.testing.assert_array_equal(read_images(path), small_digits.images[:5])
