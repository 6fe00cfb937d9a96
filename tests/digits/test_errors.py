"""How a command ends that was stopped from outside."""

import signal
import subprocess
import sys
from pathlib import Path

WORK = """
import sys, tempfile, time
from digits.errors import end_in_one_line

with end_in_one_line("it goes on later."), tempfile.TemporaryDirectory(dir=sys.argv[1]):
    print("at work", flush=True)
    time.sleep(60)
"""


def test_end_in_one_line_killed_tidies_up_and_says_how_to_go_on(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WORK, tmp_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"at work\n"
        process.send_signal(signal.SIGTERM)
        assert process.stderr.read().decode().strip() == "Interrupted; it goes on later."
    assert process.returncode == 1
    assert not list(tmp_path.iterdir())
