"""The bodies that `POST /predict/batch` takes, each parsed to pixels."""

from collections.abc import Callable

from app.errors.refusals import ServiceError
from app.prediction.reading import Pixels
from app.requests.body import JSON, name_media_type, parse_json, refuse_type
from digits.data.kaggle_csv import parse_table
from digits.data.pixel_json import parse_images, unpack_images
from digits.errors import PixelError

BATCH_IN_SHORT = '{"images": [[784 numbers], ...]}'


def parse_json_images(body: bytes | bytearray, max_images: int) -> Pixels:
    """Parse `{"images": [...]}` to pixels, uint8 or float32 `(n, 784)`, 0-255.

    Raises:
        ServiceError: If the body is not JSON, or has far more values than so many images.
        PixelError: If the JSON is no object with images, or an image is wrong.
    """
    content = parse_json(body, BATCH_IN_SHORT, max_images)
    if not isinstance(content, dict) or "images" not in content:
        raise PixelError(
            "Received JSON without images, expected one object with them.",
            code="missing_images",
            field="images",
            hint=f"Send {BATCH_IN_SHORT}.",
        )
    if unknown := [name for name in content if name != "images"]:
        raise PixelError(
            f"Received {unknown[0][:32]} beside images, expected nothing else.",
            code="unknown_field",
            field=unknown[0][:32],
            hint="Remove it.",
        )
    return parse_images(content["images"])


def parse_csv_images(body: bytes | bytearray) -> Pixels:
    """Parse a table in the layout of Kaggle's test.csv to pixels, uint8 `(n, 784)`, 0-255.

    Raises:
        ServiceError: If the body is not text.
        PixelError: If the table has another layout, or a pixel is wrong.
    """
    try:
        # Excel begins a file in UTF-8 with a byte order mark, which utf-8-sig skips.
        return parse_table(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ServiceError("invalid_text", position=error.start) from error


_PARSERS: dict[str, Callable[[bytearray, int], Pixels]] = {
    JSON: parse_json_images,
    "application/octet-stream": lambda body, max_images: unpack_images(body),
    "text/csv": lambda body, max_images: parse_csv_images(body),
}
BATCH_TYPES = tuple(_PARSERS)
"""The content types that can be read into images."""


def choose_parser(content_type: str | None) -> Callable[[bytearray, int], Pixels]:
    """Return the function that parses a body of this type to pixels, uint8 or float32 `(n, 784)`, 0-255.

    It takes the body, and the most images that are allowed.

    Raises:
        ServiceError: If no function does.
    """
    parser = _PARSERS.get(name_media_type(content_type))
    if parser is None:
        raise refuse_type(content_type, BATCH_TYPES)
    return parser
