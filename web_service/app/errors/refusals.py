"""What the service refuses: one table of all refusals, refusals.json, and the one exception that is raised for them.

Content that breaks the 28x28 contract arrives as `digits.errors.PixelError`, and a file that is no picture as
`digits.errors.DrawingError`. Both are answered with 422. `handlers` gives every error its shape.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from digits.errors import DigitsError

ErrorCode = Literal[
    "animated_image",
    "body_too_large",
    "broken_image",
    "headers_too_large",
    "image_too_large",
    "internal_error",
    "invalid_base64",
    "invalid_compression",
    "invalid_csv",
    "invalid_http",
    "invalid_image_json",
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
    "too_many_values",
    "too_much_metadata",
    "unauthorized",
    "unknown_field",
    "unsupported_content_encoding",
    "unsupported_media_type",
    "wait_too_long",
    "wrong_batch_size",
    "wrong_file_count",
    "wrong_scale",
    "wrong_shape",
]
"""Every code that `error.code` of an answer can hold."""

ROW_IN_SHORT = '{"pixel0": 0, ..., "pixel783": 0}'
SMALLER_ROW = "Send one row of 784 pixels, about 12 kB."
FEWER_IMAGES = "Send fewer images at once."
SMALLER_PICTURE = "Reduce the picture; a digit is read from a few hundred pixels as well."


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


_TABLE = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
REFUSALS: Mapping[str, Refusal] = {code: Refusal(**entry) for code, entry in _TABLE.items()}
"""How each code of this service's own refusals is answered."""


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
