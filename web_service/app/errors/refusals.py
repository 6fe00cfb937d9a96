"""What the service refuses, as one tree; `error_answers` tells how each is answered.

    ServiceError (a DigitsError)
    ├── InvalidJsonError           400
    ├── InvalidTextError           400
    ├── InvalidMultipartError      400
    ├── InvalidInferenceError      400
    ├── UnauthorizedError          401
    ├── UnknownPathError           404
    ├── MethodNotAllowedError      405
    ├── RequestTimeoutError        408
    ├── BodyTooLargeError          413
    ├── UnsupportedMediaTypeError  415
    ├── UnsupportedEncodingError   415
    ├── WrongBatchSizeError        422
    ├── WrongFileCountError        422
    └── those of `server_errors`   500, 503

A row that breaks the 28x28 contract arrives as `digits.errors.PixelError`, a file that is no picture as
`digits.errors.DrawingError`; both are answered with 422.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from digits.errors import DigitsError

ErrorCode = Literal[
    "animated_image",
    "body_too_large",
    "broken_image",
    "image_too_large",
    "internal_error",
    "invalid_csv",
    "invalid_json",
    "invalid_multipart",
    "invalid_text",
    "method_not_allowed",
    "missing_images",
    "missing_pixel",
    "not_a_number",
    "not_an_array",
    "not_an_image",
    "not_an_object",
    "not_found",
    "overloaded",
    "pixel_out_of_range",
    "request_timeout",
    "shutting_down",
    "tiled_image",
    "unauthorized",
    "unknown_field",
    "unsupported_content_encoding",
    "unsupported_media_type",
    "wrong_batch_size",
    "wrong_file_count",
    "wrong_shape",
]

# A client's own words are repeated in an answer only so far.
_CHARS_SHOWN = 64
ROW_IN_SHORT = '{"pixel0": 0, ..., "pixel783": 0}'
SMALLER_ROW = "Send one row of 784 pixels, about 12 kB."
FEWER_IMAGES = "Send fewer images at once."
SMALLER_PICTURE = "Reduce the picture; a digit is read from a few hundred pixels as well."


class ServiceError(DigitsError):
    """A request that is refused.

    Attributes:
        status: The HTTP status.
        code: Machine-readable reason.
        message: What came and what was expected.
        field: Always None here: these refuse the whole request.
        hint: How to mend it.
        headers: What the answer carries beside its body.
    """

    status: ClassVar[int]
    code: ClassVar[str]
    field: ClassVar[None] = None

    def __init__(self, message: str, *, hint: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{message} {hint}")
        self.message = message
        self.hint = hint
        self.headers = headers


class InvalidJsonError(ServiceError):
    """The body is not JSON."""

    status = 400
    code = "invalid_json"

    def __init__(self, received: str, example: str = ROW_IN_SHORT) -> None:
        super().__init__(
            f"Received {received}, expected one JSON object.",
            hint=f"Send {example} in UTF-8; NaN, Infinity and trailing commas are not JSON.",
        )


class InvalidTextError(ServiceError):
    """The body is not text."""

    status = 400
    code = "invalid_text"

    def __init__(self, position: int) -> None:
        super().__init__(
            f"Received a body that stops being UTF-8 at byte {position:,}, expected text.",
            hint="Save it as UTF-8, uncompressed.",
        )


class InvalidMultipartError(ServiceError):
    """The body is not what multipart/form-data promises."""

    status = 400
    code = "invalid_multipart"

    def __init__(self) -> None:
        super().__init__(
            "Received multipart/form-data that cannot be split into its parts, expected one file.",
            hint="Let the client write the header with its boundary, as curl does: -F file=@digit.png.",
        )


class InvalidInferenceError(ServiceError):
    """The body is not an inference request of the Open Inference Protocol, or asks for what there is not."""

    status = 400
    code = "invalid_inference_request"

    def __init__(self, message: str) -> None:
        super().__init__(message, hint="Find the tensors at /v2/models/digits.")


class UnauthorizedError(ServiceError):
    """The operator asks for a key, and the request does not carry it."""

    status = 401
    code = "unauthorized"

    def __init__(self) -> None:
        super().__init__(
            "Received no key or a wrong one, expected the key of this service.",
            hint="Send the header, with curl: -H 'Authorization: Bearer <key>'.",
            headers={"WWW-Authenticate": "Bearer"},
        )


class UnknownPathError(ServiceError):
    """Nothing is served at this path."""

    status = 404
    code = "not_found"

    def __init__(self, path: str) -> None:
        super().__init__(
            f"Received a request for {path[:_CHARS_SHOWN]}, expected a path that exists.",
            hint="Find every path at /docs.",
        )


class MethodNotAllowedError(ServiceError):
    """The path exists, but not for this method."""

    status = 405
    code = "method_not_allowed"

    def __init__(self, method: str, path: str, allowed: Sequence[str]) -> None:
        names = " or ".join(allowed)
        super().__init__(
            f"Received {method} for {path[:_CHARS_SHOWN]}, expected {names}.",
            hint=f"Send it with {names}.",
            headers={"Allow": ", ".join(allowed)},
        )


class RequestTimeoutError(ServiceError):
    """The body did not come in time."""

    status = 408
    code = "request_timeout"

    def __init__(self, limit_seconds: float) -> None:
        super().__init__(
            f"Received only a part of the body in {limit_seconds:g} s, expected all of it.",
            hint="Send the request again, in one go.",
        )


class BodyTooLargeError(ServiceError):
    """The body is larger than the operator allows."""

    status = 413
    code = "body_too_large"

    def __init__(self, limit_bytes: int, hint: str = SMALLER_ROW) -> None:
        super().__init__(
            f"Received a body of more than {limit_bytes:,} bytes, expected at most that.",
            hint=hint,
        )


class UnsupportedMediaTypeError(ServiceError):
    """The body does not say that it is of a type that can be read."""

    status = 415
    code = "unsupported_media_type"

    def __init__(
        self,
        content_type: str | None,
        expected: Sequence[str] = ("application/json",),
        example: str = "application/json",
    ) -> None:
        received = f"content type {content_type[:_CHARS_SHOWN]}" if content_type else "no content type"
        super().__init__(
            f"Received {received}, expected {' or '.join(expected)}.",
            hint=f"Send the header, with curl: -H 'Content-Type: {example}'.",
        )


class UnsupportedEncodingError(ServiceError):
    """The body is compressed."""

    status = 415
    code = "unsupported_content_encoding"

    def __init__(self, encoding: str) -> None:
        super().__init__(
            f"Received Content-Encoding {encoding[:_CHARS_SHOWN]}, expected none.",
            hint="Send it uncompressed.",
            # How RFC 9110 says that it is the encoding, and not the type, that is not taken.
            headers={"Accept-Encoding": "identity"},
        )


class WrongBatchSizeError(ServiceError):
    """No images, or more than the operator allows."""

    status = 422
    code = "wrong_batch_size"

    def __init__(self, num_images: int, limit: int) -> None:
        super().__init__(
            f"Received {num_images:,} images, expected 1 to {limit:,}.",
            hint="Send them in several requests." if num_images else "Send at least one.",
        )


class WrongFileCountError(ServiceError):
    """No file, or more than one."""

    status = 422
    code = "wrong_file_count"

    def __init__(self, received: str) -> None:
        super().__init__(
            f"Received {received}, expected one file.",
            hint="Send one picture, with curl: -F file=@digit.png.",
        )
