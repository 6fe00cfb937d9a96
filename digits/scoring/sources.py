"""From a path to pieces: which files an input has, of what kind they are, and how each is cut."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Literal

from digits.data.dataset import explain_file_errors
from digits.errors import DatasetError, ScoringError
from digits.scoring.archive import PICTURE_ENDINGS, read_archive
from digits.scoring.idx import cut_idx
from digits.scoring.parquet import cut_parquet, holds_pixels
from digits.scoring.pieces import (
    PICTURES_AT_ONCE,
    BrokenPiece,
    EncodedPiece,
    Fault,
    PartNames,
    Pictures,
    PicturesPiece,
    Piece,
    Rows,
    RowsPiece,
    explain_unreadable,
    name_rows,
)
from digits.scoring.storage import ListedFile, Place, list_files, names_a_file, open_plain
from digits.scoring.table import TablePiece, cut_table

Kind = Literal["csv", "parquet", "idx", "tar", "pictures"]
Task = Literal["predict", "read"]

_PACKINGS = ("", ".gz", ".zst")
_ENDINGS: dict[str, Kind] = {
    ".parquet": "parquet",
    ".tgz": "tar",
    **dict.fromkeys(PICTURE_ENDINGS, "pictures"),
    **{f".csv{packing}": "csv" for packing in _PACKINGS},
    **{f".tar{packing}": "tar" for packing in _PACKINGS},
    **{f"{name}{packing}": "idx" for packing in _PACKINGS for name in ("idx3-ubyte", ".idx")},
}
_MAX_BYTES_AT_ONCE = 32 * 2**20  # Pictures of an archive come in pieces of at most so many bytes and one picture more.


@dataclass(frozen=True)
class Source:
    """What is cut by one process: a file with many digits, or up to 256 pictures.

    Attributes:
        number: Its place in the input, from 0.
        kind: How it is read.
        files: One file, or the pictures.
        is_alone: Whether the input is this one file. Its rows are then named by their numbers alone.
    """

    number: int
    kind: Kind
    files: tuple[ListedFile, ...]
    is_alone: bool


@dataclass(frozen=True)
class Summary:
    """What an input has.

    Attributes:
        is_one_file: Whether it was named as one file, and not as a folder or a glob.
        kinds: The kinds of its files.
        num_files: How many files are read.
        num_ignored: How many were passed over, because their ending is none that is read.
        num_bytes: What the read files weigh.
        sha256: Of the names, sizes and times of change of all files that are read.
    """

    is_one_file: bool
    kinds: frozenset[Kind]
    num_files: int
    num_ignored: int
    num_bytes: int
    sha256: str

    @property
    def has_numbers(self) -> bool:
        """Whether the ids of its digits are numbers of rows."""
        return self.is_one_file and self.kinds <= {"csv", "parquet", "idx"}


def summarise_input(url: str, output: Place, task: Task) -> Summary:
    """List an input once, before anything is read.

    Args:
        url: A file, a folder or a glob.
        output: The folder to pass over, should it lie inside the input.
        task: What to do with the files.

    Raises:
        ScoringError: If there is nothing to read, or something that `task` cannot use.
    """
    digest, kinds, num_files, num_ignored, num_bytes = hashlib.sha256(), set(), 0, 0, 0
    for file in list_files(url, output):
        kind = find_file_kind(file)
        if kind is None:
            num_ignored += 1
            continue
        _check_task(file, kind, task)
        kinds.add(kind)
        num_files, num_bytes = num_files + 1, num_bytes + file.num_bytes
        digest.update(f"{file.name}\0{file.num_bytes}\0{file.changed}\n".encode("utf-8", "surrogateescape"))
    if not num_files:
        raise ScoringError(
            f"{url}: received {num_ignored:,} other files, expected at least one that ends in {', '.join(_ENDINGS)}. "
            "Name such a file, a folder with some, or a glob in quotes."
        )
    return Summary(names_a_file(url), frozenset(kinds), num_files, num_ignored, num_bytes, digest.hexdigest())


def list_sources(url: str, output: Place, is_one_file: bool) -> Iterator[Source]:
    """Yield the sources of an input in a fixed order; each folder's pictures are gathered.

    Args:
        url: A file, a folder or a glob.
        output: The folder to pass over, should it lie inside the input.
        is_one_file: What `summarise_input` says of it.
    """
    numbers = count()
    waiting: list[ListedFile] = []
    for file in list_files(url, output):
        kind = find_file_kind(file)
        if kind == "pictures":
            waiting.append(file)
            if len(waiting) == PICTURES_AT_ONCE:
                yield Source(next(numbers), kind, tuple(waiting), False)
                waiting = []
        elif kind is not None:
            yield Source(next(numbers), kind, (file,), is_one_file)
    if waiting:
        yield Source(next(numbers), "pictures", tuple(waiting), False)


def find_file_kind(file: ListedFile) -> Kind | None:
    """Return how a file is read by its ending; None if it is not read."""
    name = file.name.lower()
    return next((kind for ending, kind in _ENDINGS.items() if name.endswith(ending)), None)


def cut(source: Source, rows_at_once: int) -> Iterator[Piece]:
    """Yield the pieces of a source in order. A file that cannot be read on ends in a piece with that one fault.

    Args:
        source: What to cut.
        rows_at_once: A piece has at most so many rows.
    """
    parts = PartNames(source.number)
    if source.kind == "pictures":
        names = tuple(_make_printable(file.name) for file in source.files)
        num_bytes = sum(file.num_bytes for file in source.files)
        yield PicturesPiece(parts.take(), num_bytes, tuple(file.place for file in source.files), names)
        return
    (file,) = source.files
    name, done = _make_printable(file.name), 0
    try:
        for piece in _cut_file(source, file, rows_at_once, parts):
            done += piece.num_bytes
            yield piece
    except (ScoringError, DatasetError, OSError) as error:
        fault = Fault(name, "invalid_file", str(error))
        if isinstance(error, OSError):
            fault = explain_unreadable(name, error)
        yield BrokenPiece(parts.take(), max(file.num_bytes - done, 0), fault)


def _cut_file(source: Source, file: ListedFile, rows_at_once: int, parts: PartNames) -> Iterator[Piece]:
    name = _make_printable(file.name)
    prefix = None if source.is_alone else name
    if source.kind == "parquet":
        done = 0
        with file.place.filesystem.open(file.place.path, "rb") as opened:
            for content, share in cut_parquet(opened, rows_at_once, PICTURES_AT_ONCE, prefix):
                num_bytes = int(share * file.num_bytes) - done
                done += num_bytes
                yield _wrap(content, parts.take(), num_bytes)
        return
    with open_plain(file.place) as (plain, opened):
        read = 0

        def take_share() -> int:
            """Return how much of the file was read since the last time."""
            nonlocal read
            share, read = opened.tell() - read, opened.tell()
            return share

        if source.kind == "csv":
            with explain_file_errors(name):
                for block in cut_table(plain, rows_at_once):
                    yield TablePiece(parts.take(), take_share(), block, prefix)
        elif source.kind == "idx":
            first = 1
            for pixels in cut_idx(plain, rows_at_once):
                rows = Rows(name_rows(prefix, range(first, first + len(pixels))), pixels)
                yield RowsPiece(parts.take(), take_share(), rows)
                first += len(pixels)
        else:
            for pictures in _gather(read_archive(plain), "" if source.is_alone else f"{name}/"):
                yield EncodedPiece(parts.take(), take_share(), pictures)


def _gather(members: Iterator[tuple[str, bytes] | Fault], prefix: str) -> Iterator[Pictures]:
    """Gather the pictures of an archive, so many that a piece stays small; the last ones also if the archive breaks."""
    gathered: list[tuple[str, bytes] | Fault] = []
    num_bytes = 0
    try:
        for member in members:
            gathered.append(member)
            num_bytes += 0 if isinstance(member, Fault) else len(member[1])
            if len(gathered) == PICTURES_AT_ONCE or num_bytes > _MAX_BYTES_AT_ONCE:
                yield _join_members(gathered, prefix)
                gathered, num_bytes = [], 0
    except (ScoringError, OSError):
        if gathered:
            yield _join_members(gathered, prefix)
        raise
    if gathered:
        yield _join_members(gathered, prefix)


def _join_members(members: list[tuple[str, bytes] | Fault], prefix: str) -> Pictures:
    pictures = [member for member in members if not isinstance(member, Fault)]
    return Pictures(
        [prefix + path for path, _ in pictures],
        [encoded for _, encoded in pictures],
        [Fault(f"{prefix}{one.id}", one.code, one.message) for one in members if isinstance(one, Fault)],
    )


def _wrap(content: Rows | Pictures, part: str, num_bytes: int) -> Piece:
    if isinstance(content, Rows):
        return RowsPiece(part, num_bytes, content)
    return EncodedPiece(part, num_bytes, content)


def _check_task(file: ListedFile, kind: Kind, task: Task) -> None:
    if task == "predict" or kind in ("pictures", "tar"):
        return
    if kind == "parquet" and not _has_pixels(file):
        return
    raise ScoringError(
        f"{file.name}: received rows of 28x28 pixels with TASK=read, expected pictures of several digits. "
        "Read single digits with TASK=predict."
    )


def _has_pixels(file: ListedFile) -> bool:
    """Tell whether a Parquet file has pixels. One that cannot be read becomes a fault of its own later."""
    try:
        with file.place.filesystem.open(file.place.path, "rb") as opened:
            return holds_pixels(opened)
    except (ScoringError, OSError):
        return False


def _make_printable(name: str) -> str:
    """Return a file's name as text that every table can hold."""
    return name.encode("utf-8", "replace").decode()
