"""CSV -> images and labels, in Kaggle's digit-recognizer layout; plain or .gz.

Columns are read by name, so their order does not matter. Every cell is checked: an error names file, row and column.
By the csv module and not by pandas, which guesses what a cell means, cuts a row that is too long, and needs three times
the memory for the same time.
"""

import csv
import gzip
import hashlib
import io
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import NoReturn, TextIO

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from digits.errors import ConfigurationError, DatasetError
from digits.images import MAX_PIXEL, NUM_CLASSES, PIXEL_NAMES, SIZE

LABEL_NAME = "label"
_NAMES_SHOWN = 5
_CHARACTERS_SHOWN = 40
_VALUE_OF_TEXT = {str(value): value for value in range(MAX_PIXEL + 1)}
_WHOLE_NUMBER = re.compile(r"\s*0*([0-9]{1,3})(?:\.0*)?\s*")


@dataclass(frozen=True)
class LabelledImages:
    """Digits with their labels.

    Attributes:
        images: uint8 `(n, 28, 28)`, 0-255.
        labels: int64 `(n,)`, 0-9.
        sha256: Of the file that they were read from.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    sha256: str

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: NDArray[np.integer] | slice) -> "LabelledImages":
        """Return the digits at `indices`, in that order."""
        return LabelledImages(self.images[indices], self.labels[indices], self.sha256)


def read_labelled_images(path: Path) -> LabelledImages:
    """Read a training or test file with its labels.

    Raises:
        DatasetError: If the file is missing, broken, or holds anything but labels 0-9 and pixels 0-255.
    """
    cells = _read_cells(path, (LABEL_NAME, *PIXEL_NAMES))
    labels = cells[:, 0].astype(np.int64)
    return LabelledImages(cells[:, 1:].reshape(-1, SIZE, SIZE), labels, _hash_file(path))


def read_images(path: Path) -> NDArray[np.uint8]:
    """Read a file without labels, such as Kaggle's test.csv; a label column is ignored.

    Returns:
        uint8 `(n, 28, 28)`, 0-255.

    Raises:
        DatasetError: As `read_labelled_images`.
    """
    return _read_cells(path, PIXEL_NAMES).reshape(-1, SIZE, SIZE)


def hold_out(digits: LabelledImages, fraction: float = 0.2, seed: int = 42) -> tuple[LabelledImages, LabelledImages]:
    """Split into what is trained on and what is held out, each label in proportion.

    Raises:
        ConfigurationError: If the fraction is not between 0 and 1.
        DatasetError: If there are too few digits of some label to split.
    """
    if not 0 < fraction < 1:
        raise ConfigurationError(f"Received {fraction} of the digits to hold out, expected a share between 0 and 1.")
    try:
        kept, held_out = train_test_split(
            np.arange(len(digits)), test_size=fraction, random_state=seed, stratify=digits.labels
        )
    except ValueError as error:
        counts = np.bincount(digits.labels, minlength=NUM_CLASSES).tolist()
        raise DatasetError(
            f"Received {len(digits)} digits with {counts} of the labels 0-9, expected enough of each to hold out "
            f"{fraction:.0%}; use a larger file, or name a separate test file."
        ) from error
    return digits.take(kept), digits.take(held_out)


def _read_cells(path: Path, names: tuple[str, ...]) -> NDArray[np.uint8]:
    """Return the named columns as uint8 `(n, len(names))`."""
    with _explain_file_errors(path), _open_text(path) as file:
        cells = bytearray().join(_read_rows(path, file, names))
    if not cells:
        raise DatasetError(f"{path}: received a header without rows, expected one row a digit.")
    return np.frombuffer(cells, np.uint8).reshape(-1, len(names))


@contextmanager
def _open_text(path: Path) -> Iterator[TextIO]:
    """Open a plain or compressed file; its first bytes tell which, because names get changed on the way."""
    with path.open("rb") as file:
        is_gzip = file.peek(2)[:2] == b"\x1f\x8b"
        stream = gzip.GzipFile(fileobj=file) if is_gzip else file
        # utf-8-sig: Excel begins a UTF-8 file with a byte order mark.
        with io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
            yield text


@contextmanager
def _explain_file_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise DatasetError(f"{path}: no such file; check the path.") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DatasetError(
            f"{path}: the compressed file is truncated or broken ({error}); download or copy it again."
        ) from error
    except OSError as error:
        raise DatasetError(
            f"{path}: cannot be read as a file ({error.strerror}); name a readable .csv or .csv.gz."
        ) from error
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{path}: received bytes that are not UTF-8 text, expected a .csv or .csv.gz; unpack or export it anew."
        ) from error


def _read_rows(path: Path, file: TextIO, names: tuple[str, ...]) -> Iterator[bytes]:
    """Yield the named columns of each row, one byte a cell."""
    table = csv.reader(file, strict=True)
    try:
        rows = filter(None, table)  # An empty line, often the last one, is no row.
        header = [name.strip() for name in next(rows, [])]
        _check_header(path, header, names)
        select = itemgetter(*(header.index(name) for name in names))
        for number, row in enumerate(rows, start=1):
            place = f"{path}, row {number} (line {table.line_num})"
            if len(row) != len(header):
                raise DatasetError(
                    f"{place}: received {len(row)} cells, expected {len(header)}, one for each column; "
                    "mend or remove the row."
                )
            yield _parse_row(place, names, select(row))
    except csv.Error as error:
        raise DatasetError(
            f"{path}: line {table.line_num} cannot be split into cells ({error}); mend or remove it."
        ) from error


def _check_header(path: Path, found: list[str], names: tuple[str, ...]) -> None:
    if not found:
        raise DatasetError(f"{path}: received an empty file, expected a header and one row a digit.")
    counts, allowed = Counter(found), {LABEL_NAME, *PIXEL_NAMES}
    faults = {
        "missing": [name for name in names if name not in counts],
        "unknown": [_shorten(name) for name in found if name not in allowed],
        "repeated": [name for name in counts if counts[name] > 1 and name in allowed],
    }
    if not any(faults.values()):
        return
    parts = [f"received {len(found)} columns, expected {', '.join(names[:2])} ... {names[-1]} ({len(names)})"]
    for word, listed in faults.items():
        if listed:
            rest = f" and {len(listed) - _NAMES_SHOWN} more" if len(listed) > _NAMES_SHOWN else ""
            parts.append(f"{word}: {', '.join(listed[:_NAMES_SHOWN])}{rest}")
    raise DatasetError(
        f"{path}: {'; '.join(parts)}. The first line must name the columns, separated by commas; add or remove these."
    )


def _parse_row(place: str, names: tuple[str, ...], cells: tuple[str, ...]) -> bytes:
    try:
        # Looking the texts up runs in C: 47 million cells in seconds.
        values = bytes(map(_VALUE_OF_TEXT.__getitem__, cells))
    except KeyError:
        values = bytes(_parse_cell(place, name, text) for name, text in zip(names, cells, strict=True))
    if names[0] == LABEL_NAME and values[0] >= NUM_CLASSES:
        _refuse_cell(place, LABEL_NAME, cells[0])
    return values


def _parse_cell(place: str, name: str, text: str) -> int:
    """Read a cell that is not simply written 0 to 255, such as `5.0`."""
    match = _WHOLE_NUMBER.fullmatch(text)
    if match is None or int(match[1]) > MAX_PIXEL:
        _refuse_cell(place, name, text)
    return int(match[1])


def _refuse_cell(place: str, name: str, text: str) -> NoReturn:
    received = repr(_shorten(text)) if text.strip() else "an empty cell"
    limit = NUM_CLASSES - 1 if name == LABEL_NAME else MAX_PIXEL
    raise DatasetError(
        f"{place}, column {name}: received {received}, expected an integer 0-{limit}; mend or remove the row."
    )


def _shorten(text: str) -> str:
    return text if len(text) <= _CHARACTERS_SHOWN else f"{text[:_CHARACTERS_SHOWN]}..."


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
