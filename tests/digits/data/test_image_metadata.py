"""What stands beside the pixels is counted before a decoder keeps it."""

import struct
import tracemalloc
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from digits.data.image_file import decode_picture
from digits.data.image_metadata import MOST_BYTES, MOST_PIECES
from digits.errors import DrawingError
from tests.wordings import wording

MANY = MOST_PIECES + 1
MOST_MEMORY = 4_000_000


def save(kind: str) -> bytes:
    file = BytesIO()
    Image.fromarray(np.arange(784, dtype=np.uint8).reshape(28, 28)).save(file, kind)
    return file.getvalue()


def write_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def insert(kind: str, inserted: bytes) -> bytes:
    """Put bytes where a file's metadata stands."""
    encoded = save(kind)
    place = {"PNG": 33, "JPEG": 2, "GIF": 13 + 3 * 256}[kind]
    return encoded[:place] + inserted + encoded[place:]


def write_scans(number: int) -> bytes:
    """Return a progressive JPEG whose last scan is there so many times more."""
    file = BytesIO()
    Image.new("L", (64, 64), 255).save(file, "JPEG", progressive=True)
    encoded = file.getvalue()
    return encoded[:-2] + encoded[encoded.rfind(b"\xff\xda") : -2] * number + b"\xff\xd9"


TEXT = write_chunk(b"tEXt", b"k\0v")
BLOCKS = b"!\xfe" + b"\1a" * 100 + b"\0"
FILES = {
    "texts": (insert("PNG", TEXT * MANY), "PNG", "more than 10,000 pieces of metadata"),
    "texts behind the pixels": (save("PNG")[:-12] + TEXT * MANY, "PNG", "more than 10,000 pieces of metadata"),
    "empty pixels": (insert("PNG", write_chunk(b"IDAT", b"") * MANY), "PNG", "more than 10,000 pieces of metadata"),
    "comments": (insert("JPEG", b"\xff\xfe\0\2" * MANY), "JPEG", "more than 10,000 pieces of metadata"),
    "comments behind junk": (insert("JPEG", b"x" + b"\xff\xfe\0\2" * MANY), "JPEG", "more than 10,000 pieces of"),
    "fill": (insert("JPEG", b"\xff" * MANY), "JPEG", "more than 10,000 pieces of metadata"),
    "junk": (insert("JPEG", b"x" * MANY), "JPEG", "more than 10,000 pieces of metadata"),
    "long comments": (
        insert("JPEG", (b"\xff\xfe\xff\xff" + bytes(65533)) * 70),
        "JPEG",
        f"more than {MOST_BYTES:,} bytes of metadata",
    ),
    "scans": (write_scans(100), "JPEG", "more than 100 scans"),
    "blocks": (insert("GIF", BLOCKS * 101), "GIF", "more than 10,000 pieces of metadata"),
    "junk in a GIF": (insert("GIF", b"x" * MANY), "GIF", "more than 10,000 pieces of metadata"),
}


@pytest.mark.parametrize("name", FILES)
def test_decode_picture_with_too_much_beside_its_pixels_is_refused_in_little_memory(name: str) -> None:
    encoded, kind, received = FILES[name]
    tracemalloc.start()
    try:
        with pytest.raises(DrawingError, match=wording("picture_metadata", format=kind)) as caught:
            decode_picture(encoded)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.code == "too_much_metadata"
    assert received in caught.value.message
    assert peak < MOST_MEMORY


@pytest.mark.parametrize(
    ("kind", "inserted"),
    [
        ("PNG", TEXT * 5000),
        ("JPEG", b"\xff\xfe\0\2" * 5000),
        ("JPEG", (b"\xff\xe1\xff\xff" + bytes(65533)) * 30),
        ("GIF", BLOCKS * 50),
    ],
)
def test_decode_picture_with_much_beside_its_pixels_is_the_picture(kind: str, inserted: bytes) -> None:
    expected = decode_picture(save(kind)).luminance
    assert np.array_equal(decode_picture(insert(kind, inserted)).luminance, expected)


def test_decode_picture_of_text_that_grows_is_refused() -> None:
    text = write_chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(1_000_000)))
    with pytest.raises(DrawingError):
        decode_picture(insert("PNG", text * 6))
