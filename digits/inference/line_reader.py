"""Read a drawing of several digits from left to right.

The line network (`digits.networks.line_recogniser`) gives probabilities every four columns, which CTC decodes into
digits. The ink is then segmented into these digits, which gives their boxes. The classifier reads each segment as well;
it weighs the more, the more the segment looks like a digit by itself.

A drawing shows one line. Two lines above each other are read as one, from left to right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from pathlib import Path
from statistics import median_high

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digits.data.images import NUM_CLASSES, make_batch
from digits.inference.artifact import Artifact
from digits.inference.classifier import Classifier
from digits.inference.ctc import decode
from digits.inference.ensemble import combine_networks, read_without_doubt
from digits.inference.onnx_session import Predict, open_artifact
from digits.inference.precision import Precision, Served
from digits.inference.rejection import Reason, find_reasons
from digits.inference.segmentation import STROKE_INK, Box, segment_ink
from digits.preprocessing.binarise import Ink
from digits.preprocessing.digit_image import normalise_ink
from digits.preprocessing.line_image import LINE_HEIGHT, FramedLine, frame_ink, frame_line, make_line_batch

_CLASSIFIER_WEIGHT = 0.6  # The most that the classifier weighs beside the line network.
_CERTAIN = 0.9  # If every digit has this confidence, the drawing is read once only.
_DOUBT = 1e-3  # Is added to each probability, so that neither network can rule a digit out.
_STOP_SHARE = 0.3  # A stop is lower than this share of the median digit; the network was trained on no smaller zeros.
_WORKING_PIXELS = 1024 * 1024  # A larger drawing is reduced first, because its digits are large, too.
_LONGEST_SIDE = 4096  # Pixels of the reduced drawing.


@dataclass(frozen=True)
class LineReader:
    """A loaded line network.

    Attributes:
        artifact: Where it came from.
        compute: float32 `(n, 32, width, 1)` in [0, 1], the width a multiple of 4, to probabilities, float32
            `(n, width / 4, 11)`; unchecked.
        precision: Which of the file's graphs computes.
    """

    artifact: Artifact
    compute: Predict
    precision: Served = "fp32"


@dataclass(frozen=True)
class ReadDigit:
    """One digit of a drawing.

    Attributes:
        image: uint8 `(28, 28)`, its ink alone in MNIST's form.
        box: Left, top, width and height, in pixels of the drawing.
        probabilities: float32 `(10,)`.
        reason: Why it is not accepted as a digit, if it is not.
    """

    image: NDArray[np.uint8]
    box: Box
    probabilities: NDArray[np.float32]
    reason: Reason | None

    @property
    def digit(self) -> int:
        """The most probable digit."""
        return int(self.probabilities.argmax())


def load_line_reader(path: Path, num_threads: int = 1, precision: Precision | None = None) -> LineReader:
    """Load the .h5 that `digits.training.line_recogniser` writes; the arguments are those of `load_classifier`.

    Raises:
        ArtifactError: If the file cannot be used.
    """
    shapes = (LINE_HEIGHT, None, 1), (None, NUM_CLASSES + 1)
    return LineReader(*open_artifact(path, num_threads, *shapes, "make train_lines", precision))


def read_number(drawing: NDArray[np.uint8], reader: LineReader, classifier: Classifier) -> list[ReadDigit]:
    """Read the digits of a drawing from left to right.

    If a digit is doubtful or none is found, the drawing is read once more without the background of its sheet, and the
    reading of greater confidence is returned.

    Args:
        drawing: uint8 `(height, width)`, luminance, dark ink on light paper or the reverse.
        reader: The line network.
        classifier: Reads each digit as well.

    Returns:
        The digits; none if there is no ink. Stops, commas and dashes are left out.
    """

    def read(drawing: NDArray[np.uint8]) -> list[ReadDigit]:
        return _read_once(drawing, reader, classifier)

    return read_without_doubt(read, drawing, measure_certainty, _CERTAIN)


def measure_certainty(found: Sequence[ReadDigit]) -> float:
    """Return the lowest confidence of the digits; 0 if there is none, or if one is rejected as no digit."""
    return min([0.0 if one.reason == "not_a_digit" else float(one.probabilities.max()) for one in found], default=0.0)


def _read_once(drawing: NDArray[np.uint8], reader: LineReader, classifier: Classifier) -> list[ReadDigit]:
    factor = max(ceil(sqrt(drawing.size / _WORKING_PIXELS)), ceil(max(drawing.shape) / _LONGEST_SIDE))
    line = frame_line(np.asarray(Image.fromarray(drawing).reduce(factor)) if factor > 1 else drawing)
    return _read_framed(line, factor, drawing.shape, reader, classifier)


def read_ink(contrast: Ink, reader: LineReader, classifier: Classifier) -> list[ReadDigit]:
    """Read a line whose ink is told from the paper, float32 `(height, width)` in [0, 1]."""
    return _read_framed(frame_ink(contrast), 1, contrast.shape, reader, classifier)


def _read_framed(
    line: FramedLine | None, factor: int, shape: tuple[int, ...], reader: LineReader, classifier: Classifier
) -> list[ReadDigit]:
    if line is None:
        return []
    line, steps, probabilities = _read_line(line, reader)
    parts = segment_ink(line.ink, [line.locate(step) for step in steps])
    if not parts:
        return []
    chosen = _find_digits(line.ink, [box for _, box in parts])
    parts = [parts[index] for index in chosen]
    images = np.array([normalise_ink(ink) for ink, _ in parts])
    probabilities, reasons = _add_classifier(make_batch(images), probabilities[chosen], classifier)
    boxes = [_enlarge(box, factor, shape) for _, box in parts]
    return [ReadDigit(*one) for one in zip(images, boxes, probabilities, reasons, strict=True)]


def spell_number(found: Sequence[ReadDigit]) -> str:
    """Return the digits as one number.

    It leaves out what is rejected as no digit. An ambiguous digit stands by its best guess, because without it the
    number would be another one.
    """
    return "".join(str(one.digit) for one in found if one.reason in (None, "ambiguous"))


def _read_line(line: FramedLine, reader: LineReader) -> tuple[FramedLine, list[float], NDArray[np.float32]]:
    """Return what `decode` returns, and the line as it was read.

    Ones may stand closer together than the network can separate. If it finds nothing but ones, it reads the line once
    more at twice the width, and that reading is returned if it has more ones and nothing else.
    """
    steps, probabilities = _predict(line, reader)
    if _are_ones(probabilities):
        wide = line.widen()
        wide_steps, wide_probabilities = _predict(wide, reader)
        if _are_ones(wide_probabilities) and len(wide_steps) > len(steps):
            return wide, wide_steps, wide_probabilities
    return line, steps, probabilities


def _predict(line: FramedLine, reader: LineReader) -> tuple[list[float], NDArray[np.float32]]:
    return decode(reader.compute(make_line_batch(line.image[None]))[0])


def _are_ones(probabilities: NDArray[np.float32]) -> bool:
    return bool((probabilities.argmax(axis=1) == 1).all())


def _add_classifier(
    batch: NDArray[np.float32], probabilities: NDArray[np.float32], classifier: Classifier
) -> tuple[NDArray[np.float32], list[Reason | None]]:
    """Return the probabilities of both networks combined, and why a digit is rejected."""
    acceptance = classifier.measure_acceptance(batch)
    weights = _CLASSIFIER_WEIGHT * (np.ones(len(batch)) if acceptance is None else acceptance)[:, None]
    together = combine_networks(probabilities, classifier.predict(batch), weights, _DOUBT, is_mean=False)
    if len(batch) == 1:
        return together, find_reasons(batch, together, acceptance, classifier.thresholds)
    # In a line, a digit that touches others or was segmented badly need not look like a digit by itself.
    is_ambiguous = together.max(axis=1) < classifier.thresholds.confidence
    return together, ["ambiguous" if one else None for one in is_ambiguous.tolist()]


def _find_digits(ink: Ink, boxes: Sequence[Box]) -> list[int]:
    """Return the parts that are digits: stops are far smaller than the others both ways, and touch nothing."""
    median = median_high(height for *_, height in boxes)
    return [
        index
        for index, box in enumerate(boxes)
        if max(box[2:]) >= _STOP_SHARE * median or (_crop_around(ink, box) > STROKE_INK).any()
    ]


def _crop_around(ink: Ink, box: Box) -> Ink:
    """Return the ink one pixel around a box, with 0 inside of it."""
    left, top, width, height = box
    around = np.pad(ink, 1)[top : top + height + 2, left : left + width + 2]
    around[1:-1, 1:-1] = 0
    return around


def _enlarge(box: Box, factor: int, shape: tuple[int, ...]) -> Box:
    left, top, width, height = (side * factor for side in box)
    # The last column and row of a reduced drawing may stand for fewer pixels.
    return left, top, min(width, shape[1] - left), min(height, shape[0] - top)
