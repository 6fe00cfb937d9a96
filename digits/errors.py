"""The exception tree. Every message says what came, what was expected and how to mend it.

DigitsError
└── InvalidInputError (also a ValueError)
    ├── ImageError          an image cannot be used
    │   ├── PixelError      a row or an image breaks the 28x28 contract
    │   └── DrawingError    an image file cannot be read as one picture
    ├── TableError          a table in Kaggle's layout has a wrong header, row or cell
    ├── DatasetError        a file cannot be read as digits
    ├── ConfigurationError  a setting is impossible
    ├── CheckpointError     `--resume` found nothing that belongs to this run
    ├── ScoringError        an input of bulk scoring cannot be used, or an output belongs to another run
    └── ArtifactError       an .h5 is broken, foreign or unsafe
        └── ServingGraphError  a Keras .h5 without the graph that serving needs
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class DigitsError(Exception):
    """The root of everything that this project raises on purpose."""


class InvalidInputError(DigitsError, ValueError):
    """The caller gave something that cannot be used."""


class ImageError(InvalidInputError):
    """An image cannot be used.

    Attributes:
        message: What came and what was expected.
        code: The reason for programs, such as `missing_pixel`.
        hint: How to mend it.
        field: The first pixel that is wrong, such as `pixel12`; None if it is the whole image.
    """

    def __init__(self, message: str, *, code: str, hint: str, field: str | None = None) -> None:
        super().__init__(f"{message} {hint}")
        self.message = message
        self.code = code
        self.field = field
        self.hint = hint


class PixelError(ImageError):
    """A row or an image breaks the 28x28 contract."""


class DrawingError(ImageError):
    """An image file cannot be read as one picture."""


class TableError(InvalidInputError):
    """A table in Kaggle's layout has a wrong header, row or cell.

    Attributes:
        message: What came and what was expected, as the second half of a sentence.
        hint: How to mend it.
        row: The first row that is wrong, counted from 1 without the header; None when it is the whole table.
        line: Where that row ends in the file, counted from 1.
        column: The first column that is wrong; None when it is the whole row.
    """

    def __init__(
        self, message: str, *, hint: str, row: int | None = None, line: int | None = None, column: str | None = None
    ) -> None:
        place = "" if row is None else f"row {row} (line {line}){f', column {column}' if column else ''}: "
        super().__init__(f"{place}{message}; {hint}.")
        self.message = message
        self.hint = hint
        self.row = row
        self.line = line
        self.column = column


class DatasetError(InvalidInputError):
    """A CSV cannot be read as digits; the message names file, row and column."""


class ConfigurationError(InvalidInputError):
    """A setting is impossible."""


class CheckpointError(InvalidInputError):
    """A run cannot be resumed from what lies beside its output."""


class ScoringError(InvalidInputError):
    """An input of bulk scoring cannot be used, or its output belongs to another run."""


class ArtifactError(InvalidInputError):
    """An .h5 is broken, foreign or unsafe."""


class ServingGraphError(ArtifactError):
    """An .h5 is a Keras model but carries no serving graph."""


@contextmanager
def end_in_one_line(interrupted: str) -> Iterator[None]:
    """End a command with one line in place of a traceback, if a user's mistake stopped it.

    Args:
        interrupted: What to print after Ctrl-C or SIGTERM.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except (DigitsError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(f"\nInterrupted; {interrupted}")
