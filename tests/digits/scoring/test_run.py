"""The command from files to files: what it answers, what it reports, and how it goes on."""

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import fsspec
import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
from PIL import Image

from digits.data.dataset import LabelledImages
from digits.data.images import make_batch
from digits.inference.classifier import load_classifier
from tests.conftest import ROOT, RunPython
from tests.digits.scoring.scored import read_answers, read_faults, read_manifest, write_csv

COMMAND = "digits.scoring.run"
MODEL = ROOT / "models/digits.h5"


@pytest.fixture
def images(small_digits: LabelledImages) -> np.ndarray:
    return small_digits.images[:50]


@pytest.fixture
def expected(images: np.ndarray) -> list[int]:
    return load_classifier(MODEL).predict(make_batch(images)).argmax(axis=1).tolist()


def draw_number(path: Path, images: np.ndarray) -> None:
    """Save digits side by side, dark on white, as a picture."""
    line = np.concatenate(list(images), axis=1)
    Image.fromarray(np.pad(255 - line, 20, constant_values=255)).resize((4 * line.shape[1], 272)).save(path)


class TestAnswers:
    @pytest.mark.parametrize("form", ["csv", "parquet", "idx"])
    def test_same_digits_in_every_file_of_rows(
        self, run_command: RunPython, tmp_path: Path, images: np.ndarray, expected: list[int], form: str
    ) -> None:
        source, output = tmp_path / {"csv": "a.csv", "parquet": "a.parquet", "idx": "a.idx"}[form], tmp_path / "out"
        if form == "csv":
            write_csv(source, images)
        elif form == "parquet":
            pyarrow.parquet.write_table(pyarrow.table({"pixels": images.reshape(50, -1).tolist()}), source)
        else:
            header = np.array([0x803, 50, 28, 28], ">u4").tobytes()
            source.write_bytes(header + images.tobytes())
        done = run_command(COMMAND, source, output, "--workers", "1", "--rows-per-part", "32")
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"Wrote {output}: 50 answers in 2 parts, 0 errors.\n"
        answers = read_answers(output)
        assert answers.schema.names == ["id", "digit", "confidence", "accepted", "reason", "model"]
        assert answers["id"].to_pylist() == list(range(1, 51))
        assert answers["digit"].to_pylist() == expected
        assert set(answers["model"].to_pylist()) == {load_classifier(MODEL).artifact.version}
        assert [reason is None for reason in answers["reason"].to_pylist()] == answers["accepted"].to_pylist()

    def test_probabilities_on_demand_and_csv(
        self, run_command: RunPython, tmp_path: Path, images: np.ndarray, expected: list[int]
    ) -> None:
        source, output = write_csv(tmp_path / "a.csv", images), tmp_path / "out"
        run_command(COMMAND, source, output, "--workers", "1", "--probabilities", "--format", "csv")
        answers = pyarrow.csv.read_csv(output / "part-000000-000000.csv")
        probabilities = np.array([answers[f"probability{digit}"].to_numpy() for digit in range(10)])
        assert probabilities.argmax(axis=0).tolist() == answers["digit"].to_pylist() == expected
        assert probabilities.sum(axis=0) == pytest.approx(1, abs=1e-5)

    def test_pictures_in_a_folder_and_in_an_archive_are_read_alike(
        self, run_command: RunPython, tmp_path: Path, images: np.ndarray
    ) -> None:
        scans = tmp_path / "scans"
        scans.mkdir()
        for index in range(4):
            draw_number(scans / f"{index}.png", images[index : index + 1])
        (scans / "broken.png").write_bytes(b"\x89PNG")
        with tarfile.open(tmp_path / "scans.tar", "w") as archive:
            for path in sorted(scans.iterdir()):
                archive.add(path, path.name)
        tables = []
        for source in (scans, f"{scans}/*.png", tmp_path / "scans.tar"):
            output = tmp_path / f"out{len(tables)}"
            assert run_command(COMMAND, source, output, "--workers", "1").returncode == 0
            assert [(fault["id"], fault["code"]) for fault in read_faults(output)] == [("broken.png", "not_an_image")]
            tables.append(read_answers(output))
        assert tables[0]["id"].to_pylist() == ["0.png", "1.png", "2.png", "3.png"]
        assert tables[0].equals(tables[1])
        assert tables[0].equals(tables[2])
        assert read_manifest(output)["models"].keys() == {"models/digits.h5", "models/lines.h5"}

    def test_numbers_of_pictures(self, run_command: RunPython, tmp_path: Path, small_digits: LabelledImages) -> None:
        draw_number(tmp_path / "line.png", small_digits.images[:3])
        Image.new("L", (60, 40), 255).save(tmp_path / "blank.png")
        run_command(COMMAND, tmp_path, tmp_path / "out", "--workers", "1", "--task", "read")
        blank, line = read_answers(tmp_path / "out").to_pylist()
        assert line["number"] == "".join(map(str, small_digits.labels[:3].tolist()))
        assert line["accepted"]
        assert (blank["number"], blank["confidence"], blank["reason"]) == ("", 0.0, "blank")

    def test_two_processes_write_what_one_writes(
        self, run_command: RunPython, tmp_path: Path, images: np.ndarray
    ) -> None:
        source = write_csv(tmp_path / "a.csv", images)
        for workers in (1, 2):
            run_command(COMMAND, source, tmp_path / f"{workers}", "--workers", f"{workers}", "--rows-per-part", "8")
        names = [sorted(path.name for path in (tmp_path / f"{workers}").glob("part-*")) for workers in (1, 2)]
        assert names[0] == names[1]
        assert all((tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes() for name in names[0])

    def test_memory_is_a_place_like_others(
        self, run_command: RunPython, tmp_path: Path, images: np.ndarray, expected: list[int]
    ) -> None:
        memory = fsspec.filesystem("memory")
        memory.pipe_file("/rows/a.csv", write_csv(tmp_path / "a.csv", images).read_bytes())
        try:
            done = run_command(COMMAND, "memory://rows", "memory://answers", "--json")
            manifest = json.loads(done.stdout)
            assert manifest["counts"] == {"answers": 50, "errors": 0, "parts": 1}
            table = pyarrow.parquet.read_table(io.BytesIO(memory.cat_file("/answers/part-000000-000000.parquet")))
        finally:
            memory.rm("/rows", recursive=True)
            memory.rm("/answers", recursive=True)
        assert table["digit"].to_pylist() == expected
        assert table["id"].to_pylist()[:2] == ["a.csv:1", "a.csv:2"]


class TestFaults:
    def test_bad_rows_and_files_are_noted_and_the_rest_goes_on(
        self, run_command: RunPython, tmp_path: Path, images: np.ndarray
    ) -> None:
        rows = tmp_path / "rows"
        rows.mkdir()
        text = write_csv(rows / "a.csv", images).read_text()
        (rows / "a.csv").write_text(text + "1,2\n")
        (rows / "b.csv.gz").write_bytes(gzip.compress(text.encode())[:-200])
        (rows / "c.csv").write_text("a,b\n1,2\n")
        write_csv(rows / "d.csv", images)
        done = run_command(COMMAND, rows, tmp_path / "out", "--workers", "1", "--rows-per-part", "16")
        assert done.returncode == 0
        assert [(fault["id"], fault["code"]) for fault in read_faults(tmp_path / "out")] == [
            ("a.csv:51", "invalid_csv"),
            ("b.csv.gz", "invalid_file"),
            ("c.csv", "invalid_file"),
        ]
        ids = read_answers(tmp_path / "out")["id"].to_pylist()
        assert [sum(one.startswith(name) for one in ids) for name in ("a", "c", "d")] == [50, 0, 50]
        # What stands before the place where the file breaks is read.
        assert 20 < sum(one.startswith("b") for one in ids) < 50
        assert len(ids) == read_manifest(tmp_path / "out")["counts"]["answers"]

    def test_more_errors_than_allowed_end_with_status_three_and_the_run_can_go_on(
        self, run_command: RunPython, tmp_path: Path, images: np.ndarray
    ) -> None:
        source = write_csv(tmp_path / "a.csv", images)
        source.write_text(source.read_text().replace("\n0,", "\n0.5,"))
        text = source.read_text().splitlines()
        source.write_text("\n".join([*text, text[-1].replace("0.5", "0", 1)]))
        arguments = (COMMAND, source, tmp_path / "out", "--workers", "1", "--rows-per-part", "10")
        done = run_command(*arguments, "--max-errors", "9")
        assert done.returncode == 3
        assert "error: received 10 rows or pictures that cannot be read" in done.stderr
        assert read_manifest(tmp_path / "out")["state"] == "stopped"
        assert run_command(*arguments, "--max-errors", "50").returncode == 0
        assert read_manifest(tmp_path / "out")["counts"] == {"answers": 1, "errors": 50, "parts": 6}

    def test_run_that_stops_leaves_one_line_with_several_workers(
        self, run_python: RunPython, tmp_path: Path, images: np.ndarray
    ) -> None:
        source = write_csv(tmp_path / "a.csv", images)
        source.write_text(source.read_text().replace("\n0,", "\n0.5,"))
        arguments = ("-m", COMMAND, source, tmp_path / "out", "--workers", "2", "--rows-per-part", "1")
        done = run_python(*arguments, "--max-errors", "0")
        assert done.returncode == 3
        assert done.stderr.count("\n") == 1

    def test_nothing_answered_is_no_success(self, run_command: RunPython, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("a,b\n1,2\n")
        assert run_command(COMMAND, tmp_path / "a.csv", tmp_path / "out", "--workers", "1").returncode == 3

    @pytest.mark.parametrize("option", ["--workers", "--rows-per-part"])
    def test_impossible_option_is_refused_in_one_line(self, run_command: RunPython, option: str) -> None:
        done = run_command(COMMAND, "a.csv", "out", option, "0")
        assert done.returncode == 1
        assert done.stderr == f"error: Received {option} 0, expected 1 or more.\n"

    @pytest.mark.parametrize("share", ["10/10", "1", "-1/2", "0/0", "a/b"])
    def test_impossible_share_is_refused_in_one_line(self, run_command: RunPython, share: str) -> None:
        done = run_command(COMMAND, "a.csv", "out", f"--share={share}")
        assert done.returncode == 1
        assert done.stderr.startswith(f"error: Received --share {share}, expected a number from 0 and how many")
        assert done.stderr.count("\n") == 1


class TestShares:
    def test_shares_together_answer_what_one_run_does(
        self, run_command: RunPython, tmp_path: Path, images: np.ndarray
    ) -> None:
        rows = tmp_path / "rows"
        rows.mkdir()
        for index in range(3):
            write_csv(rows / f"{index}.csv", images[10 * index : 10 * index + 10])
        run_command(COMMAND, rows, tmp_path / "whole", "--workers", "1")
        for index in range(2):
            run_command(COMMAND, rows, tmp_path / "shares" / f"{index}", "--workers", "1", "--share", f"{index}/2")
        assert [read_manifest(tmp_path / "shares" / f"{index}")["counts"]["answers"] for index in range(2)] == [20, 10]
        together = pyarrow.concat_tables([read_answers(tmp_path / "shares" / f"{index}") for index in range(2)])
        assert together.sort_by("id").equals(read_answers(tmp_path / "whole"))

    def test_share_without_a_file_ends_well(self, run_command: RunPython, tmp_path: Path, images: np.ndarray) -> None:
        done = run_command(COMMAND, write_csv(tmp_path / "a.csv", images), tmp_path / "out", "--share", "1/2", "--json")
        assert done.returncode == 0
        assert json.loads(done.stdout)["counts"] == {"answers": 0, "errors": 0, "parts": 0}


class TestGoingOn:
    def test_output_of_other_input_model_or_settings_is_refused_by_name(
        self, run_command: RunPython, tmp_path: Path, images: np.ndarray, shared_artifact: Path
    ) -> None:
        source, output = write_csv(tmp_path / "a.csv", images), tmp_path / "out"
        run_command(COMMAND, source, output, "--workers", "1")
        other = write_csv(tmp_path / "b.csv", images[:10])
        for name, arguments in {
            "input": (other, output),
            "models": (source, output, "--model", shared_artifact),
            "probabilities": (source, output, "--probabilities"),
            "rows per part": (source, output, "--rows-per-part", "7"),
            "input: ": (source, output, "--share", "0/2"),
        }.items():
            done = run_command(COMMAND, *arguments, "--workers", "1")
            assert done.returncode == 1
            assert f"received the output of a run with other {name.rstrip(': ')}: " in done.stderr
        assert read_manifest(output)["counts"]["answers"] == 50

    def test_output_of_another_precision_is_refused(
        self, run_command: RunPython, tmp_path: Path, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source, output = write_csv(tmp_path / "a.csv", images), tmp_path / "out"
        run_command(COMMAND, source, output, "--workers", "1")
        monkeypatch.setenv("DIGITS_PRECISION", "fp32")
        done = run_command(COMMAND, source, output, "--workers", "1")
        assert done.returncode == 1
        assert 'received the output of a run with other precision: "auto", expected "fp32"' in done.stderr

    def test_folder_with_other_files_is_refused(
        self, run_command: RunPython, tmp_path: Path, images: np.ndarray
    ) -> None:
        source = write_csv(tmp_path / "a.csv", images)
        done = run_command(COMMAND, source, tmp_path)
        assert "received a folder with other files in it" in done.stderr

    @pytest.mark.slow
    def test_killed_run_goes_on_and_ends_with_the_same_table(
        self, tmp_path: Path, small_digits: LabelledImages
    ) -> None:
        source = write_csv(tmp_path / "a.csv", np.tile(small_digits.images, (30, 1, 1)))
        source.write_text(source.read_text() + "1,2\n")
        command = [sys.executable, "-m", COMMAND, source, "--workers", "2", "--rows-per-part", "100"]
        whole, killed = tmp_path / "whole", tmp_path / "killed"
        subprocess.run([*command, whole], cwd=ROOT, check=True)
        process = subprocess.Popen([*command, killed], cwd=ROOT, start_new_session=True)
        while len(list(killed.glob("part-*"))) < 5:
            assert process.poll() is None, "the run ended before it could be killed"
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert read_manifest(killed)["state"] == "running"
        before = {path: path.stat().st_mtime_ns for path in killed.glob("part-*")}
        assert len(before) < len(list(whole.glob("part-*")))
        subprocess.run([*command, killed], cwd=ROOT, check=True)
        assert read_answers(killed).equals(read_answers(whole))
        assert read_faults(killed) == read_faults(whole)
        assert read_manifest(killed)["counts"] == {"answers": 6000, "errors": 1, "parts": 61}
        assert all(path.stat().st_mtime_ns == changed for path, changed in before.items())
        assert not list(killed.glob(".writing-*"))

    @pytest.mark.slow
    def test_run_whose_worker_is_killed_says_how_to_go_on(self, tmp_path: Path, small_digits: LabelledImages) -> None:
        psutil = pytest.importorskip("psutil")
        source = write_csv(tmp_path / "a.csv", np.tile(small_digits.images, (30, 1, 1)))
        command = [sys.executable, "-m", COMMAND, source, tmp_path / "out", "--workers", "2", "--rows-per-part", "100"]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        while not list((tmp_path / "out").glob("part-*")):
            assert process.poll() is None, "the run ended before a worker could be killed"
            time.sleep(0.01)
        workers = [
            one for one in psutil.Process(process.pid).children() if "popen_loky_posix" in " ".join(one.cmdline())
        ]
        workers[0].kill()
        _, errors = process.communicate()
        assert process.returncode == 1
        assert "error: The system ended a worker" in errors
        assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
