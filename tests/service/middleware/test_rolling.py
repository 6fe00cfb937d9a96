import shutil
from pathlib import Path

import pytest

from tests.service.rolling import replace_all


@pytest.mark.skipif(
    shutil.which("haproxy") is None, reason="haproxy is not installed (Debian: apt-get install haproxy)"
)
def test_replacing_both_instances_under_load_fails_no_request(tmp_path: Path) -> None:
    answers = replace_all(1, tmp_path)
    assert set(answers) == {200}, answers
