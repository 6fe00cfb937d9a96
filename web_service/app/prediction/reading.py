"""From pixels to probabilities, and what a request leaves behind for the metrics and the access log."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from digits.data.images import NUM_CLASSES, make_batch
from digits.inference.classifier import Classifier
from digits.inference.input_statistics import measure_moments
from digits.inference.rejection import Reason

Pixels = NDArray[np.uint8] | NDArray[np.float32]
"""Images as `(n, 784)`, 0-255, 0 is paper."""

# The activations of this many images fit into the processor's cache, and memory does not grow with the batch.
_IMAGES_AT_ONCE = 32


@dataclass(slots=True)
class Reading:
    """What was read of a request's images.

    Attributes:
        moments: float32 `(n, 3)`, as `input_statistics.measure_moments` returns them.
        probabilities: float32 `(n, 10)`, in [0, 1]; each row sums to 1.
        reasons: For each image, why it is not accepted as a digit; None if it is accepted.
        parse_seconds: The time from bytes to pixels.
        inference_seconds: The time from pixels to probabilities. Images that were read together share it equally.
    """

    moments: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    reasons: Sequence[Reason | None]
    parse_seconds: float
    inference_seconds: float

    def take(self, images: slice, parse_seconds: float) -> "Reading":
        """Return the reading of some of the images, whose request took this long to parse."""
        probabilities = self.probabilities[images]
        seconds = self.inference_seconds * len(probabilities) / len(self.probabilities)
        return Reading(self.moments[images], probabilities, self.reasons[images], parse_seconds, seconds)


@dataclass(slots=True)
class Observation:
    """What a request leaves for metrics and access log, as `scope["observation"]`.

    Attributes:
        code: The code of the error that the request was answered with; None if there was no error.
        reading: What was read of the request's images; None if there was nothing to read.
    """

    code: str | None = None
    reading: Reading | None = None


def read_pixels(classifier: Classifier, pixels: Pixels, parse_seconds: float) -> Reading:
    """Read images.

    Args:
        classifier: The model.
        pixels: uint8 or float32 `(n, 784)`, 0-255.
        parse_seconds: The time that it took to get the pixels.
    """
    started = perf_counter()
    probabilities = np.empty((len(pixels), NUM_CLASSES), np.float32)
    reasons: list[Reason | None] = []
    for start in range(0, len(pixels), _IMAGES_AT_ONCE):
        images = slice(start, start + _IMAGES_AT_ONCE)
        batch = make_batch(pixels[images])
        probabilities[images] = classifier.predict(batch)
        reasons += classifier.find_reasons(batch, probabilities[images])
    return Reading(measure_moments(pixels), probabilities, reasons, parse_seconds, perf_counter() - started)
