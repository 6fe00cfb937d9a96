"""Parse and check pixels that come as JSON or as bytes.

Nearly every client sends a row of 784 whole numbers. `read_row_text` reads such a row from its JSON text without making
a dictionary. Anything else goes to `parse_row`, which reads the same pixels or names the fault.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import NoReturn

import msgspec
import numpy as np
from numpy.typing import NDArray

from digits.data.images import MAX_PIXEL, NUM_PIXELS, PIXEL_NAMES, SIZE
from digits.errors import PixelError

_PIXEL_NAME_SET = frozenset(PIXEL_NAMES)
_read_pixels = itemgetter(*PIXEL_NAMES)
_NAMES_SHOWN = 5  # An error lists so many names at most.
# No field is a container, so the garbage collector need not follow it.
_Row = msgspec.defstruct("_Row", [(name, int) for name in PIXEL_NAMES], forbid_unknown_fields=True, gc=False)
_decoder = msgspec.json.Decoder(_Row)


def read_row_text(body: bytes | bytearray) -> NDArray[np.uint8] | None:
    """Read a row of whole numbers.

    Args:
        body: JSON.

    Returns:
        uint8 `(784,)`, 0-255; None if the body is anything but an object of the 784 pixels, in any order, each a whole
        number 0-255.
    """
    try:
        return np.frombuffer(bytes(msgspec.structs.astuple(_decoder.decode(body))), np.uint8)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        return None


def parse_row(row: object) -> NDArray[np.float32]:
    """Read one request row, `{"pixel0": 0, ..., "pixel783": 0}` in any key order.

    Returns:
        float32 `(784,)`, 0-255. Fractions are kept, because a resized drawing may hold them.

    Raises:
        PixelError: If a pixel is missing, unknown, not a number or out of range; names the first one. If the pixels are
            on a scale of 0 to 1.
    """
    if not isinstance(row, Mapping):
        raise PixelError(
            f"Received {_name_json_type(row)}, expected one JSON object.",
            code="not_an_object",
            hint='Send {"pixel0": 0, ..., "pixel783": 0}.',
        )
    try:
        values = _read_pixels(row)
    except KeyError:
        _refuse_names(row)
    if len(row) != NUM_PIXELS:
        _refuse_names(row)
    return _check_scale(_parse_values(values, ""))


def parse_images(listed: object) -> NDArray[np.float32]:
    """Read a JSON array of images, each of them 784 numbers or 28 rows of 28.

    Returns:
        float32 `(n, 784)`, 0-255. Fractions are kept.

    Raises:
        PixelError: If an image has another shape, or a pixel is not a number or out of range; names the first one,
            as `images[3].pixel12`. If all images are on a scale of 0 to 1.
    """
    if not isinstance(listed, list):
        raise PixelError(
            f"Received {_name_json_type(listed)} for images, expected an array of images.",
            code="not_an_array",
            field="images",
            hint=f"Send an array, each image {NUM_PIXELS} numbers or {SIZE} rows of {SIZE}.",
        )
    # The array is made once all are parsed: a list of zeros, one byte each, would ask for 3 kB a zero.
    images = [_parse_image(f"images[{index}]", image) for index, image in enumerate(listed)]
    return _check_scale(np.array(images, np.float32).reshape(-1, NUM_PIXELS))


def check_images(images: NDArray[np.integer] | NDArray[np.floating]) -> NDArray[np.float32]:
    """Check images that come as an array of numbers.

    Args:
        images: Anything, `(n, 784)`.

    Returns:
        float32 `(n, 784)`, 0-255. Fractions are kept.

    Raises:
        PixelError: If a pixel is out of range or NaN; names the first one, as `images[3].pixel12`. If all images are on
            a scale of 0 to 1.
    """
    if images.dtype != np.uint8:
        # NaN compares false with everything.
        is_wrong = ~((images >= 0) & (images <= MAX_PIXEL))
        if is_wrong.any():
            index, pixel = divmod(int(is_wrong.argmax()), NUM_PIXELS)
            _check_pixel(f"images[{index}].{PIXEL_NAMES[pixel]}", images[index, pixel].item())
    return _check_scale(images.astype(np.float32))


def unpack_images(content: bytes | bytearray) -> NDArray[np.uint8]:
    """Read images as bytes, one byte a pixel, row by row and image after image.

    Returns:
        uint8 `(n, 784)`.

    Raises:
        PixelError: If the last image is not whole.
    """
    if len(content) % NUM_PIXELS:
        raise PixelError(
            f"Received {len(content):,} bytes, expected a multiple of {NUM_PIXELS}, one byte a pixel.",
            code="wrong_shape",
            hint=f"Send {SIZE} rows of {SIZE} bytes for each image, one image after the other, and nothing between.",
        )
    return np.frombuffer(content, np.uint8).reshape(-1, NUM_PIXELS)


def _flatten(name: str, image: object) -> list[object]:
    if isinstance(image, list):
        if len(image) == NUM_PIXELS:
            return image
        if len(image) == SIZE and all(isinstance(line, list) and len(line) == SIZE for line in image):
            return list(chain.from_iterable(image))
    received = f"an array of {len(image):,}" if isinstance(image, list) else _name_json_type(image)
    raise PixelError(
        f"Received {received} for {name}, expected {NUM_PIXELS} numbers or {SIZE} rows of {SIZE}.",
        code="wrong_shape",
        field=name,
        hint=f"Resize the image to {SIZE}x{SIZE} and send every pixel, 0 where there is no ink.",
    )


def _parse_image(name: str, image: object) -> NDArray[np.float32]:
    return _parse_values(_flatten(name, image), f"{name}.")


def _parse_values(values: Sequence[object], prefix: str) -> NDArray[np.float32]:
    pixels = _pack(values)
    if pixels is None:
        for name, value in zip(PIXEL_NAMES, values, strict=True):
            _check_pixel(prefix + name, value)
        pixels = np.array(values, np.float32)
    return pixels


def _pack(values: Sequence[object]) -> NDArray[np.float32] | None:
    """Check and pack plain numbers in C; return None if there is anything else, which `_check_pixel` then names."""
    # Python counts a bool as an int, so the types are compared exactly.
    types = set(map(type, values))
    try:
        if types == {int}:
            return np.frombuffer(bytes(values), np.uint8).astype(np.float32)  # type: ignore[arg-type]  # all are int
        if types <= {int, float}:
            pixels = np.array(values, np.float64)
            # NaN compares false with everything, so it is refused here too.
            return pixels.astype(np.float32) if ((pixels >= 0) & (pixels <= MAX_PIXEL)).all() else None
    except (ValueError, OverflowError):
        pass  # An integer outside 0-255, or beyond float64.
    return None


def _check_pixel(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PixelError(
            f"Received {_name_json_type(value)} for {name}, expected a number 0-{MAX_PIXEL}.",
            code="not_a_number",
            field=name,
            hint=f"Send {name} as a plain JSON number.",
        )
    if not 0 <= value <= MAX_PIXEL:
        # Python's own json reads integers of any length, which cannot be shown in short.
        shown = "a huge integer" if isinstance(value, int) and value.bit_length() > 1000 else _show(value)
        raise PixelError(
            f"Received {shown} for {name}, expected a number 0-{MAX_PIXEL}.",
            code="pixel_out_of_range",
            field=name,
            hint=f"Scale grey levels to 0-{MAX_PIXEL}, where 0 is paper and {MAX_PIXEL} is ink.",
        )


def _show(value: float) -> str:
    """Return a number in six digits, or in full where those would look like one that is allowed."""
    short = f"{value:.6g}"
    return repr(value) if 0 <= float(short) <= MAX_PIXEL else short


def _check_scale(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the pixels, float32 `(784,)` or `(n, 784)`, unless they are fractions of 1, which would all be paper.

    Whole numbers may be: an empty sheet has pixels of 0 and 1, too.
    """
    if pixels.size and pixels.max() <= 1 and (pixels % 1).any():
        raise PixelError(
            f"Received pixels of 0-1 with fractions, expected numbers 0-{MAX_PIXEL}.",
            code="wrong_scale",
            hint=f"Scale grey levels to 0-{MAX_PIXEL}, where 0 is paper and {MAX_PIXEL} is ink: "
            f"multiply them by {MAX_PIXEL}.",
        )
    return pixels


def _refuse_names(row: Mapping[str, object]) -> NoReturn:
    missing = [name for name in PIXEL_NAMES if name not in row]
    unknown = [str(name)[:32] for name in row if name not in _PIXEL_NAME_SET]
    found = f"Received {len(row) - len(unknown)} pixels, expected {NUM_PIXELS}"
    if missing:
        also = f"; unknown: {join_names(unknown)}" if unknown else ""
        raise PixelError(
            f"{found}; missing: {join_names(missing)}{also}.",
            code="missing_pixel",
            field=missing[0],
            hint=f"Send every pixel from pixel0 to pixel{NUM_PIXELS - 1}, 0 where there is no ink.",
        )
    raise PixelError(
        f"{found} and nothing else; unknown: {join_names(unknown)}.",
        code="unknown_field",
        field=unknown[0],
        hint="Remove what is not a pixel.",
    )


def join_names(names: list[str]) -> str:
    """Return the first names for an error, and how many more there are."""
    rest = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _name_json_type(value: object) -> str:
    if value is None:
        return "null"
    names = {
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "a string",
        list: "an array",
        dict: "an object",
    }
    return names.get(type(value), "another type")
