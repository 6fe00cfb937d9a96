"""How the tests run a script that builds an image where its tools are."""

import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

SKIPPED = 77


def run_build(script: str, log: Path) -> None:
    """Run a script of this folder; skip the test where a tool is missing, and fail it with what the script printed."""
    with log.open("w") as output:
        command = [ROOT / "tests" / "deploy" / script]
        ended = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, timeout=1800, check=False)
    if ended.returncode == SKIPPED:
        pytest.skip(log.read_text().strip().splitlines()[-1])
    assert ended.returncode == 0, log.read_text()
    print(log.read_text())
