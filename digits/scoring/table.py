"""Tables in Kaggle's layout, plain or compressed, cut into blocks of rows that Arrow parses in bulk.

Arrow reads a block in half of the time that the csv module takes. It reports one error for a whole block, and accepts
a little more. So a block that it refuses is read once more row by row, with the errors of `data.kaggle_csv`.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

import numpy as np
import pyarrow
import pyarrow.csv
from numpy.typing import NDArray

from digits.data.images import NUM_PIXELS, PIXEL_NAMES
from digits.data.kaggle_csv import RowParser
from digits.errors import TableError
from digits.scoring.pieces import Fault, Piece, Rows, name_rows

CODE = "invalid_csv"
_MAX_LINE_BYTES = 64 * 2**10  # 785 cells of three digits have 3 kB.
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # Excel begins a UTF-8 file with it.
_EMPTY_LINES = (b"\n", b"\r\n")


@dataclass(frozen=True)
class Block:
    """Consecutive lines of a table.

    Attributes:
        header: The cells of the table's first line.
        text: The lines, with their ends.
        num_rows: How many of the lines are rows; empty lines are not.
        first_row: The first row's number, from 1 without the header.
        first_line: The first line's number, from 1.
    """

    header: Sequence[str]
    text: bytes
    num_rows: int
    first_row: int
    first_line: int

    def parse(self) -> tuple[NDArray[np.integer], NDArray[np.uint8], list[TableError]]:
        """Read the rows.

        Returns:
            The numbers of the rows that are images, `(n,)`; their pixels, uint8 `(n, 784)`, 0-255; and an error for
            each of the other rows.
        """
        pixels = _parse_in_bulk(self)
        if pixels is None:
            return self._parse_row_by_row()
        return np.arange(self.first_row, self.first_row + len(pixels)), pixels, []

    def _parse_row_by_row(self) -> tuple[NDArray[np.integer], NDArray[np.uint8], list[TableError]]:
        parser = RowParser(self.header, PIXEL_NAMES)
        row, numbers, pixels, errors = self.first_row - 1, [], bytearray(), []
        for line, text in enumerate(BytesIO(self.text), start=self.first_line):
            if text in _EMPTY_LINES:
                continue
            row += 1
            try:
                cells = _split_line(text)
                pixels += parser.parse(cells, row, line)
                numbers.append(row)
            except csv.Error as error:
                message = f"the line cannot be split into cells ({error})"
                errors.append(TableError(message, hint="mend or remove it", row=row, line=line))
            except TableError as error:
                errors.append(error)
        return np.array(numbers, int), np.frombuffer(bytes(pixels), np.uint8).reshape(-1, NUM_PIXELS), errors


@dataclass(frozen=True)
class TablePiece(Piece):
    """A block that is parsed by whoever reads the piece.

    Attributes:
        block: The rows.
        prefix: What stands before a row's number in its id; None for nothing.
    """

    block: Block
    prefix: str | None

    def read(self) -> Rows:
        """Parse the block."""
        numbers, pixels, errors = self.block.parse()
        wrong = name_rows(self.prefix, (error.row or 0 for error in errors))
        faults = [Fault(one, CODE, str(error)) for one, error in zip(wrong, errors, strict=True)]
        return Rows(name_rows(self.prefix, numbers.tolist()), pixels, faults)


def cut_table(file: BinaryIO, rows_at_once: int) -> Iterator[Block]:
    """Cut a table into blocks.

    Args:
        file: The table's bytes, unpacked.
        rows_at_once: A block has so many rows; the last one may have fewer.

    Raises:
        TableError: If the header is wrong, no row follows, or a line is too long.
        UnicodeDecodeError: If the header is no UTF-8 text.
        OSError: If the file ends in the middle of its compressed bytes.
    """
    lines = _number_lines(file)
    line, text = next(((line, text) for line, text in lines if text not in _EMPTY_LINES), (0, b""))
    parser = RowParser(_split_line(text.removeprefix(_BYTE_ORDER_MARK), errors="strict"), PIXEL_NAMES)
    first_row, first_line, kept, num_rows = 1, line + 1, [], 0
    try:
        for line, text in lines:
            kept.append(text)
            num_rows += text not in _EMPTY_LINES
            if num_rows == rows_at_once:
                yield Block(parser.header, b"".join(kept), num_rows, first_row, first_line)
                first_row, first_line, kept, num_rows = first_row + num_rows, line + 1, [], 0
    except (TableError, OSError):
        # The rows before the place where the file breaks are good.
        if num_rows:
            yield Block(parser.header, b"".join(kept), num_rows, first_row, first_line)
        raise
    if num_rows:
        yield Block(parser.header, b"".join(kept), num_rows, first_row, first_line)
    elif first_row == 1:
        raise TableError("received a header without rows, expected one row a digit", hint="add rows")


def _number_lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    number = 0
    while text := file.readline(_MAX_LINE_BYTES):
        number += 1
        if len(text) == _MAX_LINE_BYTES:
            raise TableError(
                f"line {number} has {_MAX_LINE_BYTES:,} bytes or more, expected 785 cells at most",
                hint="save the table with an end of line after each row",
            )
        yield number, text


def _split_line(text: bytes, errors: str = "replace") -> list[str]:
    return next(csv.reader([text.decode("utf-8", errors)], strict=True), [])


def _parse_in_bulk(block: Block) -> NDArray[np.uint8] | None:
    """Return uint8 `(n, 784)`, or None if any row needs a closer look."""
    # Arrow reads 0x1F as 31.
    if b"x" in block.text or b"X" in block.text:
        return None
    try:
        table = pyarrow.csv.read_csv(
            pyarrow.BufferReader(block.text),
            read_options=pyarrow.csv.ReadOptions(
                column_names=block.header, use_threads=False, block_size=len(block.text) + 1
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=PIXEL_NAMES,
                column_types=dict.fromkeys(PIXEL_NAMES, pyarrow.uint8()),
                null_values=[],
            ),
        )
    except pyarrow.ArrowInvalid:
        return None
    if table.num_rows != block.num_rows:
        return None
    pixels = np.empty((table.num_rows, NUM_PIXELS), np.uint8)
    for index, column in enumerate(table.itercolumns()):
        pixels[:, index] = column.to_numpy()
    return pixels
