"""Files wherever they lie: on this machine, in a bucket or in memory. The rest of this room opens no file by itself.

fsspec gives every place the same methods. Buckets are reached by Arrow's own clients, which come with its wheel;
fsspec's are further packages.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

import fsspec
import pyarrow
from fsspec.implementations.arrow import ArrowFSWrapper
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.utils import glob_translate
from pyarrow.fs import FileSystem

from digits.data.files import replace_file
from digits.errors import ScoringError

_ARROW_SCHEMES = ("s3", "gs")
_MAGIC_LETTERS = re.compile(r"[*?\[]")
_BUFFER_BYTES = 1 << 20
_UNPACKED_BYTES = 1 << 14  # If a packed file breaks, so much before that place cannot be had.
_CODECS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}


@dataclass(frozen=True)
class Place:
    """A file or a folder.

    Attributes:
        filesystem: Where it lies; it can be pickled.
        path: Its path there, without a scheme.
    """

    filesystem: Any
    path: str

    @property
    def is_local(self) -> bool:
        """Whether it lies on this machine."""
        return isinstance(self.filesystem, LocalFileSystem)

    @property
    def is_in_memory(self) -> bool:
        """Whether it lies in the memory of this process, where no other process can read it."""
        return isinstance(self.filesystem, MemoryFileSystem)

    def join(self, *names: str) -> "Place":
        """Return what lies below this folder."""
        return Place(self.filesystem, "/".join((self.path.rstrip("/"), *names)))


@dataclass(frozen=True)
class ListedFile:
    """A file of a listing.

    Attributes:
        place: Where it lies.
        name: Its path below the folder that was listed.
        num_bytes: Its size.
        changed: When it was changed last, as its filesystem writes it; empty where that does not tell.
    """

    place: Place
    name: str
    num_bytes: int
    changed: str


def locate(url: str) -> Place:
    """Return the place of a path or a URL, such as `scans/`, `s3://bucket/rows/` or `memory://rows`.

    Raises:
        ScoringError: If nothing is known of its scheme.
    """
    try:
        if url.partition("://")[0] in _ARROW_SCHEMES:
            filesystem, path = FileSystem.from_uri(url)
            return Place(ArrowFSWrapper(filesystem), path)
        return Place(*fsspec.core.url_to_fs(url))
    except (ValueError, ImportError) as error:
        raise ScoringError(
            f"{url}: this place cannot be opened ({error}); expected a path, or a URL such as s3://bucket/folder."
        ) from error


def list_files(url: str, left_out: Place) -> Iterator[ListedFile]:
    """Yield the one file of a path, all files of a folder, or those that a glob matches, in the order of their names.

    One folder's listing is held at a time. Hidden names, which begin with a dot, are passed over.

    Args:
        url: A file, a folder or a glob; `**` stands for any folders.
        left_out: A folder to pass over: the output may lie inside the input.

    Raises:
        ScoringError: If there is no such file or folder.
    """
    root, pattern = split_glob(url)
    place = locate(root)
    information = _inform(root, place)
    if information["type"] == "file":
        yield _describe(place, place.path.rpartition("/")[2], information)
        return
    matches = re.compile(glob_translate(pattern)).match if pattern else None
    for found in _walk(place, "", left_out):
        if matches is None or matches(found.name):
            yield found


def names_a_file(url: str) -> bool:
    """Tell whether a path is that of one file, and neither a folder nor a glob.

    Raises:
        ScoringError: If there is no such file or folder.
    """
    root, pattern = split_glob(url)
    return pattern is None and _inform(root, locate(root))["type"] == "file"


def split_glob(url: str) -> tuple[str, str | None]:
    """Part a glob into the folder before its first wildcard and the rest; the rest of a plain path is None."""
    scheme, separator, path = url.rpartition("://")
    # In the URL of a bucket a question mark begins its options.
    found = _MAGIC_LETTERS.search(path.replace("?", "_") if separator else path)
    if found is None or (not separator and Path(path).exists()):
        return url, None
    folder, slash, _ = path[: found.start()].rpartition("/")
    return f"{scheme}{separator}{folder}{slash}" or ".", path[len(folder) + len(slash) :]


def _inform(url: str, place: Place) -> dict[str, Any]:
    try:
        information: dict[str, Any] = place.filesystem.info(place.path)
    except FileNotFoundError as error:
        raise ScoringError(f"{url}: no such file or folder; check the path.") from error
    return information


def _walk(folder: Place, prefix: str, left_out: Place) -> Iterator[ListedFile]:
    listed = folder.filesystem.ls(folder.path, detail=True)
    for information in sorted(listed, key=lambda one: one["name"].rstrip("/")):
        name = information["name"].rstrip("/").rpartition("/")[2]
        place = Place(folder.filesystem, information["name"].rstrip("/"))
        if name.startswith(".") or (type(place.filesystem), place.path) == (
            type(left_out.filesystem),
            left_out.path.rstrip("/"),
        ):
            continue
        if information["type"] == "file":
            yield _describe(place, prefix + name, information)
        # A link to a folder may lead back to one above it.
        elif not information.get("islink"):
            yield from _walk(place, f"{prefix}{name}/", left_out)


def _describe(place: Place, name: str, information: dict[str, Any]) -> ListedFile:
    changed = next((information[key] for key in ("mtime", "LastModified", "created") if information.get(key)), "")
    return ListedFile(place, name, int(information["size"] or 0), str(changed))


@contextmanager
def open_plain(place: Place) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Open a file for reading and unpack gzip and Zstandard. The first bytes tell which, because names get changed.

    Yields:
        The unpacked bytes, and the file itself, whose `tell` says how far it has been read.
    """
    with place.filesystem.open(place.path, "rb") as file:
        start = file.read(4)
        file.seek(0)
        codec = next((codec for magic, codec in _CODECS.items() if start.startswith(magic)), None)
        if codec is None:
            yield BufferedReader(file, _BUFFER_BYTES), file
        else:
            stream = pyarrow.CompressedInputStream(pyarrow.PythonFile(file, mode="r"), codec)
            yield BufferedReader(stream, _UNPACKED_BYTES), file


def read_whole(place: Place, max_bytes: int) -> bytes:
    """Return a file's bytes.

    Raises:
        ScoringError: If it has more than `max_bytes`.
        OSError: If it cannot be read.
    """
    with place.filesystem.open(place.path, "rb") as file:
        content: bytes = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ScoringError(f"Received a file of more than {max_bytes:,} bytes, expected a smaller one. Reduce it.")
    return content


def write_whole(place: Place, content: bytes) -> None:
    """Write a file that is whole or absent, whenever the process ends.

    On this machine it is written aside and renamed. An object store shows an object once all of it has arrived.
    """
    if place.is_local:
        path = Path(place.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_file(path) as unfinished:
            unfinished.write_bytes(content)
    else:
        place.filesystem.pipe_file(place.path, content)
