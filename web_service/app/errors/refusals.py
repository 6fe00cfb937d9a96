"""What the service refuses: one table of all refusals, and the one exception that is raised for each of them.

Content that breaks the 28x28 contract arrives as `digits.errors.PixelError`, and a file that is no picture as
`digits.errors.DrawingError`. Both are answered with 422. `handlers` gives every error its shape.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

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
"""Every code that `error.code` of an answer can hold."""

ROW_IN_SHORT = '{"pixel0": 0, ..., "pixel783": 0}'
SMALLER_ROW = "Send one row of 784 pixels, about 12 kB."
FEWER_IMAGES = "Send fewer images at once."
SMALLER_PICTURE = "Reduce the picture; a digit is read from a few hundred pixels as well."
_IN_A_SECOND = {"Retry-After": "1"}


@dataclass(frozen=True)
class Refusal:
    """How one code is answered. The texts are templates, which `ServiceError` fills.

    Attributes:
        status: The HTTP status.
        summary: When it is answered, for the OpenAPI document.
        message: What was received and what was expected. What a client sent is repeated up to 64 characters.
        hint: How to mend it.
        headers: The headers that the answer carries beside those of its body.
    """

    status: int
    summary: str
    message: str
    hint: str
    headers: Mapping[str, str] = field(default_factory=dict)


REFUSALS: Mapping[str, Refusal] = {
    "invalid_json": Refusal(
        400,
        "The body is not JSON.",
        "Received {received}, expected one JSON object.",
        "Send {example} in UTF-8; NaN, Infinity and trailing commas are not JSON.",
    ),
    "invalid_text": Refusal(
        400,
        "The body is not text.",
        "Received a body that stops being UTF-8 at byte {position:,}, expected text.",
        "Save it as UTF-8, uncompressed.",
    ),
    "invalid_multipart": Refusal(
        400,
        "The body is not what multipart/form-data promises.",
        "Received multipart/form-data that cannot be split into its parts, expected one file.",
        "Let the client write the header with its boundary, as curl does: -F file=@digit.png.",
    ),
    "invalid_inference_request": Refusal(
        400,
        "The body is not an inference request of the Open Inference Protocol, or asks for what there is not.",
        "Received {received}, expected {expected}.",
        "Find the tensors at /v2/models/digits.",
    ),
    "unauthorized": Refusal(
        401,
        "The operator asks for a key, and the request does not carry it.",
        "Received no key or a wrong one, expected the key of this service.",
        "Send the header, with curl: -H 'Authorization: Bearer <key>'.",
        {"WWW-Authenticate": "Bearer"},
    ),
    "not_found": Refusal(
        404,
        "Nothing is served at this path.",
        "Received a request for {path:.64}, expected a path that exists.",
        "Find every path at /docs.",
    ),
    "method_not_allowed": Refusal(
        405,
        "The path exists, but not for this method.",
        "Received {method} for {path:.64}, expected {methods}.",
        "Send it with {methods}.",
        {"Allow": "{allow}"},
    ),
    "request_timeout": Refusal(
        408,
        "The body did not come in time.",
        "Received only a part of the body in {seconds:g} s, expected all of it.",
        "Send the request again, in one go.",
    ),
    "body_too_large": Refusal(
        413,
        "The body is larger than the operator allows.",
        "Received a body of more than {limit_bytes:,} bytes, expected at most that.",
        "{hint}",
    ),
    "unsupported_media_type": Refusal(
        415,
        "The body does not say that it is of a type that can be read.",
        "Received {received}, expected {expected}.",
        "Send the header, with curl: -H 'Content-Type: {example}'.",
    ),
    "unsupported_content_encoding": Refusal(
        415,
        "The body is compressed.",
        "Received Content-Encoding {encoding:.64}, expected none.",
        "Send it uncompressed.",
        # RFC 9110 says so that the encoding is not taken, and not the type.
        {"Accept-Encoding": "identity"},
    ),
    "wrong_batch_size": Refusal(
        422,
        "No images, or more than the operator allows.",
        "Received {num_images:,} images, expected 1 to {limit:,}.",
        "{hint}",
    ),
    "wrong_file_count": Refusal(
        422,
        "No file, or more than one.",
        "Received {received}, expected one file.",
        "Send one picture, with curl: -F file=@digit.png.",
    ),
    "internal_error": Refusal(
        500,
        "A fault of ours; what it was stands in the log only.",
        "The request failed through a fault of the service, which is logged.",
        "Try again; if it fails again, tell the operator when it happened.",
    ),
    "overloaded": Refusal(
        503,
        "More at once than the operator allows: requests, or bytes of their bodies.",
        "Received more than {limit:,} {unit} at once, expected at most that.",
        "Try again in a second.",
        _IN_A_SECOND,
    ),
    "shutting_down": Refusal(
        503,
        "The process was told to end; it still serves, but wants no new clients.",
        "Received a question for readiness while the service is ending, expected it before that.",
        "Ask another instance.",
        _IN_A_SECOND,
    ),
}


class ServiceError(DigitsError):
    """A request that is refused as a whole.

    Attributes:
        code: The machine-readable reason.
        message: What was received and what was expected.
        hint: How to mend it.
        refusal: The entry of the table.
        headers: The headers that the answer carries beside those of its body.
    """

    def __init__(self, code: ErrorCode | Literal["invalid_inference_request"], **values: object) -> None:
        self.code = code
        self.refusal = REFUSALS[code]
        self.message = self.refusal.message.format(**values)
        self.hint = self.refusal.hint.format(**values)
        self.headers = {name: text.format(**values) for name, text in self.refusal.headers.items()}
        super().__init__(f"{self.message} {self.hint}")
