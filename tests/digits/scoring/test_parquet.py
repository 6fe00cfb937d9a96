"""Parquet with pixels in any of their forms, and with image files."""

from io import BytesIO

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from digits.errors import ScoringError
from digits.scoring.parquet import cut_parquet
from digits.scoring.pieces import Pictures, Rows

IMAGES = np.arange(5 * 784, dtype=np.uint32).reshape(5, 784).astype(np.uint8)


def pack(**columns: object) -> BytesIO:
    file = BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), file, row_group_size=2)
    return file


def read(file: BytesIO, prefix: str | None = None) -> list[Rows | Pictures]:
    return [content for content, _ in cut_parquet(file, 2, 2, prefix)]


def encode(level: int) -> bytes:
    file = BytesIO()
    Image.new("L", (28, 28), level).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    "kind",
    [
        pyarrow.list_(pyarrow.uint8()),
        pyarrow.list_(pyarrow.int64()),
        pyarrow.large_list(pyarrow.int16()),
        pyarrow.list_(pyarrow.uint8(), 784),
        pyarrow.binary(),
        pyarrow.large_binary(),
        pyarrow.binary(784),
    ],
    ids=str,
)
def test_cut_parquet_pixels_of_any_form(kind: pyarrow.DataType) -> None:
    is_bytes = "binary" in str(kind)
    values = [image.tobytes() if is_bytes else image.tolist() for image in IMAGES]
    pieces = read(pack(pixels=pyarrow.array(values, kind), label=[1, 2, 3, 4, 5]))
    assert [one for piece in pieces for one in piece.ids] == [1, 2, 3, 4, 5]
    assert (np.concatenate([piece.images for piece in pieces]) == IMAGES).all()
    assert all(piece.images.dtype == np.uint8 for piece in pieces)


def test_cut_parquet_pieces_have_the_same_number_of_rows_whatever_is_unpacked_at_once() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2_500, 784), np.uint8)
    column = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(images.ravel()), 784)
    file = BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"pixels": column}), file, row_group_size=900)
    pieces = [content for content, _ in cut_parquet(file, 1_100, 1, None)]
    assert [len(piece.images) for piece in pieces] == [1_100, 1_100, 300]
    assert [one for piece in pieces for one in piece.ids] == list(range(1, 2_501))
    assert (np.concatenate([piece.images for piece in pieces]) == images).all()


def test_cut_parquet_bad_rows_are_named_and_the_others_are_read() -> None:
    good = IMAGES[0].tolist()
    values = [good, None, good[:-1], [*good[:-1], 256], [-1, *good[1:]], [None, *good[1:]], good]
    pieces = read(pack(pixels=pyarrow.array(values, pyarrow.list_(pyarrow.int32()))), "a.parquet")
    assert [one for piece in pieces for one in piece.ids] == ["a.parquet:1", "a.parquet:7"]
    assert [(fault.id, fault.code) for piece in pieces for fault in piece.faults] == [
        ("a.parquet:2", "wrong_length"),
        ("a.parquet:3", "wrong_length"),
        ("a.parquet:4", "pixel_out_of_range"),
        ("a.parquet:5", "pixel_out_of_range"),
        ("a.parquet:6", "wrong_length"),
    ]


@pytest.mark.parametrize("in_a_struct", [False, True])
def test_cut_parquet_pictures_in_bytes_or_a_struct(in_a_struct: bool) -> None:
    encoded = [encode(0), None, encode(255)]
    column = [{"bytes": one, "path": "x.png"} for one in encoded] if in_a_struct else encoded
    pieces = read(pack(image=pyarrow.array(column)))
    assert [one for piece in pieces for one in piece.encoded] == [encoded[0], encoded[2]]
    assert [one for piece in pieces for one in piece.ids] == [1, 3]
    assert [(fault.id, fault.code) for piece in pieces for fault in piece.faults] == [(2, "missing_image")]


@pytest.mark.parametrize("in_a_struct", [False, True])
def test_cut_parquet_pictures_of_several_row_groups_make_whole_pieces(in_a_struct: bool) -> None:
    """The Hugging Face hub's files have a hundred pictures in a row group."""
    encoded = [encode(level) for level in (0, 0, 50, 100, 50, 150, 0)]
    file = pack(image=pyarrow.array([{"bytes": one, "path": "x.png"} for one in encoded] if in_a_struct else encoded))
    pieces = [content for content, _ in cut_parquet(file, 1, 3, None)]
    assert [list(piece.encoded) for piece in pieces] == [encoded[:3], encoded[3:6], encoded[6:]]


@pytest.mark.parametrize(
    "columns", [{"a": [1]}, {"pixels": [["1"]]}, {"pixels": [[0.5]]}, {"image": ["x.png"], "b": [1]}]
)
def test_cut_parquet_without_a_column_to_read_names_what_there_is(columns: dict[str, list]) -> None:
    if columns.get("image"):
        columns["image"] = [1]
    with pytest.raises(ScoringError, match="expected a column `pixels` of 784 integers"):
        read(pack(**columns))


def test_cut_parquet_more_pixels_than_rows_can_hold_is_refused_before_reading() -> None:
    with pytest.raises(ScoringError, match="Received 1,600 pixels in 2 rows"):
        read(pack(pixels=pyarrow.array([[0] * 800] * 2, pyarrow.list_(pyarrow.uint8()))))


def test_cut_parquet_of_other_bytes_is_refused() -> None:
    with pytest.raises(ScoringError, match="cannot be read"):
        read(BytesIO(b"PAR1" + bytes(100)))
