"""The command `digits`, as a person types it."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digits.cli import app, draw_images
from digits.data.dataset import LabelledImages
from digits.inference.artifact import read_artifact
from tests.conftest import ROOT, RunPython
from tests.service.server import attempt
from tests.wordings import wording

MODELS = ROOT / "models"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory, small_digits: LabelledImages) -> Path:
    """A folder with a picture of each digit, `0.png` to `9.png`, and `line.png` with four of them."""
    folder = tmp_path_factory.mktemp("pictures")
    images = [255 - small_digits.images[small_digits.labels == digit][0] for digit in range(10)]
    for digit, image in enumerate(images):
        Image.fromarray(image).resize((140, 140)).save(folder / f"{digit}.png")
    Image.fromarray(np.hstack([images[digit] for digit in (2, 0, 4, 7)])).resize((448, 112)).save(folder / "line.png")
    return folder


def test_predict_names_the_digit_of_each_picture_that_a_pattern_finds(run_command: RunPython, pictures: Path) -> None:
    finished = run_command("digits", "predict", pictures / "[0-9].png")
    assert finished.returncode == 0, finished.stderr
    found = dict(re.findall(r"/(\d)\.png: (\d)  \(\d+\.\d%\)$", finished.stdout, re.MULTILINE))
    assert found == {str(digit): str(digit) for digit in range(10)}


def test_predict_prints_json_with_the_fields_of_the_service(run_command: RunPython, pictures: Path) -> None:
    finished = run_command("digits", "predict", "--json", pictures / "3.png", pictures / "5.png")
    answers = [json.loads(line) for line in finished.stdout.splitlines()]
    assert [(Path(one["file"]).name, one["digit"], one["accepted"]) for one in answers] == [
        ("3.png", 3, True),
        ("5.png", 5, True),
    ]
    assert list(answers[0]) == ["file", "digit", "confidence", "accepted", "reason", "probabilities", "model"]
    assert answers[0]["model"] == read_artifact(MODELS / "digits.h5").version
    assert answers[0]["probabilities"][3] == answers[0]["confidence"]


def test_read_prints_the_number_alone_for_one_picture(run_command: RunPython, pictures: Path) -> None:
    assert run_command("digits", "read", pictures / "line.png").stdout == "2047\n"


def test_read_prints_json_with_a_box_for_each_digit(run_command: RunPython, pictures: Path) -> None:
    answer = json.loads(run_command("digits", "read", "--json", pictures / "line.png").stdout)
    assert (answer["number"], [one["digit"] for one in answer["digits"]]) == ("2047", [2, 0, 4, 7])
    lefts = [one["box"][0] for one in answer["digits"]]
    assert lefts == sorted(lefts)
    assert answer["model"] == read_artifact(MODELS / "lines.h5").version


@pytest.mark.parametrize("names", [[], ["-"]])
def test_predict_reads_a_picture_from_standard_input(pictures: Path, names: list[str]) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "digits", "predict", *names],
        cwd=ROOT,
        input=(pictures / "6.png").read_bytes(),
        capture_output=True,
        check=True,
    )
    assert finished.stdout.startswith(b"6  (")


def test_show_draws_what_the_network_saw(run_command: RunPython, pictures: Path) -> None:
    lines = run_command("digits", "predict", "--show", pictures / "1.png").stdout.splitlines()
    assert len(lines) == 1 + 14
    assert sum(line.count("█") for line in lines) > 5


def test_draw_images_has_a_character_for_two_pixels_and_four_images_in_a_row() -> None:
    image = np.zeros((28, 28), np.uint8)
    image[:2, 0] = 255
    image[2, 0] = 255
    assert draw_images([image] * 5).splitlines()[:2] == [(" " * 27).join("█" * 4), (" " * 27).join("▒" * 4)]
    assert len(draw_images([image] * 5).split("\n")) == 28


def test_predict_names_what_cannot_be_read_and_reads_the_rest(run_command: RunPython, pictures: Path) -> None:
    finished = run_command("digits", "predict", ROOT / "LICENSE", "missing.png", pictures / "4.png")
    assert finished.returncode == 1
    assert "4.png: 4  (" in finished.stdout
    picture, missing = finished.stderr.splitlines()
    assert re.fullmatch(f"error: {ROOT / 'LICENSE'}: {wording('picture_unknown')}", picture)
    assert missing == "error: missing.png: No such file or directory"


def test_predict_of_a_pattern_without_files_says_so(run_command: RunPython) -> None:
    finished = run_command("digits", "predict", "no/*.png")
    assert finished.returncode == 1
    assert re.search(wording("pattern_without_files", pattern="'no/*.png'"), finished.stderr.strip())


def test_check_says_what_the_shipped_files_read(run_command: RunPython) -> None:
    for name, reads in (
        ("digits.h5", "one digit"),
        ("lines.h5", "lines of digits"),
        ("pages.h5", "the digits of pages"),
    ):
        finished = run_command("digits", "check", "--json", MODELS / name)
        answer = json.loads(finished.stdout)
        assert (finished.returncode, answer["reads"], answer["fault"]) == (0, reads, None)
        assert answer["model"] == read_artifact(MODELS / name).version


def test_check_of_a_keras_file_says_how_to_make_it_fit(run_command: RunPython, keras_file: Path) -> None:
    finished = run_command("digits", "check", keras_file)
    assert finished.returncode == 1
    assert re.search(wording("graph_missing", path=keras_file), finished.stdout.strip())


def test_check_of_a_model_that_misreads_a_plain_one_fails(run_command: RunPython, shared_artifact: Path) -> None:
    """The tiny network is not trained."""
    finished = run_command("digits", "check", shared_artifact)
    assert finished.returncode == 1
    assert "reads a plain 1 as" in finished.stdout


def test_score_passes_its_arguments_on(run_command: RunPython, small_csv: Path, tmp_path: Path) -> None:
    finished = run_command("digits", "score", "--json", "--workers", "1", small_csv, tmp_path / "scores")
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout)["counts"]["answers"] == 200
    assert "usage: digits score" in run_command("digits", "score", "--help").stdout


def test_train_passes_its_arguments_on(run_command: RunPython) -> None:
    assert "--resume" in run_command("digits", "train", "--help").stdout


@pytest.mark.parametrize("command", ["train", "export"])
def test_training_without_its_packages_says_what_to_install(run_as_served: RunPython, command: str) -> None:
    finished = run_as_served(f"sys.argv = ['digits', {command!r}, 'x.h5']\nfrom digits.cli import main\nmain()")
    assert finished.returncode == 1
    assert re.search(wording("extra_missing", extra="train"), finished.stderr.strip())


def test_serve_answers_requests(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen([sys.executable, "-m", "digits", "serve", "--port", "0"], cwd=ROOT, stderr=output)
    try:
        ready = next(found for _ in attempt() if (found := re.search(r"running on (\S+)", log.read_text())))
        row = ["-H", "Content-Type: application/json", "-d", f"@{ROOT}/row_data.json"]
        answered = subprocess.run(["curl", "-sf", *row, f"{ready[1]}/predict"], capture_output=True, check=True)
    finally:
        process.terminate()
        process.wait(30)
    assert json.loads(answered.stdout)["digit"] == 1


def test_package_lists_every_room() -> None:
    """A folder that is not named in pyproject.toml would be missing where the package is installed."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    own = {path.parent.relative_to(ROOT) for path in (ROOT / "digits").rglob("*.py")}
    served = {"digits" / path.parent.relative_to(ROOT) for path in (ROOT / "web_service").rglob("*.py")}
    folders = {".".join(folder.parts) for folder in own | served}
    assert set(listed) == folders | {"digits.models", "digits.web_service.app.static"}


def test_documents_name_only_commands_that_exist() -> None:
    documents = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    blocks = [block for path in documents for block in re.findall(r"```sh\n(.*?)```", path.read_text(), re.DOTALL)]
    named = {
        name for block in blocks for name in re.findall(r"^(?:\S+/)?(?:python -m )?digits (\w+)", block, re.MULTILINE)
    }
    known = {command.callback.__name__ for command in app.registered_commands if command.callback}
    assert {"predict", "read", "serve", "export", "check"} <= named
    assert named <= known


def test_package_holds_every_file_that_is_no_code() -> None:
    """Templates, pictures and models, without which the installed command would fail."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {**{name: name.replace(".", "/") for name in settings["packages"]}, **settings["package-dir"]}
    packed = set()
    for name, patterns in settings["package-data"].items():
        folder = ROOT / folders[name].removeprefix("digits/" * name.startswith("digits.web_service"))
        packed |= {path for pattern in patterns for path in folder.glob(pattern)}
    command = ["git", "ls-files", "digits", "web_service/app", "models"]
    tracked = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if tracked.returncode:
        pytest.skip("this is no clone, so what belongs to it is not known")
    files = {ROOT / line for line in tracked.stdout.decode().splitlines()}
    assert {path for path in files if path.suffix not in (".py", ".txt")} <= packed
