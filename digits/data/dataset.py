"""Read images and labels from a CSV in Kaggle's digit-recognizer layout, plain or .gz.

`data.kaggle_csv` checks every cell; an error names file, row and column.
"""

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from digits.data.images import PIXEL_NAMES, SIZE
from digits.data.kaggle_csv import LABEL_NAME, read_rows
from digits.errors import DatasetError, TableError


@dataclass(frozen=True)
class LabelledImages:
    """Digits with their labels.

    Attributes:
        images: uint8 `(n, 28, 28)`, 0-255.
        labels: int64 `(n,)`, 0-9.
        sha256: The SHA-256 of the file.
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


def _read_cells(path: Path, names: tuple[str, ...]) -> NDArray[np.uint8]:
    """Return the named columns as uint8 `(n, len(names))`."""
    with explain_file_errors(path), _open_text(path) as file:
        cells = bytearray().join(read_rows(file, names))
    if not cells:
        raise DatasetError(f"{path}: received a header without rows, expected one row a digit.")
    return np.frombuffer(cells, np.uint8).reshape(-1, len(names))


@contextmanager
def _open_text(path: Path) -> Iterator[TextIO]:
    """Open a plain or compressed file. Its first bytes tell which, because names get changed."""
    with path.open("rb") as file:
        is_gzip = file.peek(2)[:2] == b"\x1f\x8b"
        stream = gzip.GzipFile(fileobj=file) if is_gzip else file
        # utf-8-sig, because Excel begins a UTF-8 file with a byte order mark.
        with io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
            yield text


@contextmanager
def explain_file_errors(path: Path | str) -> Iterator[None]:
    """Turn what a table's file raises while it is read into a `DatasetError` that names the file."""
    try:
        yield
    except TableError as error:
        raise DatasetError(f"{path}{': ' if error.row is None else ', '}{error}") from error
    except FileNotFoundError as error:
        raise DatasetError(f"{path}: no such file; check the path.") from error
    except (OSError, EOFError, zlib.error) as error:
        # What the system raises has a text of its own; what decompression raises, here or in Arrow, has none.
        if cause := getattr(error, "strerror", None):
            raise DatasetError(
                f"{path}: cannot be read as a file ({cause}); name a readable .csv or .csv.gz."
            ) from error
        raise DatasetError(
            f"{path}: the compressed file is truncated or broken ({error}); download or copy it again."
        ) from error
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{path}: received bytes that are not UTF-8 text, expected a .csv or .csv.gz; unpack or export it anew."
        ) from error


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
