"""Tar archives in WebDataset's layout: files of one sample stand next to each other and differ in their endings.

The archive is read once from front to back, so it may be of any size and lie anywhere. Python's tarfile reads the long
names of an archive at whatever size their header gives; here they are measured first.
"""

import tarfile
from collections.abc import Iterator
from typing import BinaryIO

from digits.errors import ScoringError
from digits.scoring.pieces import MAX_PICTURE_BYTES, Fault

PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
_BLOCK_BYTES = 512
_MAX_NAME_BYTES = 64 * 2**10
_NAME_TYPES = (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE)


def read_archive(file: BinaryIO) -> Iterator[tuple[str, bytes] | Fault]:
    """Yield the pictures of an archive in order, each with its path in the archive; other members are passed over.

    A picture that is too large is a fault, and the rest is read.

    Args:
        file: The archive's bytes, unpacked.

    Raises:
        ScoringError: If it is no tar archive or ends too early.
        OSError: If the file ends in the middle of its compressed bytes.
    """
    name = None
    # An archive ends in blocks of zeros, or at the end of the file.
    while any(block := file.read(_BLOCK_BYTES)):
        member = _read_header(block)
        if member.type in _NAME_TYPES:
            name = _parse_name(member, _read_member(file, member, _MAX_NAME_BYTES)) or name
            continue
        path, name = name or member.name, None
        if not member.isreg() or not path.lower().endswith(PICTURE_ENDINGS):
            _skip(file, _pad(member.size))
        elif member.size > MAX_PICTURE_BYTES:
            _skip(file, _pad(member.size))
            message = f"Received a picture of {member.size:,} bytes, expected at most {MAX_PICTURE_BYTES:,}. Reduce it."
            yield Fault(path, "file_too_large", message)
        else:
            yield path, _read_member(file, member, MAX_PICTURE_BYTES)


def _read_header(block: bytes) -> tarfile.TarInfo:
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "replace")
    except tarfile.HeaderError as error:
        raise ScoringError(f"Received bytes that are no tar archive ({error}), expected one. Pack it anew.") from error


def _read_member(file: BinaryIO, member: tarfile.TarInfo, max_bytes: int) -> bytes:
    if member.size > max_bytes:
        raise ScoringError(
            f"Received a member of {member.size:,} bytes, expected at most {max_bytes:,}. Pack the archive anew."
        )
    content = file.read(_pad(member.size))
    if len(content) < member.size:
        raise ScoringError(f"Received an archive that ends inside of {member.name!r}, expected a whole one.")
    return content[: member.size]


def _skip(file: BinaryIO, num_bytes: int) -> None:
    while num_bytes > 0 and (content := file.read(min(num_bytes, 1 << 20))):
        num_bytes -= len(content)


def _pad(num_bytes: int) -> int:
    return -(-num_bytes // _BLOCK_BYTES) * _BLOCK_BYTES


def _parse_name(member: tarfile.TarInfo, content: bytes) -> str | None:
    """Return the path that a header gives to the next member: GNU's long name, or `path` of the POSIX records."""
    if member.type == tarfile.GNUTYPE_LONGNAME:
        return content.rstrip(b"\0").decode("utf-8", "replace")
    # Each record is its own length, a space, `key=value` and an end of line.
    while content:
        length, _, rest = content.partition(b" ")
        if not length.isdigit() or not 0 < int(length) <= len(content):
            return None
        key, _, value = rest[: int(length) - len(length) - 2].partition(b"=")
        if key == b"path":
            return value.decode("utf-8", "replace")
        content = content[int(length) :]
    return None
