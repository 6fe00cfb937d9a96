"""The bodies that hold a picture: the file itself, a form with the file, or the file in base64, also inside JSON."""

import binascii
import logging
import re

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, FormParser, parse_options_header

from app.errors.refusals import ServiceError
from app.requests.body import JSON, name_media_type, parse_json, refuse_type

BYTES = "application/octet-stream"
FORM = "multipart/form-data"
TEXT = "text/plain"
PICTURE_TYPES = ("image/*", BYTES, FORM, JSON, TEXT)
TEXT_IN_SHORT = "data:image/png;base64,..."
"""What a canvas's `toDataURL` returns."""
IMAGE_IN_SHORT = f'{{"image": "{TEXT_IN_SHORT}"}}'
# The beginning of a data URL (RFC 2397). Its media type is passed over, because the file's first bytes tell the format.
_DATA_URL = re.compile(rb"data:[^,]{0,256};base64,", re.IGNORECASE)
# base64url (RFC 4648) has two other characters.
_FROM_URL_SAFE = bytes.maketrans(b"-_", b"+/")
# `base64` breaks its lines.
_WHITE_SPACE = b" \t\r\n"
# A form may hold this many fields beside its file. Without a limit a client could keep the parser busy.
_MAX_FIELDS = 16
# The parser would write a line into the log for each mistake of a client, with what the client sent.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


def check_picture_type(content_type: str | None) -> None:
    """Refuse a content type that promises no picture. The format of a picture is told by its first bytes, not by this.

    Raises:
        ServiceError: If the type is neither an image's, nor one of the other `PICTURE_TYPES`.
    """
    media_type = name_media_type(content_type)
    if not media_type.startswith("image/") and media_type not in PICTURE_TYPES:
        raise refuse_type(content_type, PICTURE_TYPES, "image/png")


def unpack_picture(content_type: str | None, body: bytes | bytearray) -> bytes:
    """Return the bytes of the picture's file.

    Raises:
        ServiceError: If a form cannot be split into its parts, or does not hold one file; if JSON does not hold one
            image; if text is not base64.
    """
    media_type = name_media_type(content_type)
    if media_type == FORM:
        return _unpack_form(content_type, body)
    if media_type == JSON:
        return _decode_text(_find_image(parse_json(body, IMAGE_IN_SHORT)), IMAGE_IN_SHORT)
    return _decode_text(body, TEXT_IN_SHORT) if media_type == TEXT else bytes(body)


def _find_image(content: object) -> bytes:
    if not isinstance(content, dict):
        raise _refuse_json("JSON that is no object")
    if unknown := [name for name in content if name != "image"]:
        raise _refuse_json(f"{unknown[0][:32]} in the object")
    if not isinstance(content.get("image"), str):
        raise _refuse_json("another image" if "image" in content else "an object without image")
    text: str = content["image"]
    return text.encode()


def _refuse_json(received: str) -> ServiceError:
    return ServiceError("invalid_image_json", received=received, example=IMAGE_IN_SHORT)


def _decode_text(text: bytes | bytearray, example: str) -> bytes:
    """Decode base64, with or without a data URL's beginning, line breaks and padding."""
    start = _DATA_URL.match(text)
    letters = text[start.end() if start else 0 :].translate(_FROM_URL_SAFE, delete=_WHITE_SPACE).rstrip(b"=")
    try:
        file = binascii.a2b_base64(letters + b"=" * (-len(letters) % 4), strict_mode=True)
    except binascii.Error as error:
        received = "a data URL that is not base64" if start else "text that is not base64"
        raise ServiceError("invalid_base64", received=received, example=example) from error
    if not file:
        raise ServiceError("invalid_base64", received="no text", example=example)
    return file


def _unpack_form(content_type: str | None, body: bytes | bytearray) -> bytes:
    files: list[File] = []
    fields: list[Field] = []
    ends: list[bool] = []

    def take_file(file: File) -> None:
        files.append(file)
        if len(files) > 1:
            raise ServiceError("wrong_file_count", received="several files")

    def take_field(field: Field) -> None:
        fields.append(field)
        if len(fields) > _MAX_FIELDS:
            raise ServiceError("wrong_file_count", received=f"more than {_MAX_FIELDS} fields")

    boundary = parse_options_header(content_type)[1].get(b"boundary")
    # The file stays in memory, which the limit of the body bounds, because there may be no folder to write to.
    config = {"MAX_MEMORY_FILE_SIZE": len(body) + 1}
    try:
        parser = FormParser(
            FORM, take_field, take_file, on_end=lambda: ends.append(True), boundary=boundary, config=config
        )
        parser.write(bytes(body))
    except FormParserError as error:
        raise ServiceError("invalid_multipart") from error
    if not ends:
        raise ServiceError("invalid_multipart")
    if not files:
        raise ServiceError("wrong_file_count", received="a form without a file")
    content = files[0].file_object
    content.seek(0)
    return content.read()
