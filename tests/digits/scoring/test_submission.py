import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from digits.data.dataset import LabelledImages
from digits.errors import DatasetError
from digits.inference.classifier import load_classifier
from digits.scoring.submission import write_submission
from tests.conftest import ROOT
from tests.wordings import wording


@pytest.fixture
def unlabelled_csv(small_csv: Path, tmp_path: Path) -> Path:
    """The small file as Kaggle's test.csv: no label column."""
    path = tmp_path / "test.csv"
    lines = small_csv.read_text().splitlines()
    path.write_text("".join(line.split(",", 1)[1] + "\n" for line in lines))
    return path


@pytest.fixture
def expected(shared_artifact: Path, small_batch: NDArray[np.float32]) -> str:
    digits = load_classifier(shared_artifact).predict(small_batch).argmax(axis=1).tolist()
    return "ImageId,Label\n" + "".join(f"{number},{digit}\n" for number, digit in enumerate(digits, start=1))


def test_write_submission_kaggle_layout(
    shared_artifact: Path, unlabelled_csv: Path, expected: str, tmp_path: Path
) -> None:
    output = tmp_path / "submission.csv"
    assert write_submission(load_classifier(shared_artifact), unlabelled_csv, output) == 200
    assert output.read_bytes() == expected.encode()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["submission.csv", "test.csv"]


def test_write_submission_compressed_test_file(
    shared_artifact: Path, unlabelled_csv: Path, expected: str, tmp_path: Path
) -> None:
    compressed = tmp_path / "test.csv.gz"
    compressed.write_bytes(gzip.compress(unlabelled_csv.read_bytes()))
    write_submission(load_classifier(shared_artifact), compressed, tmp_path / "submission.csv")
    assert (tmp_path / "submission.csv").read_text() == expected


def test_write_submission_ignores_labels(shared_artifact: Path, small_csv: Path, expected: str, tmp_path: Path) -> None:
    write_submission(load_classifier(shared_artifact), small_csv, tmp_path / "submission.csv")
    assert (tmp_path / "submission.csv").read_text() == expected


def test_write_submission_more_digits_than_one_batch(
    shared_artifact: Path, small_digits: LabelledImages, unlabelled_csv: Path, expected: str, tmp_path: Path
) -> None:
    header, *rows = unlabelled_csv.read_text().splitlines(keepends=True)
    unlabelled_csv.write_text(header + "".join(rows * 6))
    output = tmp_path / "submission.csv"
    assert write_submission(load_classifier(shared_artifact), unlabelled_csv, output) == 6 * len(small_digits)
    labels = [line.split(",")[1] for line in output.read_text().splitlines()[1:]]
    assert labels == [line.split(",")[1] for line in expected.splitlines()[1:]] * 6


def test_write_submission_bad_file_leaves_the_earlier_one_whole(
    shared_artifact: Path, unlabelled_csv: Path, tmp_path: Path
) -> None:
    output = tmp_path / "submission.csv"
    output.write_text("earlier")
    unlabelled_csv.write_text(unlabelled_csv.read_text() + "1,2\n")
    with pytest.raises(DatasetError, match=wording("row_length", row=201, line=202, num=2, expected=784)):
        write_submission(load_classifier(shared_artifact), unlabelled_csv, output)
    assert output.read_text() == "earlier"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["submission.csv", "test.csv"]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "digits.scoring.submission", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_submission_command_says_what_it_wrote(shared_artifact: Path, unlabelled_csv: Path, tmp_path: Path) -> None:
    output = tmp_path / "submission.csv"
    finished = run("--model", shared_artifact, unlabelled_csv, output)
    assert finished.stdout == f"Wrote {output}: 200 digits read by {shared_artifact}.\n"
    assert finished.returncode == 0


@pytest.mark.parametrize("missing", ["model", "test file", "output folder"])
def test_submission_command_with_an_unusable_argument_ends_in_one_line(
    shared_artifact: Path, unlabelled_csv: Path, tmp_path: Path, missing: str
) -> None:
    model = tmp_path / "absent.h5" if missing == "model" else shared_artifact
    test = tmp_path / "absent.csv" if missing == "test file" else unlabelled_csv
    output = tmp_path / "absent" / "s.csv" if missing == "output folder" else tmp_path / "s.csv"
    finished = run("--model", model, test, output)
    assert finished.returncode == 1
    assert finished.stderr.startswith("error: ")
    assert "absent" in finished.stderr
    assert finished.stderr.count("\n") == 1
