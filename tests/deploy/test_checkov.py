"""What is deployed holds to checkov's and zizmor's policies; each exception says why."""

import os
import re
import subprocess

import pytest

from tests.deploy.manifests import ROOT

SKIPPED = 77


def test_manifests_dockerfiles_and_workflows_hold_to_the_policies() -> None:
    script = ROOT / "tests" / "deploy" / "check_policy.sh"
    ended = subprocess.run([script], env=os.environ, capture_output=True, text=True, check=False)
    if ended.returncode == SKIPPED:
        pytest.skip(ended.stderr.strip().splitlines()[-1])
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_every_exception_says_why() -> None:
    lines = (ROOT / "tests" / "deploy" / "checkov.yaml").read_text().splitlines()
    exceptions = [number for number, line in enumerate(lines) if re.match(r"  - CKV", line)]
    assert exceptions
    assert [lines[number] for number in exceptions if not lines[number - 1].startswith("  # ")] == []
