"""Which tests `make check` runs for what changed."""

import pytest

from tests.changed import OTHERS, ROOMS, ROOT, find_tests


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("digits/preprocessing", ["tests/digits/preprocessing"]),
        ("digits/inference/ctc.py", ["tests/digits/inference"]),
        ("digits/errors.py", ["tests/digits/test_errors.py"]),
        ("web_service/app/settings.py", ["tests/service/test_settings.py"]),
        ("web_service/app/static/page.js", ["tests/service/static"]),
        ("web_service/Dockerfile", ["tests/deploy"]),
        ("benchmarks/reading/lines.py", ["tests/benchmarks"]),
        ("tests/digits/test_errors.py", ["tests/digits/test_errors.py"]),
        ("tests/digits/data", ["tests/digits/data"]),
        ("tests/wordings.py", []),
        ("digits/data/removed.py", ["tests/digits/data"]),
        ("LICENSE", []),
    ],
)
def test_find_tests_of_a_path(path: str, expected: list[str]) -> None:
    assert find_tests(path) == expected


@pytest.mark.parametrize(("source", "tests"), [*ROOMS.items(), *OTHERS.items()])
def test_find_tests_names_only_what_exists(source: str, tests: str) -> None:
    assert (ROOT / source).exists()
    assert (ROOT / tests).exists()


@pytest.mark.parametrize("room", [path for path in (ROOT / "digits").iterdir() if (path / "__init__.py").exists()])
def test_every_room_of_digits_has_tests(room) -> None:
    assert find_tests(str(room.relative_to(ROOT))) == [f"tests/digits/{room.name}"]
