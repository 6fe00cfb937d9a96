"""The service's settings, read once from the environment when it starts."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from digits.data.image_file import MAX_DRAWING_PIXELS
from digits.data.images import SIZE
from digits.errors import ConfigurationError
from digits.inference.precision import Precision

ENV_PREFIX = "DIGITS_"
# The models are found from this file, so that the working directory does not matter.
_REPOSITORY_ROOT = Path(__file__).resolve().parents[2]
# A header carries such text unchanged: printable ASCII, with no blank at its beginning or end.
_HEADER_TEXT = re.compile(r"[!-~]([ -~]*[!-~])?")
# As a browser writes it: lower case, without a path, and without a slash at the end.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s,?#@A-Z*]+")
_SECRETS = ("api_key", "second_api_key")


class Settings(BaseSettings):
    """What an operator can set: `DIGITS_MODEL_PATH=/models/mine.h5` and so on. An empty variable counts as unset."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_ignore_empty=True, frozen=True, hide_input_in_errors=True
    )

    model_path: Path = Field(
        default=_REPOSITORY_ROOT / "models" / "digits.h5",
        description="The .h5 to serve, as `make run_train` writes it.",
    )
    line_model_path: Path = Field(
        default=_REPOSITORY_ROOT / "models" / "lines.h5",
        description="The .h5 that reads lines, for /read and /predict/image, as `make train_lines` writes it.",
    )
    page_model_path: Path = Field(
        default=_REPOSITORY_ROOT / "models" / "pages.h5",
        description="The .h5 that finds the digits of a page, for /read, as `make train_pages` writes it.",
    )
    precision: Precision = Field(
        default="auto",
        description="The graphs that compute: `int8`, `fp32`, or int8 where the processor is made for it.",
    )
    num_threads: int = Field(
        default=1,
        ge=1,
        le=256,
        description="Threads for one prediction; one image is too small to share out, so more of them only wait.",
    )
    max_body_bytes: int = Field(
        default=1024 * 1024,
        # In bytes. The longest sensible row, 784 pixels of 17 digits each, must always fit.
        ge=32 * 1024,
        le=64 * 1024 * 1024,
        description="The largest request body that is read; a row is about 12 kB.",
    )
    log_format: Literal["json", "text"] = Field(
        default="json",
        description="A line of JSON for each request, or uvicorn's own; `--no-access-log` silences both.",
    )
    max_batch_images: int = Field(
        default=1000,
        ge=1,
        le=100_000,
        description="The most images in one request to /predict/batch or /v2/models/digits/infer.",
    )
    max_batch_body_bytes: int = Field(
        default=16 * 1024 * 1024,
        ge=32 * 1024,
        le=1024 * 1024 * 1024,
        description="The largest body of such a request; an image is 784 bytes, or up to 16 kB as JSON.",
    )
    max_image_bytes: int = Field(
        default=10 * 1024 * 1024,
        ge=32 * 1024,
        le=256 * 1024 * 1024,
        description="The largest body with a picture, for /predict/image or /read.",
    )
    max_image_pixels: int = Field(
        default=MAX_DRAWING_PIXELS,
        ge=SIZE * SIZE,
        # In pixels. Pillow itself refuses more, as a decompression bomb.
        le=170_000_000,
        description="The most pixels of such a picture, of a WebP a third; refused before they are decoded.",
    )
    request_seconds: float = Field(
        default=10,
        gt=0,
        le=600,
        description="Seconds in which a request's headers must come, and then its body.",
    )
    max_header_bytes: int = Field(
        default=64 * 1024,
        ge=8 * 1024,
        le=1024 * 1024,
        description="The largest line and headers of a request together; 100 headers at most.",
    )
    write_seconds: float = Field(
        default=10,
        gt=0,
        le=600,
        description="Seconds in which a client must take what of its answer the system does not hold; then it is cut.",
    )
    max_wait_seconds: float = Field(
        default=5,
        gt=0,
        le=600,
        description="Seconds that batches and pictures, read one after the other, may wait; then the answer is 503.",
    )
    max_in_flight: int = Field(
        default=128,
        ge=1,
        le=65536,
        description="Requests that a worker takes at once; to more it answers 503 at once. An image takes under 1 ms.",
    )
    max_in_flight_bytes: int = Field(
        default=64 * 1024 * 1024,
        ge=32 * 1024,
        le=16 * 1024 * 1024 * 1024,
        description="Bytes of their bodies together; to more it answers 503. A body alone is taken in any case.",
    )
    drain_seconds: float = Field(
        default=0,
        ge=0,
        le=600,
        description="Seconds for which it still serves after SIGTERM, no longer ready, before it stops listening.",
    )
    api_key: SecretStr | None = Field(
        default=None,
        description="Requests must carry it, `Authorization: Bearer <key>`; not for health, /metrics, /docs, page.",
    )
    second_api_key: SecretStr | None = Field(
        default=None,
        description="A key that is taken as well, so that clients can change from one to the other.",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Origins whose pages may call this service, with commas between them; `*` for those of any origin.",
    )
    metrics_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="A port that answers /metrics and nothing else; /metrics is then gone from the other port.",
    )

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split_origins(cls, origins: str | tuple[str, ...]) -> tuple[str, ...]:
        """Refuse an origin that no browser would send, because its pages would be shut out."""
        listed = tuple(origins.replace(",", " ").split()) if isinstance(origins, str) else origins
        if not all(origin == "*" or _ORIGIN.fullmatch(origin) for origin in listed):
            raise PydanticCustomError("cors_origins", "origins such as https://example.org, without a slash at the end")
        return listed

    @field_validator(*_SECRETS)
    @classmethod
    def _check_api_key(cls, api_key: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """Refuse a key that no request could carry, because it would lock everybody out."""
        if api_key is None:
            return None
        # A key that was refused is not among the values either, but then the process does not start in any case.
        if info.field_name != "api_key" and info.data.get("api_key", api_key) is None:
            raise PydanticCustomError("api_key", f"none without {ENV_PREFIX}API_KEY")
        # A file that an editor or `echo` wrote ends with a line break, which is no part of the key.
        key = api_key.get_secret_value().removesuffix("\n").removesuffix("\r")
        if not _HEADER_TEXT.fullmatch(key):
            raise PydanticCustomError("api_key", "printable ASCII, with no blank at its beginning or end")
        return SecretStr(key)

    def list_keys(self) -> list[str]:
        """Return the keys of which a request must carry one; none if anybody may ask."""
        return [key.get_secret_value() for key in (self.api_key, self.second_api_key) if key is not None]


def read_settings() -> Settings:
    """Read the environment.

    Raises:
        ConfigurationError: If a variable is wrong; names every wrong one, in one line.
    """
    try:
        return Settings()
    except ValidationError as error:
        faults = error.errors(include_url=False)
        raise ConfigurationError(" ".join(map(_describe_fault, faults))) from error


def _describe_fault(fault: ErrorDetails) -> str:
    is_secret = fault["loc"][0] in _SECRETS
    received = "one that is not shown" if is_secret else repr(str(fault["input"])[:64])
    name = ".".join(map(str, fault["loc"])).upper()
    return f"{ENV_PREFIX}{name}: received {received}, expected: {fault['msg'].removeprefix('Input should be ')}."
