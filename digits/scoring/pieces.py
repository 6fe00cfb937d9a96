"""Pieces: bounded shares of an input. One piece makes one part of the output, whoever reads it and whenever.

A piece brings its own content, or the paths of its pictures, so that any process of any machine can read it. The same
input is always cut into the same pieces. An interrupted run goes on because of that, and two engines write the same.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from digits.data.images import NUM_PIXELS
from digits.errors import ScoringError
from digits.scoring.storage import Place, read_whole

PICTURES_AT_ONCE = 256  # A piece holds at most so many pictures.
MAX_PICTURE_BYTES = 64 * 2**20  # A larger picture is not read; a 48-megapixel JPEG has 20 MB.

Id = int | str


@dataclass(frozen=True)
class Fault:
    """A row, a picture or a file that could not be read.

    Attributes:
        id: A row's number from 1, with its file before a colon where there may be several; or a picture's path.
        code: The reason for programs, such as `invalid_csv`.
        message: What came, what was expected and how to mend it.
    """

    id: Id
    code: str
    message: str


@dataclass(frozen=True)
class Rows:
    """Images of 28x28 pixels, and what could not be read between them.

    Attributes:
        ids: One for each image.
        images: uint8 `(n, 784)`, 0-255, 0 is paper; n may be 0.
        faults: Rows that are no images.
    """

    ids: Sequence[Id]
    images: NDArray[np.uint8]
    faults: Sequence[Fault] = ()


@dataclass(frozen=True)
class Pictures:
    """Image files as people send them, and what could not be read between them.

    Attributes:
        ids: One for each picture.
        encoded: A PNG, JPEG, WebP, GIF, BMP or TIFF each; not decoded yet.
        faults: Pictures that could not be fetched.
    """

    ids: Sequence[Id]
    encoded: Sequence[bytes]
    faults: Sequence[Fault] = ()


@dataclass(frozen=True)
class Piece(ABC):
    """A bounded share of an input.

    Attributes:
        part: The name of the part of the output, without its ending.
        num_bytes: About how much of the input it is; the pieces of a file sum to no more than its size.
    """

    part: str
    num_bytes: int

    @abstractmethod
    def read(self) -> Rows | Pictures:
        """Return what it holds."""


@dataclass(frozen=True)
class RowsPiece(Piece):
    """Rows that were read while they were cut."""

    rows: Rows

    def read(self) -> Rows:
        """Return the rows."""
        return self.rows


@dataclass(frozen=True)
class EncodedPiece(Piece):
    """Pictures that were fetched while they were cut, out of an archive or a column."""

    pictures: Pictures

    def read(self) -> Pictures:
        """Return the pictures."""
        return self.pictures


@dataclass(frozen=True)
class PicturesPiece(Piece):
    """Pictures that are files of their own; they are fetched by whoever reads the piece.

    Attributes:
        places: Where each lies.
        ids: The path of each below the input.
    """

    places: Sequence[Place]
    ids: Sequence[str]

    def read(self) -> Pictures:
        """Fetch the pictures."""
        ids, encoded, faults = [], [], []
        for place, name in zip(self.places, self.ids, strict=True):
            try:
                content = read_whole(place, MAX_PICTURE_BYTES)
            except ScoringError as error:
                faults.append(Fault(name, "file_too_large", str(error)))
            except OSError as error:
                faults.append(explain_unreadable(name, error))
            else:
                ids.append(name)
                encoded.append(content)
        return Pictures(ids, encoded, faults)


@dataclass(frozen=True)
class BrokenPiece(Piece):
    """The end of a file that cannot be read on; what was read before makes pieces of its own."""

    fault: Fault

    def read(self) -> Rows:
        """Return no row and the fault."""
        return Rows([], np.empty((0, NUM_PIXELS), np.uint8), [self.fault])


def name_rows(prefix: str | None, numbers: Iterable[int]) -> list[Id]:
    """Return the ids of rows.

    Args:
        prefix: The file's path below the input, or None if the input is that one file: then numbers do.
        numbers: The place of each row in its file, from 1.
    """
    return list(numbers) if prefix is None else [f"{prefix}:{number}" for number in numbers]


def explain_unreadable(name: Id, error: OSError) -> Fault:
    """Return the fault of a file that cannot be opened or read to its end."""
    return Fault(
        name, "unreadable_file", f"Received a file that cannot be read ({error}), expected a whole one. Copy it again."
    )


class PartNames:
    """Names the parts of one source in order: `part-000003-000000`, `part-000003-000001` and so on."""

    def __init__(self, source: int) -> None:
        """Begin at 0.

        Args:
            source: The source's place in the input, from 0.
        """
        self._source, self._next = source, 0

    def take(self) -> str:
        """Return the next name."""
        self._next += 1
        return f"part-{self._source:06d}-{self._next - 1:06d}"
