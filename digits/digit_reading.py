"""Which digit a normalised drawing shows: two networks look at the same 28x28 pixels.

The classifier was taught on single digits, the line network on lines of more hasty ones, with forms that MNIST lacks.
They err on other drawings, so both together read more of them than either.
"""

import numpy as np
from numpy.typing import NDArray

from digits.acceptance import Reason
from digits.classifier import Classifier
from digits.images import NUM_CLASSES, make_batch
from digits.line_images import frame_digits, make_line_batch
from digits.line_reading import LineReader

_DOUBT = 1e-4  # Of either network, so that neither can rule a digit out.


def read_digits(
    images: NDArray[np.uint8], classifier: Classifier, reader: LineReader
) -> tuple[NDArray[np.float32], list[Reason | None]]:
    """Read images of one digit each.

    Where the line network sees no digit, or several, it has no preference, and the classifier's stands.

    Args:
        images: uint8 `(n, 28, 28)`, as `normalisation.normalise_drawing` makes them.
        classifier: Says whether they are digits, too.
        reader: The other network.

    Returns:
        Probabilities, float32 `(n, 10)`, the geometric mean of both networks'; and of each image why it is not
        accepted, if it is not.
    """
    batch = make_batch(images)
    lines = reader.compute(make_line_batch(frame_digits(images)))
    together = np.sqrt((classifier.predict(batch) + _DOUBT) * (measure_single_digits(lines) + _DOUBT))
    probabilities = (together / together.sum(axis=1, keepdims=True)).astype(np.float32)
    return probabilities, classifier.judge(batch, probabilities)


def measure_single_digits(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how probable it is that a line holds one digit and nothing else, for each of the ten.

    The forward variables of Graves et al., "Connectionist Temporal Classification" (ICML 2006), for labels of length 1.

    Args:
        probabilities: float32 `(n, steps, 11)`, the last of them for no digit, as the line network says them.

    Returns:
        float64 `(n, 10)`; rows sum to 1 at most.
    """
    before, here, after = np.ones((len(probabilities), 1)), np.zeros(1), np.zeros(1)
    for step in probabilities.astype(np.float64).swapaxes(0, 1):
        digit, none = step[:, :NUM_CLASSES], step[:, NUM_CLASSES:]
        before, here, after = before * none, (before + here) * digit, (here + after) * none
    return here + after
