"""Single digits, read by both shipped networks together."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from digits.data.dataset import LabelledImages
from digits.data.images import make_batch
from digits.inference.classifier import Classifier, load_classifier
from digits.inference.ctc import BLANK
from digits.inference.digit_reader import read_digits, read_drawing
from digits.inference.line_reader import LineReader, load_line_reader
from digits.preprocessing.digit_image import normalise_drawing
from tests.conftest import ROOT

MODELS = ROOT / "models"


@pytest.fixture(scope="module")
def networks() -> tuple[Classifier, LineReader]:
    return load_classifier(MODELS / "digits.h5"), load_line_reader(MODELS / "lines.h5")


def draw_one(flag: int) -> NDArray[np.uint8]:
    """Draw a 1 with a flag of so many pixels, 30 degrees steep, and normalise it."""
    angle = np.deg2rad(30)
    drawing = Image.new("L", (300, 400), 255)
    points = [(180 - flag * np.cos(angle), 80 + flag * np.sin(angle)), (180, 80), (170, 320)]
    ImageDraw.Draw(drawing).line(points, 0, 28, "curve")
    return normalise_drawing(np.asarray(drawing))


def lay_on_desk(image: NDArray[np.uint8], desk: int, angle: float) -> NDArray[np.uint8]:
    """Photograph a digit on a light sheet that fills half of the picture."""
    sheet = Image.new("L", (400, 300), 205)
    sheet.paste(60, (130, 70), Image.fromarray(image).resize((160, 160), Image.Resampling.BICUBIC))
    photo = Image.new("L", (560, 420), desk)
    photo.paste(sheet, (80, 60))
    seen = photo.rotate(angle, Image.Resampling.BICUBIC, fillcolor=desk)
    noise = np.random.default_rng(0).normal(0, 5, (420, 560))
    return (np.asarray(seen) + noise).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("flag", [90, 100])
def test_read_digits_one_with_a_long_flag(flag: int, networks: tuple[Classifier, LineReader]) -> None:
    images = draw_one(flag)[None]
    assert networks[0].predict(make_batch(images)).argmax() == 7, "no longer one that the classifier needs help with"
    probabilities, reasons = read_digits(images, *networks)
    assert probabilities.argmax() == 1
    # The networks disagree about the longest flag.
    assert reasons != ["not_a_digit"]


def test_read_digits_of_mnist_is_what_the_labels_say(
    small_digits: LabelledImages, networks: tuple[Classifier, LineReader]
) -> None:
    probabilities, reasons = read_digits(small_digits.images, *networks)
    assert (probabilities.dtype, probabilities.shape) == (np.float32, (len(small_digits), 10))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (probabilities.argmax(axis=1) != small_digits.labels).sum() <= 2
    assert sum(reason is not None for reason in reasons) <= 2


def test_read_digits_where_the_line_network_sees_none_says_what_the_classifier_says(
    small_digits: LabelledImages, networks: tuple[Classifier, LineReader]
) -> None:
    classifier, reader = networks
    nothing = np.eye(BLANK + 1, dtype=np.float32)[BLANK]
    blind = LineReader(reader.artifact, lambda batch: np.tile(nothing, (len(batch), 10, 1)))
    probabilities, _ = read_digits(small_digits.images, classifier, blind)
    alone = classifier.predict(make_batch(small_digits.images))
    np.testing.assert_allclose(probabilities, alone, atol=1e-3)


@pytest.mark.parametrize("desk", [30, 110])
@pytest.mark.parametrize("angle", [0, 6])
def test_read_drawing_on_a_sheet_on_a_desk(
    desk: int, angle: int, small_digits: LabelledImages, networks: tuple[Classifier, LineReader]
) -> None:
    """The desk was taken for paper, and the sheet for ink."""
    chosen = small_digits.take(slice(0, 20))
    read = [read_drawing(lay_on_desk(image, desk, angle), *networks) for image in chosen.images]
    assert sum(one.reason is not None for one in read) <= 1
    digits = [one.probabilities.argmax() for one in read]
    assert (np.array(digits) != chosen.labels).sum() <= 1


def test_read_digits_of_which_the_networks_disagree_are_ambiguous(
    small_digits: LabelledImages, networks: tuple[Classifier, LineReader]
) -> None:
    classifier, reader = networks
    ones = small_digits.take(np.flatnonzero(small_digits.labels == 1)[:20])

    def see_sevens(lines: NDArray[np.float32]) -> NDArray[np.float32]:
        seen = reader.compute(lines)
        seen[..., [1, 7]] = seen[..., [7, 1]]
        return seen

    assert read_digits(ones.images, *networks)[1].count(None) >= 19
    _, reasons = read_digits(ones.images, classifier, replace(reader, compute=see_sevens))
    assert reasons.count("ambiguous") >= 12


def test_read_digits_of_blank_paper(networks: tuple[Classifier, LineReader]) -> None:
    probabilities, reasons = read_digits(np.zeros((1, 28, 28), np.uint8), *networks)
    assert reasons == ["blank"]
    assert np.isfinite(probabilities).all()
