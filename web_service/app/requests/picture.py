"""The bodies that hold a picture: the file itself, or a form that holds the file."""

import logging

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, FormParser, parse_options_header

from app.errors.refusals import ServiceError
from app.requests.body import name_media_type, refuse_type

BYTES = "application/octet-stream"
FORM = "multipart/form-data"
PICTURE_TYPES = ("image/*", BYTES, FORM)
# A form may hold this many fields beside its file. Without a limit a client could keep the parser busy.
_MAX_FIELDS = 16
# The parser would write a line into the log for each mistake of a client, with what the client sent.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


def check_picture_type(content_type: str | None) -> None:
    """Refuse a content type that promises no picture. The format of a picture is told by its first bytes, not by this.

    Raises:
        ServiceError: If the type is neither an image's, nor that of bytes, nor a form's.
    """
    media_type = name_media_type(content_type)
    if not media_type.startswith("image/") and media_type not in (BYTES, FORM):
        raise refuse_type(content_type, PICTURE_TYPES, "image/png")


def unpack_picture(content_type: str | None, body: bytes | bytearray) -> bytes:
    """Return the bytes of the picture's file.

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
