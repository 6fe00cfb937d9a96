"""How a command ends that was stopped from outside or by a mistake."""

import ast
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from digits.errors import ConfigurationError, DigitsError, end_in_one_line
from tests.conftest import ROOT

# Each module that a person can start, and its text.
COMMANDS = {
    str(path.relative_to(ROOT)): text
    for path in [ROOT / "train.py", *sorted((ROOT / "digits").rglob("*.py"))]
    if 'if __name__ == "__main__":' in (text := path.read_text(encoding="utf-8"))
}

WORK = """
import signal, sys, tempfile
from digits.errors import end_in_one_line

with end_in_one_line("it goes on later."), tempfile.TemporaryDirectory(dir=sys.argv[1]):
    print("at work", flush=True)
    signal.pause()
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


@pytest.fixture
def default_sigterm() -> Iterator[None]:
    """`end_in_one_line` takes the signal over for the rest of a command."""
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


@pytest.mark.usefixtures("default_sigterm")
@pytest.mark.parametrize("error", [ConfigurationError("Received 0."), FileExistsError(17, "File exists", "reports")])
def test_end_in_one_line_after_a_mistake_says_which_and_fails(error: DigitsError | OSError) -> None:
    with pytest.raises(SystemExit) as ended, end_in_one_line("it goes on later."):
        raise error
    assert ended.value.code == f"error: {error}"


@pytest.mark.usefixtures("default_sigterm")
def test_end_in_one_line_leaves_a_fault_of_the_program_alone() -> None:
    with pytest.raises(KeyError), end_in_one_line("it goes on later."):
        raise KeyError("forgotten")


def test_commands_are_found() -> None:
    assert {"train.py", "digits/exploration/search.py", "digits/training/export.py"} <= COMMANDS.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_command_runs_main_inside_end_in_one_line(name: str) -> None:
    (start,) = ast.parse(COMMANDS[name]).body[-1].body
    assert [ast.unparse(item.context_expr.func) for item in start.items] == ["end_in_one_line"]
    assert [ast.unparse(line) for line in start.body] == ["main()"]
