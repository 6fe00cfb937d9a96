"""Read a drawing of one digit, with two networks that see the same 28x28 pixels.

The classifier was trained on single digits, the line network on lines of hastier digits with forms that MNIST lacks.
They misread different drawings; docs/model-card.md tells where both together read better, and where not.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from digits.data.images import make_batch
from digits.inference.classifier import Classifier
from digits.inference.ctc import measure_single_digits
from digits.inference.ensemble import combine_networks, read_without_doubt
from digits.inference.line_reader import LineReader
from digits.inference.rejection import Reason, Thresholds, find_reasons
from digits.preprocessing.digit_image import normalise_drawing
from digits.preprocessing.line_image import frame_digits, make_line_batch

_DOUBT = 1e-5  # Is added to each probability; the confidence stays below 0.99992.
_LEAST = 1e-30  # Keeps a division by a probability of 0 defined.
# Below it the networks disagree, or both doubt. Of 3,000 digits drawn from skeletons, 0.8 % of those that were read
# right are not accepted, and 29 % of those that were read wrong.
_LEAST_CONFIDENCE = 0.7
_CERTAIN = 0.8  # At this certainty a drawing is read once only. It was chosen on drawings of training digits.


@dataclass(frozen=True)
class DrawnDigit:
    """The one digit of a drawing.

    Attributes:
        image: What the networks saw, uint8 `(28, 28)`.
        probabilities: float32 `(10,)`.
        reason: Why it is not accepted as a digit, if it is not.
        certainty: The probability that it is a digit, times its confidence, in [0, 1].
    """

    image: NDArray[np.uint8]
    probabilities: NDArray[np.float32]
    reason: Reason | None
    certainty: float


def read_drawing(drawing: NDArray[np.uint8], classifier: Classifier, reader: LineReader) -> DrawnDigit:
    """Read a drawing of one digit.

    If it is doubtful, it is read once more without the background of its sheet, and the surer reading is returned.

    Args:
        drawing: uint8 `(height, width)`, luminance, dark ink on light paper or the reverse.
        classifier: Tells as well whether it is a digit.
        reader: The line network.
    """

    def read(drawing: NDArray[np.uint8]) -> DrawnDigit:
        return _read_once(drawing, classifier, reader)

    return read_without_doubt(read, drawing, lambda drawn: drawn.certainty, _CERTAIN)


def _read_once(drawing: NDArray[np.uint8], classifier: Classifier, reader: LineReader) -> DrawnDigit:
    image = normalise_drawing(drawing)
    batch = make_batch(image[None])
    probabilities = _predict_with_both(image[None], batch, classifier, reader)
    acceptance = classifier.measure_acceptance(batch)
    (reason,) = find_reasons(batch, probabilities, acceptance, _tighten(classifier.thresholds))
    certainty = float(probabilities.max()) * (1.0 if acceptance is None else float(acceptance[0]))
    return DrawnDigit(image, probabilities[0], reason, certainty)


def read_digits(
    images: NDArray[np.uint8], classifier: Classifier, reader: LineReader
) -> tuple[NDArray[np.float32], list[Reason | None]]:
    """Read images of one digit each.

    The line network weighs as much as it finds it probable that the image holds exactly one digit. If it finds none or
    several, the classifier's probabilities remain.

    Args:
        images: uint8 `(n, 28, 28)`, as `digit_image.normalise_drawing` makes them.
        classifier: Tells as well whether they are digits.
        reader: The line network.

    Returns:
        Probabilities, float32 `(n, 10)`, the weighted geometric mean of both networks'; and for each image why it is
        rejected, or None.
    """
    batch = make_batch(images)
    probabilities = _predict_with_both(images, batch, classifier, reader)
    acceptance = classifier.measure_acceptance(batch)
    return probabilities, find_reasons(batch, probabilities, acceptance, _tighten(classifier.thresholds))


def _tighten(thresholds: Thresholds) -> Thresholds:
    return replace(thresholds, confidence=max(thresholds.confidence, _LEAST_CONFIDENCE))


def _predict_with_both(
    images: NDArray[np.uint8], batch: NDArray[np.float32], classifier: Classifier, reader: LineReader
) -> NDArray[np.float32]:
    single = measure_single_digits(reader.compute(make_line_batch(frame_digits(images))))
    weights = single.sum(axis=1, keepdims=True)
    by_line = single / np.maximum(weights, _LEAST)
    return combine_networks(classifier.predict(batch), by_line, weights, _DOUBT, is_mean=True)
