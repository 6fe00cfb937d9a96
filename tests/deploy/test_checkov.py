"""What is deployed holds to the policies and schemas of `make policy`; each exception says why."""

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


def test_continuous_integration_installs_what_checks_the_policies_before_it_tests() -> None:
    commands = (ROOT / ".ci" / "run").read_text().splitlines()
    assert commands.index("make .venv-policy/.ready") < commands.index("make test")


def test_every_dockerfile_is_checked() -> None:
    script = (ROOT / "tests" / "deploy" / "check_policy.sh").read_text()
    dockerfiles = [*(ROOT / "web_service").rglob("*Dockerfile"), *(ROOT / "kube-config").rglob("*Dockerfile")]
    assert dockerfiles
    assert [path for path in dockerfiles if path.relative_to(ROOT).as_posix() not in script] == []


def test_exception_in_a_dockerfile_says_why() -> None:
    for path in (ROOT / "kube-config").rglob("*Dockerfile"):
        for line in path.read_text().splitlines():
            assert "checkov:skip" not in line or re.fullmatch(r"# checkov:skip=CKV_\w+: .{20,}", line), path


def test_every_exception_says_why() -> None:
    lines = (ROOT / "tests" / "deploy" / "checkov.yaml").read_text().splitlines()
    exceptions = [number for number, line in enumerate(lines) if re.match(r"  - CKV", line)]
    assert exceptions
    assert [lines[number] for number in exceptions if not lines[number - 1].startswith("  # ")] == []
