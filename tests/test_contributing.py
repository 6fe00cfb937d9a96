"""docs/contributing.md: what it names exists, and pre-commit runs what it says."""

import ast
import re

import pytest
import yaml

from tests.conftest import ROOT

TEXT = (ROOT / "docs/contributing.md").read_text(encoding="utf-8")
CODE = re.findall(r"`([^`\n]+)`", TEXT)
PATHS = sorted({name for name in CODE if re.fullmatch(r"[\w.-]+/[\w./-]*|[\w-]+\.(?:py|md|ipynb)", name)} - {".venv"})
ROOMS = sorted(set(re.findall(r"ROOM=([\w/]+)", TEXT)))
# A name in code, and the file that the same sentence says it stands in.
NAMES = {
    "ROUTERS": "web_service/app/predict.py",
    "ERRORS": "web_service/app/openapi/examples.py",
    "BAD_REQUESTS": "tests/service/openapi/bad_requests.py",
    "document_errors": "web_service/app/openapi/examples.py",
    "PATHS": "tests/service/openapi/test_document.py",
    "server": "tests/service/conftest.py",
    "HEALTH_PATHS": "web_service/app/errors/paths.py",
    "StrokeVariants": "digits/synthesis/stroke_variants.py",
    "draw_variants": "digits/synthesis/stroke_variants.py",
    "ALL": "tests/digits/synthesis/test_stroke_variants.py",
    "VARIANTS": "benchmarks/training/variants.py",
    "LineConfig": "digits/training/line_recogniser.py",
    "FORMATS": "digits/data/image_file.py",
    "_open_image": "digits/data/image_file.py",
    "_weigh_pixel": "digits/data/image_file.py",
    "FILES": "tests/digits/data/test_image_file.py",
    "STRANGE": "tests/digits/data/test_image_file.py",
    "HEAVY": "tests/digits/data/test_image_file.py",
    "SECTIONS": "benchmarks/model_card/make.py",
}


@pytest.mark.parametrize("path", PATHS)
def test_contributing_names_only_files_that_exist(path: str) -> None:
    assert (ROOT / path).exists()


def test_contributing_names_many_files() -> None:
    """Without this the test above would pass if no path were found."""
    assert len(PATHS) > 40
    assert {"web_service/app/predict.py", "digits/preprocessing/", "train.py"} <= set(PATHS)


@pytest.mark.parametrize("room", ROOMS)
def test_contributing_names_only_rooms_that_exist(room: str) -> None:
    assert (ROOT / room).is_dir()


@pytest.mark.parametrize(("name", "path"), NAMES.items())
def test_contributing_names_what_stands_in_the_file(name: str, path: str) -> None:
    assert f"`{name}`" in TEXT
    nodes = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
    targets = [target for node in nodes for target in getattr(node, "targets", [getattr(node, "target", node)])]
    assert name in {getattr(target, "name", None) or getattr(target, "id", None) for target in targets}


def test_contributing_names_only_modules_that_can_be_run() -> None:
    modules = set(re.findall(r"python -m ((?:digits|benchmarks|tests)[\w.]+)", TEXT))
    assert modules
    assert [name for name in modules if not (ROOT / f"{name.replace('.', '/')}.py").exists()] == []


def test_pre_commit_runs_make_check_and_downloads_nothing() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert repository["repo"] == "local"
    assert [(hook["entry"], hook["language"]) for hook in repository["hooks"]] == [("make check", "system")]
