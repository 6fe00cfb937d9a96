"""Tables in Kaggle's digit-recognizer layout: a header that names the columns, then one digit a row.

Columns are read by name, so their order does not matter. Every cell is checked, and an error names row and column.
The csv module reads it, because pandas guesses what a cell means, cuts a row that is too long, and needs three times
the memory for the same time.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from digits.data.images import MAX_PIXEL, NUM_CLASSES, NUM_PIXELS, PIXEL_NAMES
from digits.data.pixel_json import join_names
from digits.errors import PixelError, TableError

LABEL_NAME = "label"
_CHARACTERS_SHOWN = 40  # An error repeats so many characters of a cell at most.
_NAME_COLUMNS = "the first line must name the columns, separated by commas"
_MOST_CELLS = 10_000  # Of a row of a request; a row that is only a little too long gets a better error.
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_VALUE_OF_TEXT = {str(value): value for value in range(MAX_PIXEL + 1)}
_FRACTION = re.compile(r"\s*(?:0?\.[0-9]+|[0-9.]+e-[0-9]+)\s*")
_WHOLE_NUMBER = re.compile(r"\s*0*([0-9]{1,3})(?:\.0*)?\s*")


def read_rows(lines: Iterable[str], names: tuple[str, ...]) -> Iterator[bytes]:
    """Yield the named columns of each row, one byte a cell.

    Args:
        lines: The table's text, line by line, the ends of lines kept.
        names: The columns to read, all of which must be there; beside them only labels and pixels may.

    Raises:
        TableError: If a row or the header is anything else.
    """
    table = csv.reader(lines, strict=True)
    try:
        rows = filter(None, table)  # An empty line, often the last one, is skipped.
        parser = RowParser(next(rows, []), names)
        for number, row in enumerate(rows, start=1):
            yield parser.parse(row, number, table.line_num)
    except csv.Error as error:
        raise TableError(
            f"line {table.line_num} cannot be split into cells ({error})", hint="mend or remove it"
        ) from error


class RowParser:
    """Reads rows of one table, whose header it has checked.

    Attributes:
        header: The columns' names, in the table's order.
        names: The columns to read.
    """

    def __init__(self, header: Sequence[str], names: tuple[str, ...]) -> None:
        """Check the header.

        Args:
            header: The cells of the table's first line.
            names: The columns to read, all of which must be there; beside them only labels and pixels may.

        Raises:
            TableError: If a column is missing, unknown or repeated.
        """
        self.header = [name.strip() for name in header]
        self.names = names
        _check_header(self.header, names)
        self._select = itemgetter(*(self.header.index(name) for name in names))

    def parse(self, cells: Sequence[str], number: int, line: int) -> bytes:
        """Return the named columns of a row, one byte a cell.

        Args:
            cells: The row.
            number: The row's place, counted from 1 without the header.
            line: The line of the file on which the row ends, counted from 1.

        Raises:
            TableError: If the row has too many or too few cells, or one that is no pixel or label.
        """
        if len(cells) != len(self.header):
            raise TableError(
                f"received {len(cells)} cells, expected {len(self.header)}, one for each column",
                hint="mend or remove the row",
                row=number,
                line=line,
            )
        return _parse_row(number, line, self.names, self._select(cells))


def parse_table(text: str) -> NDArray[np.uint8]:
    """Read a table without labels, such as Kaggle's test.csv; a label column is ignored.

    Returns:
        uint8 `(n, 784)`, 0-255.

    Raises:
        PixelError: If it is anything else; names the first wrong pixel, as `images[3].pixel12`.
    """
    try:
        cells = bytearray().join(read_rows(_split_lines(text), PIXEL_NAMES))
    except TableError as error:
        image = None if error.row is None else f"images[{error.row - 1}]"
        raise PixelError(
            f"{_capitalise(error.message)}{f' (line {error.line})' if image else ''}.",
            code="invalid_csv",
            field=".".join(filter(None, (image, error.column))) or None,
            hint=f"{_capitalise(error.hint)}.",
        ) from error
    return np.frombuffer(cells, np.uint8).reshape(-1, NUM_PIXELS)


def _split_lines(text: str) -> Iterator[str]:
    """Yield the lines, with their ends. A list of all lines could take sixty times the memory of the text.

    Raises:
        TableError: If a line has far more cells than a row, before they are made.
    """
    for number, match in enumerate(_LINE.finditer(text), start=1):
        num_cells = match[0].count(",") + 1
        if num_cells > _MOST_CELLS:
            raise TableError(
                f"line {number}: received {num_cells:,} cells, expected {NUM_PIXELS} or {NUM_PIXELS + 1}",
                hint=_NAME_COLUMNS,
            )
        yield match[0]


def _check_header(found: list[str], names: tuple[str, ...]) -> None:
    if not found:
        raise TableError("received an empty file, expected a header and one row a digit", hint=_NAME_COLUMNS)
    counts, allowed = Counter(found), {LABEL_NAME, *PIXEL_NAMES}
    faults = {
        "missing": [name for name in names if name not in counts],
        "unknown": [_shorten(name) or "'' (a column without a name)" for name in found if name not in allowed],
        "repeated": [name for name in counts if counts[name] > 1 and name in allowed],
    }
    if not any(faults.values()):
        return
    parts = [f"received {len(found)} columns, expected {', '.join(names[:2])} ... {names[-1]} ({len(names)})"]
    for word, listed in faults.items():
        if listed:
            parts.append(f"{word}: {join_names(listed)}")
    raise TableError(
        "; ".join(parts),
        hint=f"{_NAME_COLUMNS}: add or remove these",
        column=next(name for listed in faults.values() for name in listed),
    )


def _parse_row(number: int, line: int, names: tuple[str, ...], cells: tuple[str, ...]) -> bytes:
    try:
        # The texts are looked up in C, which reads 47 million cells in seconds.
        values = bytes(map(_VALUE_OF_TEXT.__getitem__, cells))
    except KeyError:
        values = bytes(_parse_cell(number, line, name, text) for name, text in zip(names, cells, strict=True))
    if names[0] == LABEL_NAME and values[0] >= NUM_CLASSES:
        _refuse_cell(number, line, LABEL_NAME, cells[0])
    return values


def _parse_cell(number: int, line: int, name: str, text: str) -> int:
    """Read a cell that is not simply written 0 to 255, such as `5.0`."""
    match = _WHOLE_NUMBER.fullmatch(text)
    if match is None or int(match[1]) > MAX_PIXEL:
        _refuse_cell(number, line, name, text)
    return int(match[1])


def _refuse_cell(number: int, line: int, name: str, text: str) -> NoReturn:
    received = repr(_shorten(text)) if text.strip() else "an empty cell"
    limit = NUM_CLASSES - 1 if name == LABEL_NAME else MAX_PIXEL
    is_scaled = name != LABEL_NAME and _FRACTION.fullmatch(text)
    raise TableError(
        f"received {received}, expected an integer 0-{limit}",
        hint=f"scale grey levels to 0-{MAX_PIXEL}" if is_scaled else "mend or remove the row",
        row=number,
        line=line,
        column=name,
    )


def _capitalise(text: str) -> str:
    return text[:1].upper() + text[1:]


def _shorten(text: str) -> str:
    return text if len(text) <= _CHARACTERS_SHOWN else f"{text[:_CHARACTERS_SHOWN]}..."
