"""Parquet files: images as a column `pixels` of 784 integers, or as image files in a column `image`.

Their rows are unpacked while they are cut, because Parquet packs many thousands of rows together, and nobody can begin
in the middle.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute
import pyarrow.parquet
from numpy.typing import NDArray

from digits.data.images import MAX_PIXEL, NUM_PIXELS
from digits.errors import ScoringError
from digits.scoring.pieces import MAX_PICTURE_BYTES, Fault, Pictures, Rows, name_rows

PIXELS = "pixels"
IMAGE = "image"
_BUFFER_BYTES = 1 << 20
_UNPACKED_AT_ONCE = 512  # Arrow makes 8 bytes of each pixel on the way; of so many rows they fit into the cache.
_MAX_PACKED_BYTES = 2**30  # Of one row group's pictures, which are unpacked together.
_EXPECTED = (
    f"expected a column `{PIXELS}` of {NUM_PIXELS} integers or bytes a row, or a column `{IMAGE}` of image files "
    "(bytes, or a struct with `bytes`)"
)


@dataclass(frozen=True)
class _Column:
    """What to read of a file.

    Attributes:
        name: The path of the column, such as `image.bytes`.
        leaf: Its place in the file's metadata.
        holds_pixels: Whether it has pixels and no image files.
    """

    name: str
    leaf: int
    holds_pixels: bool


def cut_parquet(
    file: Any, rows_at_once: int, pictures_at_once: int, prefix: str | None
) -> Iterator[tuple[Rows | Pictures, float]]:
    """Yield the rows in order, and each time which share of the file has been read, from 0 to 1.

    Args:
        file: The file, opened for reading in binary.
        rows_at_once: So many rows of pixels come at a time.
        pictures_at_once: So many rows of pictures come at a time.
        prefix: What stands before a row's number in its id; None for nothing.

    Raises:
        ScoringError: If the file is broken or has no such column.
    """
    with _explain_arrow_errors():
        # By default a whole row group would be fetched before its first row is read.
        parquet = pyarrow.parquet.ParquetFile(file, buffer_size=_BUFFER_BYTES, pre_buffer=False)
        column = _find_column(parquet)
        if not column.holds_pixels:
            # A picture that is repeated a million times is kept once.
            parquet = pyarrow.parquet.ParquetFile(file, read_dictionary=[column.name], pre_buffer=False)
        _check_sizes(parquet.metadata, column)
        read = _read_pixels if column.holds_pixels else _read_pictures
        at_once, first = rows_at_once if column.holds_pixels else pictures_at_once, 1
        for values in _join(_unpack(parquet, column, min(at_once, _UNPACKED_AT_ONCE)), at_once):
            rows = read(values, prefix, first)
            first += len(values)
            yield rows, (first - 1) / parquet.metadata.num_rows


def holds_pixels(file: Any) -> bool:
    """Tell whether a file has pixels (True) or pictures (False).

    Raises:
        ScoringError: As `cut_parquet`.
    """
    with _explain_arrow_errors():
        return _find_column(pyarrow.parquet.ParquetFile(file)).holds_pixels


@contextmanager
def _explain_arrow_errors() -> Iterator[None]:
    try:
        yield
    except pyarrow.ArrowException as error:
        raise ScoringError(f"Received a Parquet file that cannot be read ({error}), expected a whole one.") from error


def _find_column(parquet: pyarrow.parquet.ParquetFile) -> _Column:
    leaves = [parquet.schema.column(index).path for index in range(len(parquet.schema))]
    schema = parquet.schema_arrow
    if PIXELS in schema.names and _is_pixels(schema.field(PIXELS).type):
        return _Column(PIXELS, next(i for i, leaf in enumerate(leaves) if leaf.split(".")[0] == PIXELS), True)
    if IMAGE in schema.names:
        name = f"{IMAGE}.bytes" if pyarrow.types.is_struct(schema.field(IMAGE).type) else IMAGE
        if name in leaves and parquet.schema.column(leaves.index(name)).physical_type == "BYTE_ARRAY":
            return _Column(name, leaves.index(name), False)
    received = ", ".join(f"{field.name} ({field.type})" for field in list(schema)[:10]) or "no column"
    raise ScoringError(f"Received {received}; {_EXPECTED}. Rename or convert it.")


def _is_pixels(kind: pyarrow.DataType) -> bool:
    types = pyarrow.types
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return bool(types.is_integer(kind.value_type))
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind))


def _check_sizes(metadata: pyarrow.parquet.FileMetaData, column: _Column) -> None:
    """Refuse what would unpack to more than its rows can need."""
    for index in range(metadata.num_row_groups):
        group = metadata.row_group(index)
        chunk = group.column(column.leaf)
        if column.holds_pixels and chunk.num_values > NUM_PIXELS * max(group.num_rows, 1):
            raise ScoringError(
                f"Received {chunk.num_values:,} pixels in {group.num_rows:,} rows, expected {NUM_PIXELS} each. "
                "Bring them to 28x28."
            )
        if not column.holds_pixels and chunk.total_uncompressed_size > _MAX_PACKED_BYTES:
            raise ScoringError(
                f"Received a row group with {chunk.total_uncompressed_size:,} bytes of pictures, expected at most "
                f"{_MAX_PACKED_BYTES:,}. Write the file with smaller row groups."
            )


def _read_pixels(values: pyarrow.Array, prefix: str | None, first: int) -> Rows:
    ids = name_rows(prefix, range(first, first + len(values)))
    lengths, flat = _measure_lists(values)
    is_whole = lengths == NUM_PIXELS
    pixels = flat[np.repeat(is_whole, lengths)] if not is_whole.all() else flat
    pixels = pixels.reshape(-1, NUM_PIXELS)
    is_good = is_whole.copy()
    faults = {
        row: Fault(ids[row], "wrong_length", f"Received {lengths[row]:,} pixels, expected {NUM_PIXELS}. Mend the row.")
        for row in np.flatnonzero(~is_whole).tolist()
    }
    if pixels.dtype != np.uint8:
        is_in_range = ((pixels >= 0) & (pixels <= MAX_PIXEL)).all(axis=1)
        for row, worst in zip(np.flatnonzero(is_whole)[~is_in_range].tolist(), pixels[~is_in_range], strict=True):
            place = int(np.flatnonzero((worst < 0) | (worst > MAX_PIXEL))[0])
            message = f"Received {worst[place]} for pixel{place}, expected an integer 0-{MAX_PIXEL}. Mend the row."
            faults[row] = Fault(ids[row], "pixel_out_of_range", message)
            is_good[row] = False
        pixels = pixels[is_in_range]
    kept = [one for one, good in zip(ids, is_good.tolist(), strict=True) if good]
    return Rows(kept, pixels.astype(np.uint8, copy=False), [faults[row] for row in sorted(faults)])


def _unpack(parquet: pyarrow.parquet.ParquetFile, column: _Column, at_once: int) -> Iterator[pyarrow.Array]:
    for group in range(parquet.num_row_groups):
        # Arrow cannot read pictures in a struct across the border of two row groups.
        for batch in parquet.iter_batches(at_once, row_groups=[group], columns=[column.name], use_threads=False):
            yield batch.column(0)


def _join(arrays: Iterator[pyarrow.Array], at_once: int) -> Iterator[pyarrow.Array]:
    """Yield the values of arrays that have at most so many, `at_once` of them at a time; at the end fewer."""
    waiting, num_waiting = [], 0
    for array in arrays:
        missing = at_once - num_waiting
        waiting.append(array[:missing])
        num_waiting += len(waiting[-1])
        if num_waiting == at_once:
            yield pyarrow.concat_arrays(waiting)
            waiting, num_waiting = [array[missing:]], len(array[missing:])
    if num_waiting:
        yield pyarrow.concat_arrays(waiting)


def _measure_lists(values: pyarrow.Array) -> tuple[NDArray[np.int64], NDArray[np.integer]]:
    """Return how many pixels each row has, 0 for null, int64 `(n,)`; and all pixels, one row after another.

    A row that holds a null among its pixels counts as one without pixels.
    """
    kind = values.type
    if pyarrow.types.is_fixed_size_binary(kind) or pyarrow.types.is_large_binary(kind):
        values = values.cast(pyarrow.binary())
    if pyarrow.types.is_binary(values.type):
        values = values.fill_null(b"")
        offsets = np.frombuffer(values.buffers()[1], np.int32)[values.offset : values.offset + len(values) + 1]
        flat = np.frombuffer(values.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
        return np.diff(offsets).astype(np.int64), flat
    lengths = pyarrow.compute.list_value_length(values).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    elements = values.flatten()
    if elements.null_count:
        owners = np.repeat(np.arange(len(lengths)), lengths)
        is_null = elements.is_null().to_numpy(zero_copy_only=False)
        has_null = np.isin(np.arange(len(lengths)), owners[is_null])
        elements = elements.filter(pyarrow.array(~has_null[owners]))
        lengths[has_null] = 0
    return lengths, elements.to_numpy(zero_copy_only=False)


def _read_pictures(values: pyarrow.Array, prefix: str | None, first: int) -> Pictures:
    if pyarrow.types.is_struct(values.type):
        values = values.field("bytes")
    ids, encoded, kept, faults = name_rows(prefix, range(first, first + len(values))), [], [], []
    for one, value in zip(ids, values, strict=True):
        content = value.as_py()
        if content is None or len(content) > MAX_PICTURE_BYTES:
            received = "no picture" if content is None else f"a picture of {len(content):,} bytes"
            message = f"Received {received}, expected an image file of at most {MAX_PICTURE_BYTES:,} bytes."
            faults.append(Fault(one, "missing_image" if content is None else "file_too_large", message))
        else:
            kept.append(one)
            encoded.append(content)
    return Pictures(kept, encoded, faults)
