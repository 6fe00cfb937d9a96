"""The committed models/digits.h5: as accurate as it says, calibrated, steady under small changes."""

import re
from pathlib import Path

import numpy as np
import pytest

from digits.classifier import Classifier, load_classifier
from digits.dataset import LabelledImages, read_labelled_images
from digits.evaluation import evaluate
from digits.images import draw_one, make_batch

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return load_classifier(ROOT / "models" / "digits.h5", num_threads=2)


@pytest.fixture(scope="module")
def digits_to_read() -> LabelledImages:
    return read_labelled_images(ROOT / "data" / "test.csv.gz")


@pytest.fixture(scope="module")
def evaluation(classifier, digits_to_read):
    return evaluate(classifier.predict(make_batch(digits_to_read.images)), digits_to_read.labels)


def test_shipped_model_misreads_at_most_forty_of_the_test_digits(evaluation):
    assert evaluation.num_errors <= 40


def test_shipped_model_scores_what_its_provenance_says(classifier, evaluation):
    assert classifier.artifact.provenance["metrics"]["num_errors"] == evaluation.num_errors


def test_shipped_model_scores_what_the_readme_says(evaluation):
    published = re.search(r"misreads \*\*(\d+) of the 10,000\*\*", (ROOT / "README.md").read_text())
    assert published
    assert evaluation.num_errors == int(published.group(1))


def test_shipped_model_was_trained_by_the_default_command_on_the_committed_digits(classifier):
    provenance = classifier.artifact.provenance
    assert provenance["data"]["num_digits"] == 60_000
    assert provenance["data"]["sha256"] in (ROOT / "data" / "README.md").read_text()


def test_shipped_model_is_calibrated(evaluation):
    assert evaluation.calibration_error <= 0.005
    assert evaluation.negative_log_likelihood <= 0.015


def test_shipped_model_reads_the_known_one(classifier):
    assert classifier.predict(make_batch(draw_one()[None])).argmax() == 1


@pytest.mark.parametrize("shift", [(1, 0), (-1, 0), (0, 1), (0, -1)])
def test_shipped_model_changes_few_answers_when_digits_move_by_a_pixel(classifier, digits_to_read, shift):
    moved = np.roll(digits_to_read.images, shift, axis=(1, 2))
    still, shifted = (
        classifier.predict(make_batch(images)).argmax(axis=1) for images in (digits_to_read.images, moved)
    )
    assert (still != shifted).mean() <= 0.005


def test_shipped_model_changes_few_answers_when_strokes_thicken(classifier, digits_to_read):
    images = digits_to_read.images
    thickened = np.maximum(images, np.roll(images, 1, axis=2))
    still, thick = (classifier.predict(make_batch(shown)).argmax(axis=1) for shown in (images, thickened))
    assert (still != thick).mean() <= 0.01
