"""Several digits in one drawing: real digits put together, read by the shipped model."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from digits.classifier import Classifier, load_classifier
from digits.components import label_components, measure_components
from digits.cuts import find_cuts
from digits.dataset import LabelledImages
from digits.ink import extract_ink
from digits.pieces import MAX_PIECES, find_pieces, remove_rulings
from digits.segmentation import ReadDigit, read_candidates, read_number

ROOT = Path(__file__).resolve().parents[1]
HEIGHT = 140  # Of a digit's 28 pixels, drawn large.


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return load_classifier(ROOT / "models" / "digits.h5")


def draw_line(images: NDArray[np.uint8], gap: int) -> NDArray[np.uint8]:
    """Put digits side by side on white, their ink `gap` pixels apart."""
    parts = []
    for image in images:
        columns = np.flatnonzero(image.max(axis=0) > 64)
        part = Image.fromarray(image[:, columns[0] : columns[-1] + 1])
        parts += [part.resize((part.width * 5, HEIGHT), Image.Resampling.BICUBIC)]
    width = sum(part.width for part in parts) + gap * (len(parts) - 1)
    ink = np.zeros((2 * HEIGHT, width + HEIGHT), np.uint8)
    left = HEIGHT // 2
    for part in parts:
        window = np.s_[HEIGHT // 2 : HEIGHT // 2 + HEIGHT, left : left + part.width]
        ink[window] = np.maximum(ink[window], np.asarray(part))
        left += part.width + gap
    return 255 - ink


def read(classifier: Classifier, drawing: NDArray[np.uint8]) -> list[ReadDigit]:
    return read_number(drawing, classifier.predict, classifier.measure_acceptance)


def join(found: list[ReadDigit]) -> str:
    return "".join(str(digit.digit) for digit in found)


@pytest.mark.parametrize("first", [0, 4, 10, 15, 20, 25, 30, 35])
def test_read_number_spaced_digits(first: int, classifier: Classifier, small_digits: LabelledImages) -> None:
    chosen = slice(first, first + 5)
    found = read(classifier, draw_line(small_digits.images[chosen], gap=25))
    assert join(found) == "".join(map(str, small_digits.labels[chosen]))


@pytest.mark.parametrize("digit", range(10))
def test_read_number_one_digit_stays_one(digit: int, classifier: Classifier, small_digits: LabelledImages) -> None:
    chosen = small_digits.images[small_digits.labels == digit][:4]
    read_alone = [join(read(classifier, draw_line(image[None], gap=0))) for image in chosen]
    assert read_alone == [str(digit)] * 4


def test_read_number_parts_most_digits_that_touch(classifier: Classifier, small_digits: LabelledImages) -> None:
    pairs = [slice(first, first + 2) for first in range(0, 40, 2)]
    num_right = 0
    for pair in pairs:
        line = draw_line(small_digits.images[pair], gap=-8)
        num_right += join(read(classifier, line)) == "".join(map(str, small_digits.labels[pair]))
    assert num_right >= len(pairs) / 2


def test_read_number_boxes_are_where_the_digits_are(classifier: Classifier, small_digits: LabelledImages) -> None:
    drawing = draw_line(small_digits.images[:4], gap=30)
    columns = np.flatnonzero(np.diff((drawing < 128).any(axis=0).astype(np.int8)))
    lefts, rights = columns[::2] + 1, columns[1::2] + 1
    boxes = [digit.box for digit in read(classifier, drawing)]
    np.testing.assert_allclose([left for left, _, _, _ in boxes], lefts, atol=3)
    np.testing.assert_allclose([left + width for left, _, width, _ in boxes], rights, atol=3)
    for left, top, width, height in boxes:
        rows = np.flatnonzero((drawing[:, left : left + width] < 128).any(axis=1))
        np.testing.assert_allclose([top, top + height], [rows[0], rows[-1] + 1], atol=3)


def test_read_number_gives_what_the_network_saw(classifier: Classifier, small_digits: LabelledImages) -> None:
    found = read(classifier, draw_line(small_digits.images[:3], gap=30))
    for digit in found:
        assert (digit.image.shape, digit.image.dtype) == ((28, 28), np.uint8)
        batch = (digit.image[None, :, :, None] / 255).astype(np.float32)
        np.testing.assert_allclose(classifier.predict(batch)[0], digit.probabilities, atol=1e-5)


def test_read_number_boxes_in_a_large_photo(classifier: Classifier, small_digits: LabelledImages) -> None:
    drawing = draw_line(small_digits.images[:3], gap=30)
    boxes = [digit.box for digit in read(classifier, drawing)]
    large = read(classifier, np.kron(drawing, np.ones((5, 5), np.uint8)))
    assert join(large) == "".join(map(str, small_digits.labels[:3]))
    np.testing.assert_allclose([digit.box for digit in large], 5 * np.array(boxes), atol=25)


def test_read_number_narrow_zeros_are_no_ones(classifier: Classifier) -> None:
    rows, columns = np.indices((300, 700))
    rings = [np.abs(np.hypot((rows - 150) / 111, (columns - centre) / 40) - 1) * 40 < 6 for centre in (120, 350, 580)]
    drawing = np.where(np.any(rings, axis=0), 0, 255).astype(np.uint8)
    assert join(read(classifier, drawing)) == "000"


def test_find_cuts_goes_round_a_loop() -> None:
    rows, columns = np.indices((60, 90))
    rings = [np.abs(np.hypot(rows - 30, columns - centre) - 20) < 2.5 for centre in (23, 65)]
    paths, _ = find_cuts(rings[0] | rings[1], spacing=6, max_cost=20)
    middles = paths[:, 30]
    assert ((middles >= 40) & (middles <= 48)).any()
    assert (np.abs(middles[:, None] - [23, 65]) > 8).all()


def test_read_number_light_on_dark(classifier: Classifier, small_digits: LabelledImages) -> None:
    drawing = 255 - draw_line(small_digits.images[:4], gap=25)
    assert join(read(classifier, drawing)) == "".join(map(str, small_digits.labels[:4]))


def test_read_number_leaves_out_a_stop(classifier: Classifier, small_digits: LabelledImages) -> None:
    drawing = draw_line(small_digits.images[:2], gap=60)
    middle = int(np.flatnonzero((drawing < 128).any(axis=0))[0]) + 20
    box = read(classifier, drawing)[0].box
    stop = box[0] + box[2] + 20
    drawing[190:205, stop : stop + 15] = 0
    assert middle < stop
    assert join(read(classifier, drawing)) == "".join(map(str, small_digits.labels[:2]))


@pytest.mark.parametrize("shape", [(1, 1), (28, 28), (5, 900), (400, 1200)])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_read_number_blank(shape: tuple[int, int], level: int, classifier: Classifier) -> None:
    assert read(classifier, np.full(shape, level, np.uint8)) == []


def test_read_candidates_noise_is_bounded(classifier: Classifier) -> None:
    generator = np.random.default_rng(0)
    for share in (0.02, 0.2, 0.5):
        drawing = np.where(generator.random((400, 1200)) < share, 0, 255).astype(np.uint8)
        line = read_candidates(drawing, classifier.predict)
        assert len(line.images) <= 300
        assert len(line.pieces.boxes) <= MAX_PIECES


def test_read_candidates_comb_is_bounded(classifier: Classifier) -> None:
    drawing = np.full((400, 1200), 255, np.uint8)
    drawing[100:300, 100:1100:4] = 0
    drawing[195:205, 100:1100] = 0
    line = read_candidates(drawing, classifier.predict)
    assert len(line.images) <= 300
    assert len(line.pieces.boxes) <= MAX_PIECES


def test_find_pieces_cuts_what_is_wide(small_digits: LabelledImages) -> None:
    pieces = find_pieces(extract_ink(draw_line(small_digits.images[:2], gap=-10)))
    assert len(pieces.boxes) > 2
    assert len(pieces.cut_costs) == len(pieces.cuts) > 0


def test_remove_rulings_keeps_what_crosses() -> None:
    mask = np.zeros((60, 200), bool)
    mask[50:52] = True
    mask[10:58, 90:95] = True
    cleaned = remove_rulings(mask)
    assert cleaned[10:58, 90:95].all()
    assert not cleaned[:, :80].any()


def test_label_components_diagonal_touch_is_one_piece() -> None:
    labels, count = label_components(np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0], [1, 1, 0]], bool))
    assert count == 2
    boxes, areas = measure_components(labels, count)
    assert boxes.tolist() == [[0, 0, 3, 2], [0, 3, 2, 4]]
    assert areas.tolist() == [3, 2]


@pytest.mark.parametrize("share", [0.1, 0.4, 0.6])
def test_label_components_agrees_with_scipy(share: float) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    mask = np.random.default_rng(1).random((120, 170)) < share
    labels, count = label_components(mask)
    expected, num_expected = ndimage.label(mask, np.ones((3, 3)))
    assert count == num_expected
    assert len(np.unique(np.stack([labels[mask], expected[mask]]), axis=1).T) == count


def test_label_components_paper_alone() -> None:
    labels, count = label_components(np.zeros((3, 4), bool))
    assert (count, labels.max()) == (0, 0)
