"""What Schemathesis makes of the OpenAPI document, right and wrong, sent to the real service; every check of its own.

In the long run, 200 cases an operation: FUZZ_CASES=200 python -m pytest tests/service/openapi/test_fuzz.py
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from digits.data.images import PIXEL_NAMES
from tests.service.server import Server, serve

NUM_CASES = os.environ.get("FUZZ_CASES", "3")
MAX_IMAGES = 2
# A schema cannot say which bytes are a picture, nor that a tensor is as long as its shape: what fits it may be refused.
# Of rows and batches Schemathesis would try every pixel in turn in its phase of coverage.
CONFIG = """
[[operations]]
include-path = ["/predict/image", "/read", "/v2/models/digits/infer"]
checks.positive_data_acceptance.enabled = false

[[operations]]
include-path = ["/predict", "/predict/batch"]
phases.coverage.enabled = false
"""


def make_drawable(openapi: dict[str, Any]) -> dict[str, Any]:
    """Say the same of a row pixel by pixel: of a pattern, 784 names are never drawn."""
    contents = {
        path: openapi["paths"][path]["post"]["requestBody"]["content"] for path in ("/predict", "/predict/batch")
    }
    row = contents["/predict"]["application/json"]["schema"]
    del row["propertyNames"]
    pixel, row["additionalProperties"] = row["additionalProperties"], False
    # Pixels that are all fractions of 1 are refused, which the schema does not say.
    row |= {"properties": {**dict.fromkeys(PIXEL_NAMES, pixel), "pixel0": {**pixel, "minimum": 2}}}
    row["required"] = PIXEL_NAMES
    for image in contents["/predict/batch"]["application/json"]["schema"]["properties"]["images"]["items"]["anyOf"]:
        image["items"].get("items", image["items"])["minimum"] = 2
    # Of bytes and of text a schema cannot say what is right.
    for media_type in ("application/octet-stream", "text/csv"):
        del contents["/predict/batch"][media_type]
    return openapi


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A service whose batches are short, as its document says."""
    with serve(tmp_path, DIGITS_MAX_BATCH_IMAGES=str(MAX_IMAGES)) as server:
        yield server


def test_service_holds_what_its_document_promises(server: Server, tmp_path: Path) -> None:
    document, config = tmp_path / "openapi.json", tmp_path / "schemathesis.toml"
    document.write_text(json.dumps(make_drawable(server.request("GET", "/openapi.json").json)))
    config.write_text(CONFIG)
    command = [Path(sys.executable).with_name("schemathesis"), "--config-file", config, "run", document]
    options = f"--url {server.url} --max-examples {NUM_CASES} --seed 1 --continue-on-failure --no-color"
    kept = "--generation-deterministic --suppress-health-check all"
    done = subprocess.run(
        [*command, *options.split(), *kept.split()], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
