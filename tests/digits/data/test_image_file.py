"""Image files of every kind, whole and broken, made by Pillow, to drawings."""

import struct
import subprocess
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageDraw

from digits.data.image_file import MAX_DRAWING_SIDE, decode_picture
from digits.errors import DrawingError
from tests.wordings import wording

SIZE = (60, 40)
INK_BOX = (10, 5, 19, 34)  # Left, top, right and bottom, which belong to it.


def draw(paper: Any = 255, ink: Any = 0, mode: str = "L", size: tuple[int, int] = SIZE) -> Image.Image:
    image = Image.new(mode, size, paper)
    ImageDraw.Draw(image).rectangle(INK_BOX, ink)
    return image


def encode(image: Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def make_deep(dtype: str, largest: float) -> Image.Image:
    return Image.fromarray((np.asarray(draw()) / 255 * largest).astype(dtype))


def make_lab() -> Image.Image:
    grey = Image.new("L", SIZE, 128)
    return Image.merge("LAB", [draw(), grey, grey])


FILES = {
    "PNG": encode(draw()),
    "JPEG": encode(draw(), "JPEG"),
    "progressive JPEG": encode(draw().convert("RGB"), "JPEG", progressive=True),
    "WebP": encode(draw().convert("RGB"), "WEBP"),
    "GIF": encode(draw(), "GIF"),
    "BMP": encode(draw().convert("RGB"), "BMP"),
    "TIFF": encode(draw(), "TIFF", compression="tiff_lzw"),
    "palette": encode(draw().convert("RGB").quantize(2)),
    "1 bit": encode(draw().convert("1"), "TIFF", compression="group4"),
    "16 bits": encode(make_deep("uint16", 65535)),
    "16 bits TIFF": encode(make_deep("uint16", 65535), "TIFF"),
    "32 bits": encode(make_deep("int32", 1_000_000), "TIFF"),
    "fractions": encode(make_deep("float32", 1.0), "TIFF"),
    "CMYK": encode(draw().convert("CMYK"), "JPEG"),
    "CMYK TIFF": encode(draw().convert("CMYK"), "TIFF"),
    "CIELAB": encode(make_lab(), "TIFF"),
    "transparent paper": encode(draw((0, 0, 0, 0), (0, 0, 0, 255), "RGBA")),
    "transparent paper, WebP": encode(draw((0, 0, 0, 0), (0, 0, 0, 255), "RGBA"), "WEBP", lossless=True),
    "transparent colour": encode(draw().convert("RGB"), transparency=(255, 255, 255)),
    "opaque": encode(draw().convert("LA")),
}


@pytest.mark.parametrize("encoded", FILES.values(), ids=FILES)
def test_decode_picture_of_every_kind_is_dark_ink_on_white(encoded: bytes) -> None:
    drawing = decode_picture(encoded).luminance
    assert (drawing.dtype, drawing.shape) == (np.uint8, SIZE[::-1])
    # JPEG rings at sharp edges.
    np.testing.assert_allclose(drawing, np.asarray(draw()), atol=40)


@pytest.mark.parametrize("ink", [(255, 255, 255, 255), (255, 230, 0, 255)], ids=["white", "yellow"])
def test_decode_picture_of_light_ink_on_transparency_is_laid_on_black(ink: tuple[int, ...]) -> None:
    drawing = decode_picture(encode(draw((0, 0, 0, 0), ink, "RGBA"))).luminance
    assert drawing[0, 0] == 0
    assert drawing[20, 15] > 200


def test_decode_picture_of_faint_light_ink_on_transparency_is_laid_on_black() -> None:
    drawing = decode_picture(encode(draw((0, 0, 0, 0), (255, 255, 255, 100), "RGBA"))).luminance
    assert drawing[0, 0] == 0
    assert drawing[20, 15] == 100


def test_decode_picture_of_a_sheet_with_transparent_corners_stays_on_white() -> None:
    sheet = draw((255, 255, 255, 255), (0, 0, 0, 255), "RGBA")
    sheet.paste((0, 0, 0, 0), (40, 0, 60, 40))
    assert decode_picture(encode(sheet)).luminance[0, 50] == 255


def test_decode_picture_of_full_transparency_is_white() -> None:
    assert (decode_picture(encode(Image.new("RGBA", SIZE))).luminance == 255).all()


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_decode_picture_turned_by_exif_is_upright(file_format: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # The camera was held so that the picture's right side is down.
    lying = draw().transpose(Image.Transpose.ROTATE_90)
    drawing = decode_picture(encode(lying.convert("RGB"), file_format, exif=exif)).luminance
    np.testing.assert_allclose(drawing, np.asarray(draw()), atol=60)


def test_decode_picture_of_a_photo_is_reduced_by_area() -> None:
    photo = draw().resize((4000, 3000), Image.Resampling.NEAREST)
    for encoded in (encode(photo, "JPEG"), encode(photo)):
        drawing = decode_picture(encoded).luminance
        assert drawing.shape == (750, 1000)
        assert max(drawing.shape) <= MAX_DRAWING_SIDE
        assert drawing.mean() == pytest.approx(np.asarray(draw()).mean(), abs=1)


def test_decode_picture_of_a_long_strip_keeps_its_length() -> None:
    assert decode_picture(encode(Image.new("L", (5000, 1)))).luminance.shape == (1, 1000)


def save_frames(file_format: str) -> bytes:
    frames = [draw(ink=shade).convert("RGB") for shade in (0, 90)]
    return encode(frames[0], file_format, save_all=True, append_images=frames[1:])


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_decode_picture_of_several_pictures_is_refused(file_format: str) -> None:
    with pytest.raises(DrawingError, match=wording("picture_animated")) as caught:
        decode_picture(save_frames(file_format))
    assert caught.value.code == "animated_image"


STRANGE = {
    "nothing": b"",
    "text": b"seven",
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><text>7</text></svg>',
    "PNG by name only": b"\x89PNG\r\n\x1a\n" + b"<svg/>" * 9,
    "PDF": b"%PDF-1.7\n",
    "PPM, which Pillow could read": encode(draw(), "PPM"),
    "ICO, likewise": encode(draw().convert("RGB"), "ICO"),
}


@pytest.mark.parametrize("encoded", STRANGE.values(), ids=STRANGE)
def test_decode_picture_of_no_image_is_refused(encoded: bytes) -> None:
    with pytest.raises(DrawingError, match=wording("picture_unknown", size=f"{len(encoded):,}")) as caught:
        decode_picture(encoded)
    assert caught.value.code == "not_an_image"


@pytest.mark.parametrize("kind", [b"heic", b"heix", b"mif1"])
def test_decode_picture_of_a_heic_says_how_to_make_a_jpeg_of_it(kind: bytes) -> None:
    with pytest.raises(DrawingError, match=wording("picture_heic")) as caught:
        decode_picture(b"\0\0\0\x18ftyp" + kind + b"\0\0\0\0mif1heic")
    assert caught.value.code == "not_an_image"


@pytest.mark.parametrize("name", ["PNG", "JPEG", "progressive JPEG", "WebP", "BMP", "TIFF"])
def test_decode_picture_of_a_cut_file_is_refused(name: str) -> None:
    with pytest.raises(DrawingError) as caught:
        decode_picture(FILES[name][:-30])
    assert caught.value.code in {"broken_image", "not_an_image"}


def make_png(width: int, height: int, pixels: bytes = bytes(9)) -> bytes:
    """A PNG in RGBA that says how large it is, whatever pixels follow."""

    def make_chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = make_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + make_chunk(b"IDAT", zlib.compress(pixels)) + make_chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(0, 10), (10, 0)])
def test_decode_picture_without_pixels_is_refused(width: int, height: int) -> None:
    with pytest.raises(DrawingError) as caught:
        decode_picture(make_png(width, height))
    assert caught.value.code in {"empty_image", "not_an_image"}


@pytest.mark.parametrize("side", [5_000, 60_000])
def test_decode_picture_of_too_many_pixels_is_refused(side: int) -> None:
    with pytest.raises(DrawingError) as caught:
        decode_picture(make_png(side, side))
    assert caught.value.code == "image_too_large"


def test_decode_picture_at_the_limit_is_taken() -> None:
    assert decode_picture(FILES["PNG"], max_pixels=2400).luminance.shape == (40, 60)
    with pytest.raises(
        DrawingError, match=wording("picture_too_large", kind="an image", width=60, height=40, most="2,399")
    ):
        decode_picture(FILES["PNG"], max_pixels=2399)


MEASURE_PEAK = """
import resource, sys
from pathlib import Path
from digits.data.image_file import decode_picture
from digits.errors import DrawingError
from tests.wordings import wording
encoded = Path({path!r}).read_bytes()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    decode_picture(encoded)
except DrawingError as error:
    print(error.code)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize(("side", "most_mib", "answer"), [(4_000, 130, []), (15_000, 10, ["image_too_large"])])
def test_decode_picture_of_a_bomb_takes_little_memory(
    side: int,
    most_mib: int,
    answer: list[str],
    tmp_path: Path,
    run_as_served: Callable[[str], subprocess.CompletedProcess[str]],
) -> None:
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(make_png(side, side, bytes(side * (side * 4 + 1)) if side < 5000 else bytes(100_000_000)))
    assert bomb.stat().st_size < 200_000
    done = run_as_served(MEASURE_PEAK.format(path=str(bomb)))
    assert done.returncode == 0, done.stderr
    *code, peak_mib = done.stdout.split()
    assert code == answer
    assert int(peak_mib) < most_mib


# What takes the most memory of each kind, as large as it is taken: no more than a sixth of a GB.
HEAVY: dict[str, Callable[[], bytes]] = {
    "WebP": lambda: encode(Image.new("RGBA", (2300, 2300), (90, 60, 30, 128)), "WEBP", lossless=True, method=0),
    "CMYK": lambda: encode(Image.new("CMYK", (2800, 2800), (9, 99, 60, 30)), "JPEG", progressive=True),
    "16 bits": lambda: encode(make_deep("uint16", 65535).resize((4000, 4000)), "PNG", compress_level=1),
    "TIFF in one strip": lambda: encode(
        Image.new("RGBA", (4000, 4000), (9, 99, 60, 30)),
        "TIFF",
        compression="tiff_adobe_deflate",
        strip_size=64_000_000,
    ),
}


@pytest.mark.parametrize("name", HEAVY)
def test_decode_picture_of_what_needs_most_takes_bounded_memory(
    name: str, tmp_path: Path, run_as_served: Callable[[str], subprocess.CompletedProcess[str]]
) -> None:
    heavy = tmp_path / "heavy"
    heavy.write_bytes(HEAVY[name]())
    done = run_as_served(MEASURE_PEAK.format(path=str(heavy)))
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 140


@pytest.mark.parametrize(("file_format", "mode", "share"), [("WEBP", "RGB", 3), ("JPEG", "CMYK", 2)])
def test_decode_picture_of_what_needs_more_memory_takes_fewer_pixels(file_format: str, mode: str, share: int) -> None:
    encoded = encode(Image.new(mode, (30, 10)), file_format)
    assert decode_picture(encoded, max_pixels=300 * share).luminance.shape == (10, 30)
    kind = f"a {file_format} ({mode})"
    with pytest.raises(DrawingError, match=wording("picture_too_large", kind=kind, width=30, height=10, most=299)):
        decode_picture(encoded, max_pixels=300 * share - 1)


def write_tiled(order: str, is_big: bool, tag_type: int) -> bytes:
    """A TIFF of 28x28 whose tags of tiles are of a type."""
    size, start = ("Q", 16) if is_big else ("I", 8)
    tags = {256: 28, 257: 28, 258: 8, 262: 1, 273: 0, 279: 0, 322: 9999, 323: 9999}
    types = [tag_type if tag in (322, 323) else 4 for tag in tags]
    head = struct.pack(f"{order}2sH", b"II" if order == "<" else b"MM", 43 if is_big else 42)
    head += struct.pack(f"{order}HHQQ", 8, 0, start, len(tags)) if is_big else struct.pack(f"{order}IH", 8, len(tags))
    entry = f"{order}HH{size}I{'4x' if is_big else ''}"
    return head + b"".join(struct.pack(entry, tag, types.pop(0), 1, tags[tag]) for tag in tags) + bytes(8)


@pytest.mark.parametrize("tag_type", [4, 17])
@pytest.mark.parametrize(("order", "is_big"), [("<", False), (">", False), ("<", True)])
def test_decode_picture_in_tiles_is_refused(order: str, is_big: bool, tag_type: int) -> None:
    with pytest.raises(DrawingError, match=wording("picture_in_tiles")) as caught:
        decode_picture(write_tiled(order, is_big, tag_type))
    assert caught.value.code == "tiled_image"


@pytest.mark.parametrize("seed", range(4))
def test_decode_picture_of_damaged_files_raises_nothing_else(seed: int) -> None:
    rng = np.random.default_rng(seed)
    files = [*FILES.values(), *map(save_frames, ("GIF", "PNG", "WEBP", "TIFF"))]
    for _ in range(300):
        damaged = bytearray(files[rng.integers(len(files))])
        start, end = sorted(rng.integers(0, len(damaged), 2))
        for place in rng.integers(0, min(len(damaged), 200), rng.integers(0, 6)):
            damaged[place] = rng.integers(256)
        if rng.random() < 0.3:
            del damaged[start:end]
        try:
            drawing = decode_picture(bytes(damaged)).luminance
        except DrawingError:
            continue
        assert drawing.dtype == np.uint8
        assert drawing.size > 0
