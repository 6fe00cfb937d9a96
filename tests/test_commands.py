"""The commands that a person types: make's targets, the server and the client, on a real socket."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys

import pytest

from tests.conftest import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("*/README.md"))]
PROMISED = (
    "setup",
    "run_train",
    "test_server",
    "test_client",
    "docker_build",
    "docker_run",
    "submission",
    "test",
    "lint",
)

ROOMS = ("web_service", "digits", "digits/scoring", "digits/training")

# Where `make test` runs the tests, neither its flags nor its variables may reach the make that they start.
VARIABLES = {"MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", *re.findall(r"\$\((?:if \$\()?([A-Z_]+)", MAKEFILE)}
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in VARIABLES}


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["make", f"PYTHON={sys.executable}", *arguments]
    return subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False)


def find_targets() -> set[str]:
    return set(re.findall(r"^([a-z_]+):.*##", MAKEFILE, re.MULTILINE))


def test_make_alone_lists_every_target_with_a_line_each():
    listed = {line.split()[0] for line in make().stdout.splitlines()}
    assert listed == find_targets()
    assert listed >= set(PROMISED)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_name_only_make_targets_that_exist(document):
    named = set(re.findall(r"\bmake ([a-z_]+)", "\n".join(_find_code(document.read_text()))))
    assert named <= find_targets()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_link_only_to_files_that_exist(document):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_training_document_lists_every_option():
    options = re.findall(r'add_argument\(\s*"(--[\w-]+)"', (ROOT / "train.py").read_text())
    listed = re.findall(r"^\| `(--[\w-]+)` \|", (ROOT / "docs/training.md").read_text(), re.MULTILINE)
    assert options
    assert listed == options


def _find_code(markdown: str) -> list[str]:
    return re.findall(r"```.*?```|`[^`\n]+`", markdown, re.DOTALL)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((), ["--data", "data/train.csv.gz", "--output", "models/digits.h5"]),
        (("DATA=mine.csv",), ["--data", "mine.csv", "--output", "models/digits.h5"]),
        (
            ("DATA=mine.csv", "TEST=other.csv", "MODEL=models/mine.h5", "ARGS=--resume"),
            ["--data", "mine.csv", "--test", "other.csv", "--output", "models/mine.h5", "--resume"],
        ),
    ],
)
def test_run_train_hands_on_what_it_is_given(given, expected):
    assert shlex.split(make("--dry-run", "run_train", *given).stdout)[2:] == expected


def test_run_train_hands_on_several_paths_as_one_word():
    words = shlex.split(make("--dry-run", "run_train", "DATA=data/train.csv.gz my_digits/").stdout)
    assert words[words.index("--data") + 1] == "data/train.csv.gz my_digits/"


@pytest.mark.parametrize(("target", "environment"), [("test_server", ".venv-serve"), ("run_train", ".venv")])
def test_server_needs_an_environment_without_training(tmp_path, target, environment):
    """In a fresh clone, where neither environment is made."""
    (tmp_path / "Makefile").write_text(MAKEFILE)
    for name in ("requirements.txt", "pyproject.toml", *(f"{room}/requirements.txt" for room in ROOMS)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text())
    command = ["make", "--dry-run", target]
    printed = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=True).stdout
    installed = re.search(rf"{environment}/bin/python -m pip install .*((?:\\\n.*)*)", printed)
    assert installed
    assert ("-r requirements.txt" in installed[0]) == (target == "run_train")
    assert f"\n{environment}/bin/python " in printed.split("touch")[-1]


@pytest.mark.parametrize("target", ["run_train", "train_lines", "fast_train", "validate", "tune"])
def test_every_training_takes_data_of_any_name(target):
    words = shlex.split(make("--dry-run", target, "DATA=my digits.csv").stdout)
    assert words[words.index("--data") + 1] == "my digits.csv"


def test_train_lines_writes_where_it_is_told():
    assert shlex.split(make("--dry-run", "train_lines", "LINE_MODEL=a/b.h5").stdout)[-2:] == ["--output", "a/b.h5"]


def test_submission_without_a_file_says_what_to_name():
    finished = make("submission")
    assert finished.returncode != 0
    assert "make submission TEST=path/to/test.csv" in finished.stderr


def test_client_gets_a_one_from_the_development_server():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # A session of its own, so that the reloader's children end with it.
    server = subprocess.Popen(
        ["make", "test_server", f"PYTHON={sys.executable}", f"PORT={port}"],
        cwd=ROOT,
        env=ENVIRONMENT,
        start_new_session=True,
    )
    try:
        assert _becomes_ready(port), f"the server is not ready; its exit status is {server.poll()}"
        answered = make("test_client", f"PORT={port}")
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)
    assert answered.returncode == 0, answered.stderr
    assert json.loads(answered.stdout)["digit"] == 1


def _becomes_ready(port: int) -> bool:
    patience = ["--retry-all-errors", "--retry", "60", "--retry-delay", "1"]
    check = ["curl", "--silent", "--fail", "--output", os.devnull, *patience, f"http://127.0.0.1:{port}/readyz"]
    return subprocess.run(check, check=False).returncode == 0


def test_client_without_a_server_fails_and_says_why():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        finished = make("test_client", f"PORT={probe.getsockname()[1]}")
    assert finished.returncode != 0
    assert "curl" in finished.stderr


def test_workflow_runs_what_ci_runs_and_ci_runs_the_readme_command():
    assert "- run: .ci/run" in (ROOT / ".github/workflows/ci.yml").read_text()
    assert "\nmake test\n" in (ROOT / ".ci/run").read_text()
    assert "\nmake test\n" in (ROOT / "README.md").read_text()
    assert os.access(ROOT / ".ci/run", os.X_OK)


def test_workflow_pins_every_action_by_commit():
    used = re.findall(r"uses: (\S+)", (ROOT / ".github/workflows/ci.yml").read_text())
    assert used
    assert [action for action in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action)] == []
