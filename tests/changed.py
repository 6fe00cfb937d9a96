"""Print the tests that belong to what changed, or to one room: those that `make check` runs.

Usage:
    python -m tests.changed                          of every file that differs from HEAD, untracked files included
    python -m tests.changed digits/preprocessing     of a room, or of a file

The tests mirror the rooms: a module's tests stand in the folder of its room's name. What else uses the module is tried
by `make test` alone.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]

ROOMS = {"digits": "tests/digits", "web_service/app": "tests/service"}
# What is no room, and what tests it.
OTHERS = {
    "web_service": "tests/deploy",
    "kube-config": "tests/deploy",
    "kube-overlays": "tests/deploy",
    "benchmarks": "tests/benchmarks",
    "models": "tests/model",
    "data/make_csv.py": "tests/test_make_csv.py",
    "train.py": "tests/test_train.py",
    "Makefile": "tests/test_commands.py",
    "baseline.ipynb": "tests/digits/exploration/test_notebook.py",
    "README.md": "tests/service/test_readme.py",
    "docs": "tests/deploy/test_documents.py",
    "docs/api.md": "tests/service/test_readme.py",
}
# True of every file, in a few seconds: the arrows between the rooms, and what the documents name.
ALWAYS = (
    "tests/test_architecture.py",
    "tests/test_architecture_document.py",
    "tests/test_commands.py",
    "tests/test_contributing.py",
)


def list_changed() -> list[str]:
    """Return the paths that differ from HEAD, also those that are not tracked yet."""
    commands = (["git", "diff", "--name-only", "HEAD"], ["git", "ls-files", "--others", "--exclude-standard"])
    return [
        path
        for command in commands
        for path in subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    ]


def find_tests(path: str) -> list[str]:
    """Return the test files and folders of a room, a source file or a test, all as paths from the root."""
    return [test for test in _name_tests(PurePosixPath(path)) if (ROOT / test).exists()]


def _name_tests(path: PurePosixPath) -> Iterator[str]:
    if path.parts[0] == "tests":
        # A helper is tried by what uses it.
        if path.name.startswith("test_") or path.suffix == "":
            yield str(path)
        return
    for rooms, mirror in ROOMS.items():
        if path.is_relative_to(rooms):
            inside = path.relative_to(rooms)
            if (ROOT / path).is_dir():
                yield str(PurePosixPath(mirror) / inside)
            elif len(inside.parts) > 1:
                yield f"{mirror}/{inside.parts[0]}"
            else:
                # A module beside the rooms has a file of its name.
                yield from (str(test.relative_to(ROOT)) for test in (ROOT / mirror).rglob(f"test_{inside.stem}.py"))
            return
    yield from (test for source, test in OTHERS.items() if path.is_relative_to(source))


def main() -> None:
    """Print the tests of the arguments, or of what changed; say which of them have none."""
    paths = [path.rstrip("/") for path in sys.argv[1:]]
    for path in paths:
        if not (ROOT / path).exists():
            sys.exit(f"error: received {path}, which does not exist; expected a room such as digits/preprocessing.")
    found = {path: find_tests(path) for path in paths or list_changed()}
    for path, tests in found.items():
        if not tests:
            print(f"{path} has no tests of its own; `make test` tries it.", file=sys.stderr)
    print(*sorted({*ALWAYS, *(test for tests in found.values() for test in tests)}))


if __name__ == "__main__":
    main()
