"""What README.md and docs/api.md say of the service holds for the service that runs."""

import re
import subprocess
import sys
from typing import Any

import pytest

from app.settings import ENV_PREFIX, Settings
from tests.service.server import ROOT, Server

README = (ROOT / "README.md").read_text()
API = (ROOT / "docs/api.md").read_text()
# Most of the documents' tables name a thing in their first column; that of errors has the code in the second.
ROWS = [[cell.strip().strip("`") for cell in line.strip("| ").split("|")] for line in API.splitlines()]


def list_paths(markdown: str) -> list[str]:
    return re.findall(r"^\| `((?:GET|POST) /[^`]*)`", markdown, re.MULTILINE)


def test_api_lists_every_path_once_with_its_method(server: Server) -> None:
    paths = server.request("GET", "/openapi.json").json["paths"]
    served = [f"{method.upper()} {path}" for path, operations in paths.items() for method in operations]
    assert sorted(list_paths(API)) == sorted([*served, "GET /docs"])


def test_readme_lists_only_paths_that_there_are() -> None:
    assert len(list_paths(README)) > 5
    assert set(list_paths(README)) <= set(list_paths(API))


def test_api_lists_every_error_code_and_no_other(server: Server) -> None:
    schemas = server.request("GET", "/openapi.json").json["components"]["schemas"]
    codes = [row[1].strip("`") for row in ROWS if re.fullmatch(r"[45]\d\d", row[0])]
    assert sorted(codes) == sorted(schemas["ErrorDetail"]["properties"]["code"]["enum"])


def test_api_gives_each_error_of_a_path_its_status(server: Server) -> None:
    listed = {row[1].strip("`"): row[0] for row in ROWS if re.fullmatch(r"[45]\d\d", row[0])}
    paths = server.request("GET", "/openapi.json").json["paths"]
    seen = set()
    for operation in [one for path, operations in paths.items() if "/v2" not in path for one in operations.values()]:
        for status, response in operation["responses"].items():
            for code in response.get("content", {}).get("application/json", {}).get("examples", {}):
                seen.add(code)
                assert listed[code] == status
    assert len(seen) > 20


@pytest.mark.parametrize("name", ["Prediction", "ReadDigit", "ModelInfo"])
def test_api_lists_every_field_of_an_answer(server: Server, name: str) -> None:
    schemas = server.request("GET", "/openapi.json").json["components"]["schemas"]
    assert [field for field in schemas[name]["properties"] if f"`{field}`" not in API] == []


@pytest.mark.parametrize("field", ["digit", "confidence", "probabilities", "accepted", "reason", "model"])
def test_readme_lists_every_field_of_a_prediction(server: Server, field: str) -> None:
    schemas = server.request("GET", "/openapi.json").json["components"]["schemas"]
    assert field in schemas["Prediction"]["properties"]
    assert f"\n| `{field}` | " in README


@pytest.mark.parametrize("name", Settings.model_fields)
def test_api_lists_every_setting_with_its_default(name: str) -> None:
    (row,) = [row for row in ROWS if row[0] == f"{ENV_PREFIX}{name.upper()}"]
    default: Any = Settings.model_fields[name].default
    shown = "none" if default in (None, ()) else str(default)
    paths = {"model_path": "models/digits.h5", "line_model_path": "models/lines.h5"}
    paths["page_model_path"] = "models/pages.h5"
    assert row[1].strip("`") == paths.get(name, shown)


def test_api_lists_no_setting_that_there_is_not() -> None:
    listed = {row[0] for row in ROWS if row[0].startswith(ENV_PREFIX)}
    assert listed == {f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields}


@pytest.mark.parametrize("document", [README, API], ids=["README", "API"])
def test_documents_name_only_settings_that_there_are(document: str) -> None:
    named = set(re.findall(rf"{ENV_PREFIX}[A-Z_]+", document))
    assert named
    assert named <= {f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields}


def test_client_of_the_protocol_runs(server: Server) -> None:
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", API, re.DOTALL) if "triton" in block]
    assert "localhost:9696" in code
    code = code.replace("localhost:9696", f"127.0.0.1:{server.port}")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert re.fullmatch(r"\[\d( \d){4}\]\n", done.stdout), done.stderr
