"""CSV -> images and labels, in Kaggle's digit-recognizer layout; plain or .gz.

Columns are read by name, so their order does not matter. Every cell is checked: an error names file, row and column.
"""

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from digits.errors import DatasetError
from digits.images import MAX_PIXEL, NUM_CLASSES, PIXEL_NAMES, SIZE

LABEL_NAME = "label"
_ROWS_PER_CHUNK = 5_000  # 785 int64 columns: about 30 MB at a time instead of 400 for the whole file.
_NAMES_SHOWN = 5


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
        DatasetError: If there are too few digits of some label to split.
    """
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
    with _explain_file_errors(path):
        header = pd.read_csv(path, nrows=0)
        _check_header(path, header.columns.astype(str).tolist(), names)
        chunks = []
        first_row = 1
        # index_col=False: a row with a cell too many must not turn the labels into an index.
        for frame in pd.read_csv(path, chunksize=_ROWS_PER_CHUNK, low_memory=False, index_col=False):
            chunks.append(_check_cells(path, frame[list(names)], first_row))
            first_row += len(frame)
    if not chunks or first_row == 1:
        raise DatasetError(f"{path}: received a header without rows, expected one row a digit.")
    return np.concatenate(chunks)


@contextmanager
def _explain_file_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise DatasetError(f"{path}: no such file; check the path.") from error
    except (IsADirectoryError, PermissionError) as error:
        raise DatasetError(f"{path}: cannot be read as a file; name a readable .csv or .csv.gz.") from error
    except pd.errors.EmptyDataError as error:
        raise DatasetError(f"{path}: received an empty file, expected a header and one row a digit.") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DatasetError(
            f"{path}: the compressed file is truncated or broken ({error}); download or copy it again."
        ) from error
    except pd.errors.ParserError as error:
        raise DatasetError(
            f"{path}: a row does not have as many cells as the header ({error}); mend or remove it."
        ) from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: received bytes that are not text, expected a .csv or .csv.gz.") from error


def _check_header(path: Path, found: list[str], names: tuple[str, ...]) -> None:
    missing = [name for name in names if name not in set(found)]
    allowed = {LABEL_NAME, *PIXEL_NAMES}
    unknown = [name for name in found if name not in allowed]
    if not missing and not unknown:
        return
    parts = [f"received {len(found)} columns, expected {', '.join(names[:2])} ... {names[-1]} ({len(names)})"]
    for word, listed in (("missing", missing), ("unknown", unknown)):
        if listed:
            rest = f" and {len(listed) - _NAMES_SHOWN} more" if len(listed) > _NAMES_SHOWN else ""
            parts.append(f"{word}: {', '.join(listed[:_NAMES_SHOWN])}{rest}")
    raise DatasetError(f"{path}: {'; '.join(parts)}. The first line must name the columns; add or remove these.")


def _check_cells(path: Path, frame: pd.DataFrame, first_row: int) -> NDArray[np.uint8]:
    """Return a chunk as uint8, or name its first bad cell, reading row by row as a person would."""
    limits = np.array([NUM_CLASSES - 1 if name == LABEL_NAME else MAX_PIXEL for name in frame.columns])
    # Text in any cell makes its whole column text; to_numeric turns just the bad cells into NaN.
    numbers = frame.apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    bad = ~((numbers >= 0) & (numbers <= limits) & (numbers == np.floor(numbers)))
    if bad.any():
        row, column = np.argwhere(bad)[0]
        _refuse_cell(path, first_row + int(row), frame.columns[column], frame.iat[row, column], int(limits[column]))
    return numbers.astype(np.uint8)


def _refuse_cell(path: Path, row: int, name: str, value: object, limit: int) -> NoReturn:
    received = "an empty cell or NaN" if pd.isna(value) else repr(value if isinstance(value, str) else float(value))  # type: ignore[call-overload,arg-type]  # a cell is text or a number
    raise DatasetError(
        f"{path}, row {row} (the header not counted), column {name}: received {received}, "
        f"expected an integer 0-{limit}; mend or remove the row."
    )


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
