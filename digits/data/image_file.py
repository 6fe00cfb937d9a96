"""Decode an image file as people send it into luminance, 0 black to 255 white.

No other module decodes bytes from strangers. Pillow reads six formats and no more, sizes are checked before pixels are
decoded, and whatever Pillow raises becomes a `DrawingError`.
"""

import warnings
from dataclasses import dataclass
from io import BytesIO
from math import ceil
from struct import unpack_from

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, PngImagePlugin

from digits.data.image_metadata import MOST_BYTES, check_metadata
from digits.errors import DrawingError

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
MAX_DRAWING_PIXELS = 16_000_000  # A phone's 12 megapixels fit; decoding so many takes about 130 MB.
MAX_DRAWING_SIDE = 1024  # Pixels; enough to read a digit that takes a thirtieth of a photo's width.

_STRIP_ROWS = 256
# What stands in bytes 4 to 12 of a HEIC (ISO/IEC 23008-12), as phones write it.
_HEIC = tuple(b"ftyp" + kind for kind in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))
_HEIC_HINT = (
    "Save it as JPEG: on a Mac `sips -s format jpeg in.heic --out out.jpg`, on Linux `heif-convert in.heic out.jpg`. "
    "An iPhone takes JPEGs with Settings > Camera > Formats > Most Compatible, an Android phone with its camera's high "
    "efficiency pictures off."
)
_TIFF_TILE_TAGS = frozenset({322, 323})
# Texts of a PNG may be compressed, a thousand to one.
PngImagePlugin.MAX_TEXT_MEMORY = MOST_BYTES
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Picture:
    """A decoded image file.

    Attributes:
        luminance: uint8 `(height, width)`, 0 black to 255 white, the longer side at most 1,024.
        scale: How many of the file's own pixels one of these is wide.
    """

    luminance: NDArray[np.uint8]
    scale: int


def decode_picture(encoded: bytes, max_pixels: int = MAX_DRAWING_PIXELS) -> Picture:
    """Decode an image file upright, lay transparency on paper, and reduce a large picture by area.

    Transparency is laid on white, as a browser shows it, or on black if all ink is light, because white would hide it.

    Args:
        encoded: A PNG, JPEG, WebP, GIF, BMP or TIFF with one picture, of any depth and colour model.
        max_pixels: A picture with more is refused before it is decoded. The limit is a third for WebP and a half for
            CMYK and for TIFF with 16 bits a colour, because they need more memory.

    Raises:
        DrawingError: If the file is none of these, broken, animated, in tiles, empty or too large, or has too much
            beside its pixels.
    """
    check_metadata(encoded)
    image = _open_image(encoded)
    longer_side = max(image.size)
    _check_size(image, max_pixels)
    try:
        _check_single(image)
        if image.format == "TIFF":
            _check_strips(encoded)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Odd metadata would leave a line each in the log.
            # A JPEG decoder can leave out detail; the others ignore this.
            image.draft("L", (MAX_DRAWING_SIDE, MAX_DRAWING_SIDE))
            image.load()
            luminance = _read_luminance(image)
    except DrawingError:
        raise
    # Decoders raise a dozen unrelated types for broken pixels.
    except Exception as error:
        raise DrawingError(
            f"Received a {image.format} whose pixels cannot be read ({error}), expected a whole file.",
            code="broken_image",
            hint="It may be cut off; save or send it again.",
        ) from error
    # It was reduced by a whole number; its last pixel may stand for fewer.
    return Picture(luminance, ceil(longer_side / max(luminance.shape)))


def _open_image(encoded: bytes) -> Image.Image:
    """Read the header only."""
    # Pillow would import its forty plugins to find these two.
    from PIL import TiffImagePlugin, WebPImagePlugin  # noqa: F401

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Sizes are checked next, and odd metadata does not matter.
            return Image.open(BytesIO(encoded), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise DrawingError(f"{error}", code="image_too_large", hint="Reduce it.") from error
    # Broken headers raise struct.error, OverflowError and others.
    except Exception as error:
        if encoded[4:12] in _HEIC:
            raise DrawingError(
                "Received a HEIC, expected a PNG, JPEG, WebP, GIF, BMP or TIFF.", code="not_an_image", hint=_HEIC_HINT
            ) from error
        raise DrawingError(
            f"Received {len(encoded):,} bytes that are no image, expected a PNG, JPEG, WebP, GIF, BMP or TIFF.",
            code="not_an_image",
            hint="Save the drawing as one of these; renaming a file does not change its format.",
        ) from error


def _check_size(image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    if width < 1 or height < 1:
        raise DrawingError(
            f"Received an image of {width}x{height} pixels, expected at least one pixel.",
            code="empty_image",
            hint="Send an image with a digit on it.",
        )
    weight = _weigh_pixel(image)
    if width * height * weight > max_pixels:
        kind = "an image" if weight == 1 else f"a {image.format} ({image.mode})"
        raise DrawingError(
            f"Received {kind} of {width}x{height} pixels, expected at most {max_pixels // weight:,} in all.",
            code="image_too_large",
            hint="Reduce it; a digit is read from a few hundred pixels as well.",
        )


def _weigh_pixel(image: Image.Image) -> int:
    """Return the memory that decoding a pixel takes, in units of the 4 to 8 bytes that most formats need."""
    # Pillow's decoder holds four copies of 4 bytes.
    if image.format == "WEBP":
        return 3
    # Beside the picture there are all coefficients of a progressive JPEG, or the one strip of a TIFF.
    is_deep = image.format == "TIFF" and image.mode in {"RGB", "RGBA"} and ";16" in str(getattr(image, "tile", ""))
    return 2 if is_deep or image.mode == "CMYK" else 1


def _check_strips(encoded: bytes) -> None:
    """Refuse a TIFF in tiles. They may be of any size in a small picture, and are unpacked whole."""
    # The tags are read here, because Pillow leaves out those of unknown types and libtiff does not.
    order = "<" if encoded.startswith(b"II") else ">"
    is_big = 43 in encoded[2:4]  # BigTIFF has longer numbers.
    place, size_format, step = (8, "Q", 20) if is_big else (4, "I", 12)
    (start,) = unpack_from(order + size_format, encoded, place)
    (num_tags,) = unpack_from(order + ("Q" if is_big else "H"), encoded, start)
    first = start + (8 if is_big else 2)
    tags = {unpack_from(order + "H", encoded, first + step * index)[0] for index in range(num_tags)}
    if tags & _TIFF_TILE_TAGS:
        raise DrawingError(
            "Received a TIFF in tiles, expected one in strips.",
            code="tiled_image",
            hint="Save it as PNG.",
        )


def _check_single(image: Image.Image) -> None:
    # A phone's JPEG may carry a thumbnail or depth map behind the picture; Pillow calls that MPO and reads the picture.
    if image.format != "MPO" and getattr(image, "is_animated", False):
        raise DrawingError(
            f"Received a {image.format} with several pictures, expected one.",
            code="animated_image",
            hint="Send the one picture that shows the digit.",
        )


def _read_luminance(image: Image.Image) -> NDArray[np.uint8]:
    factor = -(-max(image.size) // MAX_DRAWING_SIDE)
    if image.mode[0] in "IF":
        luminance = _read_deep(image, factor)
    elif image.has_transparency_data:
        luminance = _lay_on_paper(_reduce(image, "La", factor))
    else:
        luminance = _reduce(image, "L", factor)
    turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    return luminance if turn is None else np.asarray(Image.fromarray(luminance).transpose(turn))


def _reduce(image: Image.Image, mode: str, factor: int) -> NDArray[np.uint8]:
    """Convert and reduce in strips, because a copy of all pixels in another mode would double or triple the memory."""
    width, height = image.size
    rows = factor * max(_STRIP_ROWS // factor, 1)
    strips = []
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height)))
        if mode == "La":
            strip = strip.convert("RGBA").convert("LA")
        elif strip.mode == "LAB":
            strip = strip.getchannel("L")
        elif strip.mode.startswith("I;16"):
            strip = Image.fromarray((np.asarray(strip) >> 8).astype(np.uint8))
        strip = strip.convert(mode)
        strips.append(np.asarray(strip.reduce(factor) if factor > 1 else strip))
    return np.concatenate(strips)


def _lay_on_paper(premultiplied: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Composite uint8 `(height, width, 2)`, luminance times opacity and opacity, on white or black paper."""
    opacity = premultiplied[..., 1]
    covered = np.minimum(premultiplied[..., 0], opacity)  # Rounding may make the product larger by one.
    opaque = opacity > opacity.max() / 2
    # A light sheet with dark ink and transparent corners has dark pixels, and so is laid on white.
    is_ink = opaque.mean() < 2 / 3 and opaque.any()
    only_light_ink = is_ink and np.percentile(covered[opaque] / opacity[opaque], 2) > 0.5
    return covered if only_light_ink else covered + (255 - opacity)


def _read_deep(image: Image.Image, factor: int) -> NDArray[np.uint8]:
    """Scale more than 8 bits to 8: 16 bits by their range, 32 bits and fractions by the smallest and largest value."""
    if image.mode.startswith("I;16"):
        return _reduce(image, "L", factor)
    values = np.nan_to_num(np.asarray(image.reduce(factor), np.float64))
    darkest, lightest = values.min(), values.max()
    if darkest == lightest:
        return np.full(values.shape, 255, np.uint8)
    luminance: NDArray[np.uint8] = ((values - darkest) * (255 / (lightest - darkest))).astype(np.uint8)
    return luminance
