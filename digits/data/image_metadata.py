"""Count what stands in an image file beside its pixels, before a decoder keeps it.

A comment of no text takes 4 bytes of a JPEG, and a hundred times as much once it is read. Cameras and editors write
some dozens of such pieces; a colour profile or a description in a GIF may take some thousands. Pillow passes over bytes
that belong to nothing, so they are counted like pieces here.
"""

from collections.abc import Iterator
from struct import unpack_from

from digits.errors import DrawingError

MOST_PIECES = 10_000
"""Chunks, segments and blocks beside the pixels, at most."""

MOST_BYTES = 4 * 1024 * 1024
"""Their bytes, at most."""

_MOST_SCANS = 100  # Of a progressive JPEG, which has about ten. Each goes over the whole picture.
_MOST_BLOCKS = 200_000  # Of a GIF's pixels, which has up to 255 bytes in each.
_PNG, _JPEG, _GIF = b"\x89PNG\r\n\x1a\n", b"\xff\xd8", (b"GIF87a", b"GIF89a")
_SCAN = b"\xff\xda"


def check_metadata(encoded: bytes) -> None:
    """Refuse a PNG, JPEG or GIF with more beside its pixels than any program writes.

    Files of other formats pass: their decoders, in C, keep none of it. So does what is damaged, up to its fault.

    Raises:
        DrawingError: If there are too many pieces, or too many bytes in them.
    """
    if encoded.startswith(_PNG):
        kind, sizes = "PNG", _list_chunks(encoded)
    elif encoded.startswith(_JPEG):
        kind, sizes = "JPEG", _list_segments(encoded)
        # Within the pixels this never stands for anything else.
        if encoded.count(_SCAN) > _MOST_SCANS:
            _refuse(kind, f"more than {_MOST_SCANS} scans")
    elif encoded.startswith(_GIF):
        kind, sizes = "GIF", _list_blocks(encoded)
    else:
        return
    num_bytes = 0
    for number, size in enumerate(sizes, start=1):
        num_bytes += size
        if number > MOST_PIECES:
            _refuse(kind, f"more than {MOST_PIECES:,} pieces of metadata")
        if num_bytes > MOST_BYTES:
            _refuse(kind, f"more than {MOST_BYTES:,} bytes of metadata")


def _list_chunks(encoded: bytes) -> Iterator[int]:
    """Yield the size of each chunk of a PNG but those of pixels. Of these an empty one counts, too."""
    place = len(_PNG)
    while place + 8 <= len(encoded):
        size, kind = unpack_from(">I4s", encoded, place)
        if kind != b"IDAT" or not size:
            yield min(size, len(encoded) - place)
        place += 12 + size


def _list_segments(encoded: bytes) -> Iterator[int]:
    """Yield the size of each segment of a JPEG before its pixels, and 0 for each byte that fills the space between."""
    place = len(_JPEG)
    while place < len(encoded) - 4:
        marker = encoded[place + 1]
        if encoded[place] != 0xFF or marker == 0xFF:
            yield 0
            place += 1
        elif marker == _SCAN[1]:
            return
        elif marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD9:
            yield 0
            place += 2
        else:
            (size,) = unpack_from(">H", encoded, place + 2)
            yield min(size, len(encoded) - place)
            place += 2 + max(size, 2)


def _list_blocks(encoded: bytes) -> Iterator[int]:
    """Yield the size of each block of a GIF's extensions."""
    num_blocks = 0
    place = _skip_palette(encoded, 10, 13)
    while place < len(encoded) - 10 and encoded[place] != ord(";"):
        if encoded[place] not in b"!,":
            yield 0
            place += 1
            continue
        is_extension = encoded[place] == ord("!")
        # Before the blocks of pixels stand nine bytes, a palette perhaps, and the size of a code.
        place = place + 2 if is_extension else _skip_palette(encoded, place + 9, place + 10) + 1
        while place < len(encoded) and encoded[place]:
            num_blocks += 1
            if num_blocks > _MOST_BLOCKS:
                _refuse("GIF", f"more than {_MOST_BLOCKS:,} blocks")
            if is_extension:
                yield encoded[place]
            place += 1 + encoded[place]
        if is_extension:
            yield 0
        place += 1


def _skip_palette(encoded: bytes, flags: int, place: int) -> int:
    """Return where what follows a palette begins, if the flags announce one at this place."""
    has_palette = len(encoded) > flags and encoded[flags] & 0x80
    return place + (3 << ((encoded[flags] & 7) + 1) if has_palette else 0)


def _refuse(kind: str, received: str) -> None:
    raise DrawingError(
        f"Received a {kind} with {received}, expected fewer.",
        code="too_much_metadata",
        hint="Save the picture anew, without what stands beside its pixels.",
    )
