"""What the settings let a pod hold at the same time, summed and compared with its limit.

`python -m benchmarks.serving.attack` measures what is held in truth.
"""

from typing import Any

import pytest

from app.settings import ENV_PREFIX, Settings
from tests.deploy.manifests import get_container, get_only, read_objects

MEBIBYTE = 2**20
# Resident at rest, in the image (docs/deployment.md, "The image").
IDLE_BYTES = 156_000_000
# Decoding takes 4 to 8 bytes a pixel; formats that take more may have fewer pixels (digits/data/image_file.py).
BYTES_OF_PIXEL = 8
# The file of a form, and two copies on its way to the decoder, beside the body that is counted as in flight.
COPIES_OF_PICTURE = 3
# An empty object in a list; the most that a JSON value takes but for long texts, whose bytes are the body's.
BYTES_OF_VALUE = 72
VALUES_OF_IMAGE = 784 + 28 + 1
# A body's text, where it is a CSV or a JSON string in which one character needs four bytes.
BYTES_OF_CHARACTER = 4


def sum_memory(settings: Settings) -> dict[str, int]:
    """Return the most that each part may take, in bytes."""
    picture = settings.max_image_pixels * BYTES_OF_PIXEL + COPIES_OF_PICTURE * settings.max_image_bytes
    values = settings.max_batch_images * VALUES_OF_IMAGE * BYTES_OF_VALUE + settings.max_batch_body_bytes
    text = settings.max_batch_body_bytes * BYTES_OF_CHARACTER
    return {
        "at rest": IDLE_BYTES,
        "bodies in flight": max(
            settings.max_in_flight_bytes,
            settings.max_body_bytes,
            settings.max_batch_body_bytes,
            settings.max_image_bytes,
        ),
        # The worker thread computes one picture or batch at a time.
        "what is computed": max(picture, values, text),
        "headers in flight": settings.max_in_flight * settings.max_header_bytes,
    }


def read_settings(container: dict[str, Any]) -> Settings:
    """Return the settings that a container's environment gives, and the defaults for the rest."""
    given = {one["name"].removeprefix(ENV_PREFIX).lower(): one["value"] for one in container["env"] if "value" in one}
    return Settings(**{name: value for name, value in given.items() if name in Settings.model_fields})


def read_limit(container: dict[str, Any]) -> int:
    """Return the memory limit in bytes."""
    text = container["resources"]["limits"]["memory"]
    assert text.endswith("Mi")
    return int(text.removesuffix("Mi")) * MEBIBYTE


def test_what_the_settings_allow_at_once_fits_the_pods_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"{ENV_PREFIX}{name.upper()}", raising=False)
    container = get_container(get_only(read_objects("kube-config/gateway-deployment.yaml"), "Deployment"))
    parts = sum_memory(read_settings(container))
    assert sum(parts.values()) <= read_limit(container), {name: part / MEBIBYTE for name, part in parts.items()}
