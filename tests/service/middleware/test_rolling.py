"""SIGTERM without a warning: DIGITS_DRAIN_SECONDS alone, with no preStop, keeps requests from failing."""

import shutil
from pathlib import Path

import pytest

from tests.service.rolling import MODES, replace_all

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("haproxy") is None, reason="haproxy is not installed (Debian: apt-get install haproxy)"
    ),
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("is_kept", [False, True], ids=["new connections", "kept connections"])
def test_replacing_both_instances_under_load_fails_no_request(tmp_path: Path, is_kept: bool, mode: str) -> None:
    answers = replace_all(1, tmp_path, is_kept, mode)
    assert set(answers) == {200}, answers


def test_without_a_drain_replacing_them_fails_requests(tmp_path: Path) -> None:
    # What the tests above would miss if they saw nothing.
    answers = replace_all(1, tmp_path, drain_seconds="0")
    assert set(answers) > {200}, answers
