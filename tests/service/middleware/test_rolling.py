import shutil
from pathlib import Path

import pytest

from tests.service.rolling import replace_all


@pytest.mark.skipif(
    shutil.which("haproxy") is None, reason="haproxy is not installed (Debian: apt-get install haproxy)"
)
@pytest.mark.parametrize("is_kept", [False, True], ids=["new connections", "kept connections"])
def test_replacing_both_instances_under_load_fails_no_request(tmp_path: Path, is_kept: bool) -> None:
    answers = replace_all(1, tmp_path, is_kept)
    assert set(answers) == {200}, answers
