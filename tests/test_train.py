"""The real command on a small slice of the real digits: what it writes, repeats, resumes, refuses and never breaks."""

import csv
import errno
import gzip
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from digits.data.dataset import read_images, read_labelled_images
from digits.data.images import make_batch
from digits.inference.artifact import read_artifact
from digits.inference.classifier import load_classifier
from tests.conftest import ROOT
from tests.wordings import wording

EPOCHS = 3
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def slices(tmp_path_factory) -> Path:
    """A folder with train.csv (1,000 digits) and test.csv (300), cut from the committed files."""
    folder = tmp_path_factory.mktemp("slices")
    for name, num_rows in (("train.csv", 1000), ("test.csv", 300)):
        with gzip.open(ROOT / "data" / f"{name}.gz", "rt") as whole:
            lines = [next(whole) for _ in range(num_rows + 1)]
        (folder / name).write_text("".join(lines))
    return folder


def make_command(slices: Path, folder: Path, *options: str) -> list[str]:
    return [
        sys.executable,
        "train.py",
        *("--data", str(slices / "train.csv")),
        *("--test", str(slices / "test.csv")),
        *("--output", str(folder / "model.h5")),
        *("--reports", str(folder / "reports")),
        *("--epochs", str(EPOCHS)),
        *options,
    ]


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)


@pytest.fixture(scope="module")
def trained(slices, tmp_path_factory) -> tuple[Path, str]:
    """The folder that a whole run wrote into, and what it printed."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "model.checkpoint.weights.h5").write_bytes(b"half a checkpoint, of a run that was killed")
    finished = run(make_command(slices, folder))
    assert finished.returncode == 0, finished.stderr
    return folder, finished.stdout


def read_weights(path: Path) -> dict[str, np.ndarray]:
    weights = {}
    with h5py.File(path) as file:
        file["model_weights"].visititems(
            lambda name, item: weights.__setitem__(name, item[()]) if isinstance(item, h5py.Dataset) else None
        )
    return weights


def test_train_learns_something_and_says_how_much(trained):
    folder, printed = trained
    metrics = load_classifier(folder / "model.h5").artifact.provenance["metrics"]
    assert metrics["accuracy"] > 0.5
    assert f"accuracy            {metrics['accuracy']:.2%}" in printed
    assert sum(metrics["errors_per_digit"]) == metrics["num_errors"]


def test_train_anew_beside_a_broken_checkpoint_says_that_it_is_replaced_and_goes_on(trained):
    folder, printed = trained
    assert f"{folder / 'model.checkpoint.weights.h5'}, of an interrupted run, is replaced" in printed
    assert not (folder / "model.checkpoint.weights.h5").exists()


def test_train_shows_each_epoch(trained):
    assert [f"Epoch {epoch}/{EPOCHS}" in trained[1] for epoch in range(1, EPOCHS + 1)] == [True] * EPOCHS


def test_train_writes_a_model_whose_graph_reads_the_digits_as_the_summary_says(trained, slices):
    classifier = load_classifier(trained[0] / "model.h5", precision="fp32")
    images = read_images(slices / "test.csv")
    with (slices / "test.csv").open() as file:
        labels = np.array([int(row["label"]) for row in csv.DictReader(file)])
    accuracy = (classifier.predict(make_batch(images)).argmax(axis=1) == labels).mean()
    assert accuracy == pytest.approx(classifier.artifact.provenance["metrics"]["accuracy"])


def test_train_writes_where_the_model_came_from(trained):
    provenance = load_classifier(trained[0] / "model.h5").artifact.provenance
    assert provenance["config"]["seed"] == 42
    assert provenance["config"]["epochs"] == EPOCHS
    assert provenance["data"]["num_digits"] == 1000
    assert len(provenance["data"]["sha256"]) == 64
    assert provenance["packages"]["keras"]
    assert provenance["scored_on"]["what"] == "test digits of test.csv"
    assert 20 < provenance["input_statistics"]["mean_ink"] < 50
    assert provenance["input_statistics"]["centre_row"] == pytest.approx(14, abs=0.5)
    assert str(trained[0].parent) not in json.dumps(provenance)


def test_train_writes_a_network_that_takes_digits_for_digits(trained, slices):
    folder, printed = trained
    classifier = load_classifier(folder / "model.h5")
    acceptance = classifier.artifact.provenance["acceptance"]
    assert f"taken for digits    {acceptance['accepted_share']:.2%} of 166 training digits" in printed
    batch = make_batch(read_images(slices / "test.csv"))
    sure = np.eye(10, dtype=np.float32)[np.zeros(len(batch), int)]
    assert classifier.find_reasons(batch, sure).count(None) > 0.9 * len(batch)


def test_train_draws_its_reports(trained):
    reports = sorted((trained[0] / "reports").glob("*"))
    assert [report.name for report in reports] == ["confusion_matrix.png", "learning_curves.png", "misread_digits.png"]
    assert all(report.read_bytes().startswith(b"\x89PNG") for report in reports)


def test_train_leaves_nothing_beside_the_model(trained):
    assert sorted(path.name for path in trained[0].iterdir()) == ["model.h5", "reports"]


def test_train_killed_and_resumed_ends_with_the_weights_of_a_whole_run(trained, slices, tmp_path):
    earlier = b"the model of an earlier run"
    (tmp_path / "model.h5").write_bytes(earlier)
    checkpoint = tmp_path / "model.checkpoint.weights.h5"
    with subprocess.Popen(make_command(slices, tmp_path), cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert any(f"Epoch 2/{EPOCHS}" in line for line in process.stdout), "the run ended before its second epoch"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert checkpoint.exists()
    assert (tmp_path / "model.h5").read_bytes() == earlier

    resumed = run(make_command(slices, tmp_path, "--resume"))

    assert resumed.returncode == 0, resumed.stderr
    classifying, _ = resumed.stdout.split("Now a small network")
    assert f"Epoch 1/{EPOCHS}" not in classifying
    assert not checkpoint.exists()
    thresholds = [
        load_classifier(folder / "model.h5").artifact.provenance["acceptance"]["thresholds"]
        for folder in (trained[0], tmp_path)
    ]
    assert thresholds[0] == thresholds[1]
    expected, received = read_weights(trained[0] / "model.h5"), read_weights(tmp_path / "model.h5")
    assert expected.keys() == received.keys()
    for name, weights in expected.items():
        np.testing.assert_array_equal(received[name], weights, err_msg=name)


def test_train_without_a_test_file_holds_out_a_fifth_of_ones_own_data(slices, tmp_path):
    command = make_command(slices, tmp_path)
    del command[command.index("--test") : command.index("--test") + 2]
    finished = run([*command, "--fast"])
    assert finished.returncode == 0, finished.stderr
    assert "800 training digits" in finished.stdout
    assert "Scored on 200 20.0% held out of" in finished.stdout


def test_train_on_a_bad_file_says_so_in_one_line_and_leaves_the_earlier_model(slices, tmp_path):
    """In an interpreter of its own, as a person sees it; the refusals below are tried in this one."""
    (tmp_path / "model.h5").write_bytes(b"the model of an earlier run")
    bad = tmp_path / "bad.csv"
    bad.write_text((slices / "train.csv").read_text().replace("\n0,0,", "\n0,256,", 1))
    finished = run([*make_command(slices, tmp_path), "--data", str(bad)])
    assert finished.returncode == 1
    expected = wording("cell", column="pixel0", received="'256'", limit=255)
    assert re.fullmatch(f"error: {re.escape(str(bad))}, {expected}", finished.stderr.splitlines()[-1])
    assert "Traceback" not in finished.stderr
    assert (tmp_path / "model.h5").read_bytes() == b"the model of an earlier run"


def test_train_told_to_write_into_a_folder_says_so_before_it_trains(slices, tmp_path, run_command):
    (tmp_path / "model.h5").mkdir()
    finished = run_command(*make_command(slices, tmp_path)[1:])
    assert finished.returncode == 1
    assert re.search(wording("output_is_a_folder", path=tmp_path / "model.h5"), finished.stderr)
    assert finished.stdout == ""


def test_train_with_a_file_where_the_reports_belong_says_so_before_it_trains(slices, tmp_path, run_command):
    (tmp_path / "reports").write_text("a file")
    finished = run_command(*make_command(slices, tmp_path)[1:])
    assert finished.returncode == 1
    assert os.strerror(errno.EEXIST) in finished.stderr
    assert finished.stdout == ""


def test_train_told_to_hold_out_and_to_test_is_refused(slices, tmp_path, run_command):
    finished = run_command(*make_command(slices, tmp_path, "--hold-out")[1:])
    assert finished.returncode == 2
    assert "argument --hold-out: not allowed with argument --test" in finished.stderr


def test_train_told_who_wrote_the_digits_scores_a_sixth_by_writer(slices, tmp_path):
    writers = np.repeat(np.arange(50), 20)
    np.savez(tmp_path / "writers.npz", writers=writers)
    command = make_command(slices, tmp_path, "--hold-out-writers", str(tmp_path / "writers.npz"), "--epochs", "1")
    finished = run([part for part in command if part not in {"--test", str(slices / "test.csv")}])
    assert finished.returncode == 0, finished.stderr
    # 1,000 digits of 50 writers, 20 of each: six folds have eight or nine writers.
    assert re.search(r"Scored on 1[68]0 digits of train\.csv by writers held out", finished.stdout)
    assert "temperature to fit" in finished.stdout


@pytest.fixture(scope="module")
def pictures(slices, tmp_path_factory) -> Path:
    """A folder with 200 of the test digits as inverted pictures, in folders 0 to 9."""
    folder = tmp_path_factory.mktemp("own") / "my digits"
    digits = read_labelled_images(slices / "test.csv").take(slice(200))
    for index, (image, label) in enumerate(zip(digits.images, digits.labels.tolist(), strict=True)):
        path = folder / str(label) / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(255 - image).resize((56, 56)).save(path)
    (folder / "1" / "broken.png").write_text("not a picture")
    return folder


def test_train_on_own_pictures_from_trained_weights_scores_both_before_and_after(trained, slices, pictures, tmp_path):
    folder, _ = trained
    command = make_command(slices, tmp_path, "--from", str(folder / "model.h5"))
    place = command.index("--data")
    command[place + 1 : place + 2] = [str(slices / "train.csv"), str(pictures)]
    place = command.index("--test")
    command[place + 1 : place + 2] = [str(slices / "test.csv"), str(pictures)]
    finished = run([*command, "--epochs", "1"])
    assert finished.returncode == 0, finished.stderr
    assert f"{pictures}: 200 pictures were read, 1 files were not." in finished.stderr
    assert str(pictures / "1/broken.png") in finished.stderr
    # 200 pictures beside 1,000 digits are a sixth; a fifth was the least.
    assert "1,200 training digits, 1 epochs" in finished.stdout
    assert "Now a small network" not in finished.stdout
    scores = dict(re.findall(r"Scored on [\d,]+ test digits of (.+)\n  accuracy +(\S+%, before \S+%)", finished.stdout))
    assert scores.keys() == {"test.csv", "my digits"}
    start, after = (load_classifier(where / "model.h5").artifact for where in (folder, tmp_path))
    graphs = [read_artifact(where / "model.h5").acceptance_graph for where in (folder, tmp_path)]
    assert graphs[0] == graphs[1]
    assert after.provenance["started_from"] == start.sha256
    assert f"before {start.provenance['metrics']['accuracy']:.2%}" in scores["test.csv"]
    assert [one["what"] for one in after.provenance["also_scored"]] == ["test digits of my digits"]


def test_train_on_own_pictures_alone_holds_a_fifth_of_each_label_out(slices, pictures, tmp_path):
    command = make_command(slices, tmp_path)
    del command[command.index("--test") : command.index("--test") + 2]
    command[command.index("--data") + 1] = str(pictures)
    finished = run([*command, "--fast"])
    assert finished.returncode == 0, finished.stderr
    num_held_out = int(re.search(r"Scored on (\d+) 20.0% held out of my digits", finished.stdout)[1])
    assert 35 <= num_held_out <= 45
    assert f"{200 - num_held_out} training digits" in finished.stdout


def test_train_from_a_network_from_elsewhere_is_refused(slices, tmp_path, shared_artifact, run_command):
    finished = run_command(*make_command(slices, tmp_path, "--from", str(shared_artifact))[1:])
    assert finished.returncode == 1
    assert re.search(wording("start_from_elsewhere", path=shared_artifact), finished.stderr)
