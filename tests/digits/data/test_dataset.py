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
from digits.errors import ConfigurationError, DatasetError
from digits.training.split import hold_out

Rows = list[list[str]]


@pytest.fixture
def rows(small_csv: Path) -> Rows:
    """The header and five real digits, as cells."""
    with small_csv.open(newline="") as file:
        return list(csv.reader(file))[:6]


def format_rows(rows: Rows, line_end: str = "\n") -> str:
    return "".join(",".join(row) + line_end for row in rows)


def expect_refusal(path: Path, content: bytes, message: str) -> None:
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=message) as caught:
        read_labelled_images(path)
    assert str(path) in str(caught.value)


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
    message = re.escape(f"row 3 (line 4), column pixel56: received {received}, expected an integer 0-255; mend")
    expect_refusal(tmp_path / "train.csv", format_rows(rows).encode(), message)


@pytest.mark.parametrize("text", ["True", "False"])
def test_read_labelled_images_whole_column_of_booleans(rows: Rows, tmp_path: Path, text: str) -> None:
    for row in rows[1:]:
        row[1] = text
    message = rf"row 1 \(line 2\), column pixel0: received '{text}'"
    expect_refusal(tmp_path / "train.csv", format_rows(rows).encode(), message)


@pytest.mark.parametrize(
    ("text", "received"),
    [("10", "'10'"), ("", "an empty cell"), ("255", "'255'"), ("3.5", "'3.5'"), ("10.0", "'10.0'")],
)
def test_read_labelled_images_bad_label(rows: Rows, tmp_path: Path, text: str, received: str) -> None:
    rows[5][0] = text
    message = re.escape(f"row 5 (line 6), column label: received {received}, expected an integer 0-9; mend")
    expect_refusal(tmp_path / "train.csv", format_rows(rows).encode(), message)


def test_read_labelled_images_first_bad_cell_is_named(rows: Rows, tmp_path: Path) -> None:
    rows[4][2], rows[2][9], rows[2][7] = "x", "y", "z"
    expect_refusal(tmp_path / "train.csv", format_rows(rows).encode(), r"row 2 \(line 3\), column pixel6: received 'z'")


def test_read_labelled_images_empty_line_keeps_the_line_number_right(rows: Rows, tmp_path: Path) -> None:
    rows[3][1] = "x"
    content = format_rows(rows).replace("\n", "\n\n", 1).encode()
    expect_refusal(tmp_path / "train.csv", content, r"row 3 \(line 5\), column pixel0")


@pytest.mark.parametrize("row", [1, 2, 5])
@pytest.mark.parametrize(
    ("edit", "num_cells"),
    [(lambda cells: [*cells, "0"], 786), (lambda cells: cells[:-1], 784), (lambda cells: ["7"], 1)],
)
def test_read_labelled_images_row_of_another_length(
    rows: Rows, tmp_path: Path, row: int, edit: Callable[[list[str]], list[str]], num_cells: int
) -> None:
    rows[row] = edit(rows[row])
    message = rf"row {row} \(line {row + 1}\): received {num_cells} cells, expected 785, one for each column; mend"
    expect_refusal(tmp_path / "train.csv", format_rows(rows).encode(), message)


def test_read_labelled_images_every_row_a_cell_too_long(rows: Rows, tmp_path: Path) -> None:
    """As a file with an index column but no name for it: the labels must not slip under another name."""
    rows[1:] = [[str(index), *row] for index, row in enumerate(rows[1:])]
    expect_refusal(tmp_path / "train.csv", format_rows(rows).encode(), "received 786 cells, expected 785")


def without(*names: str) -> Callable[[Rows], Rows]:
    def remove(rows: Rows) -> Rows:
        kept = [column for column, name in enumerate(rows[0]) if name not in names]
        return [[row[column] for column in kept] for row in rows]

    return remove


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (without("label"), "received 784 columns, expected label, pixel0 ... pixel783 (785); missing: label"),
        (without("pixel12"), "received 784 columns, .*missing: pixel12"),
        (
            without(*PIXEL_NAMES[5:]),
            "missing: pixel5, pixel6, pixel7, pixel8, pixel9 and 774 more",
        ),
        (lambda rows: [[*row, row[0]] for row in rows], "received 786 columns, .*repeated: label"),
        (lambda rows: [["Id" if name == "pixel3" else name for name in rows[0]]], "missing: pixel3; unknown: Id"),
        (lambda rows: [["", *row] for row in rows], r"received 786 columns, .*unknown: '' \(a column without a name\)"),
        (lambda rows: rows[1:], "missing: label, pixel0.*the first line must name the columns, separated by commas"),
        (lambda rows: [[";".join(row)] for row in rows], r"received 1 columns.*unknown: label;pixel0.{0,40}\.\.\."),
    ],
    ids=["no label", "783 pixels", "five pixels", "label twice", "another name", "an index", "no header", "semicolons"],
)
def test_read_labelled_images_bad_header(
    rows: Rows, tmp_path: Path, edit: Callable[[Rows], Rows], message: str
) -> None:
    pattern = message.replace("(785)", r"\(785\)")
    expect_refusal(tmp_path / "train.csv", format_rows(edit(rows)).encode(), pattern)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "received an empty file, expected a header and one row a digit"),
        (b"\n\n", "received an empty file"),
        (gzip.compress(b""), "received an empty file"),
        ((",".join(["label", *PIXEL_NAMES]) + "\n").encode(), "received a header without rows"),
        (b"PK\x03\x04\x14\x00\xe5\xf1", "received bytes that are not UTF-8 text"),
        ("label,pixel0\n1,2\n".encode("utf-16"), "received bytes that are not UTF-8 text"),
        (b'label,"pixel0\n' * 20_000, "cannot be split into cells"),
    ],
    ids=["empty", "empty lines", "empty .gz", "header only", "zip", "UTF-16", "quote never closed"],
)
@pytest.mark.parametrize("name", ["train.csv", "train.csv.gz"])
def test_read_labelled_images_not_a_table(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    expect_refusal(tmp_path / name, content, message)


def test_read_labelled_images_quote_never_closed_names_the_line(rows: Rows, tmp_path: Path) -> None:
    rows[4][1] = '"0'
    expect_refusal(tmp_path / "train.csv", format_rows(rows).encode(), r"line \d+ cannot be split into cells")


@pytest.mark.parametrize("kept", [2, 9, 15, 200, -9, -1])
def test_read_labelled_images_truncated_gzip(rows: Rows, tmp_path: Path, kept: int) -> None:
    content = gzip.compress(format_rows(rows).encode())[:kept]
    expect_refusal(tmp_path / "train.csv.gz", content, "the compressed file is truncated or broken .*again")


def test_read_labelled_images_damaged_gzip(rows: Rows, tmp_path: Path) -> None:
    content = bytearray(gzip.compress(format_rows(rows).encode()))
    content[-6] ^= 0xFF  # In the checksum: every cell still reads well.
    expect_refusal(tmp_path / "train.csv.gz", bytes(content), "the compressed file is truncated or broken")


@pytest.mark.parametrize("cell", ["0.0117", ".5", "1.17e-2"])
def test_read_labelled_images_scaled_greys_are_to_be_scaled_back(rows: Rows, tmp_path: Path, cell: str) -> None:
    rows[1][5] = cell
    expect_refusal(tmp_path / "train.csv", format_rows(rows).encode(), "expected an integer 0-255; scale grey levels")


def test_read_labelled_images_cut_in_the_middle_of_a_row(rows: Rows, tmp_path: Path) -> None:
    content = format_rows(rows).encode()[:-300]
    expect_refusal(tmp_path / "train.csv", content, r"row 5 \(line 6\): received \d+ cells, expected 785")


def test_read_labelled_images_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"absent\.csv: no such file; check the path"):
        read_labelled_images(tmp_path / "absent.csv")


def test_read_labelled_images_folder(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cannot be read as a file"):
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


def test_hold_out_keeps_the_labels_in_proportion() -> None:
    labels = np.repeat(np.arange(10), 10)
    digits = LabelledImages(np.zeros((100, 28, 28), np.uint8), labels, "")
    kept, held_out = hold_out(digits)
    assert np.bincount(kept.labels).tolist() == [8] * 10
    assert np.bincount(held_out.labels).tolist() == [2] * 10


def test_hold_out_shares_no_digit_and_loses_none() -> None:
    """Each image carries its own number, so that the two parts can be told apart."""
    numbers = np.arange(200, dtype=np.uint8)
    digits = LabelledImages(np.tile(numbers[:, None, None], (1, 28, 28)), np.tile(np.arange(10), 20), "")
    kept, held_out = hold_out(digits)
    assert sorted([*kept.images[:, 0, 0], *held_out.images[:, 0, 0]]) == numbers.tolist()
    np.testing.assert_array_equal(kept.labels, kept.images[:, 0, 0] % 10)


def test_hold_out_is_the_same_each_time(small_digits: LabelledImages) -> None:
    np.testing.assert_array_equal(hold_out(small_digits)[1].images, hold_out(small_digits)[1].images)


def test_hold_out_too_few_of_a_label(small_digits: LabelledImages) -> None:
    with pytest.raises(DatasetError, match=r"Received 5 digits .*expected enough of each to hold out 20%"):
        hold_out(small_digits.take(slice(5)))


@pytest.mark.parametrize("fraction", [0, 1, 1.5, -0.1, float("nan")])
def test_hold_out_of_an_impossible_share_is_refused(small_digits, fraction):
    with pytest.raises(ConfigurationError, match="expected a share between 0 and 1"):
        hold_out(small_digits, fraction)
