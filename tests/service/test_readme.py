"""What README.md says of the service holds for the service that runs."""

import re
import subprocess
import sys
from typing import Any

import pytest

from app.settings import ENV_PREFIX, Settings
from tests.service.server import ROOT, Server

README = (ROOT / "README.md").read_text()
ROWS = [[cell.strip().strip("`") for cell in line.strip("| ").split("|")] for line in README.splitlines()]
# Health and metadata of the protocol are told of in one row, with the protocol itself.
UNLISTED = {"/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/digits", "/v2/models/digits/ready"}


def test_readme_lists_every_path(server: Server) -> None:
    paths = set(server.request("GET", "/openapi.json").json["paths"])
    listed = {row[0].partition(" ")[2] for row in ROWS if row[0].startswith(("GET /", "POST /"))}
    assert listed == paths - UNLISTED | {"/docs"}


@pytest.mark.parametrize("name", Settings.model_fields)
def test_readme_lists_every_setting_with_its_default(name: str) -> None:
    (row,) = [row for row in ROWS if row[0] == f"{ENV_PREFIX}{name.upper()}"]
    default: Any = Settings.model_fields[name].default
    shown = {"model_path": "models/digits.h5", "line_model_path": "models/lines.h5", "api_key": "none"}.get(
        name, str(default)
    )
    assert row[1] == shown


def test_readme_lists_no_setting_that_there_is_not() -> None:
    listed = {row[0] for row in ROWS if row[0].startswith(ENV_PREFIX)}
    assert listed == {f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields}


def test_readme_client_of_the_protocol_runs(server: Server) -> None:
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "triton" in block]
    assert "localhost:9696" in code
    code = code.replace("localhost:9696", f"127.0.0.1:{server.port}")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert re.fullmatch(r"\[\d( \d){4}\]\n", done.stdout), done.stderr
