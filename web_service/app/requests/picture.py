"""The bodies that hold a picture: the file itself, or a form with it."""

import logging

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, FormParser, parse_options_header

from app.errors.refusals import ServiceError
from app.requests.body import name_media_type, refuse_type

BYTES = "application/octet-stream"
FORM = "multipart/form-data"
PICTURE_TYPES = ("image/*", BYTES, FORM)
# A form may say more than the file; beyond this it is no form, and a parser would be busy with it.
_MAX_FIELDS = 16
# It would log what clients send, a line for each mistake.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


def check_picture_type(content_type: str | None) -> None:
    """Refuse what does not say that it is a picture; what it is in truth, its first bytes tell.

    Raises:
        ServiceError: If it is neither an image, nor bytes, nor a form.
    """
    media_type = name_media_type(content_type)
    if not media_type.startswith("image/") and media_type not in (BYTES, FORM):
        raise refuse_type(content_type, PICTURE_TYPES, "image/png")


def unpack_picture(content_type: str | None, body: bytes | bytearray) -> bytes:
    """Return the picture's file.

    Raises:
        ServiceError: If a form cannot be split into its parts, or does not hold one file.
    """
    return _unpack_form(content_type, body) if name_media_type(content_type) == FORM else bytes(body)


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
    # In memory, which the body's limit bounds: a folder to write to is not everywhere.
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
