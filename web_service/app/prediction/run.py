"""From what a request sent to probabilities, without holding up those who wait behind it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TypeVar

import numpy as np
from anyio import CapacityLimiter, to_thread
from fastapi import Request
from numpy.typing import NDArray
from starlette.requests import ClientDisconnect

from digits.data.images import NUM_CLASSES, make_batch
from digits.inference.classifier import Classifier
from digits.inference.input_statistics import measure_moments
from digits.inference.rejection import Reason

Pixels = NDArray[np.uint8] | NDArray[np.float32]
Computed = TypeVar("Computed")
# What lies between the network's layers for this many images fits the processor's cache, and memory does not grow
# with the batch.
_IMAGES_AT_ONCE = 32


@dataclass(slots=True)
class Reading:
    """What was read of a request's images.

    Attributes:
        moments: float32 `(n, 3)`, as `measures.measure_moments` returns them.
        probabilities: float32 `(n, 10)`, rows sum to 1.
        reasons: Why an image is not accepted as a digit, None for each that is.
        parse_seconds: From bytes to pixels.
        inference_seconds: From pixels to probabilities; of images that were read together, an equal share each.
    """

    moments: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    reasons: Sequence[Reason | None]
    parse_seconds: float
    inference_seconds: float

    def take(self, images: slice, parse_seconds: float) -> "Reading":
        """Return the reading of some of the images."""
        probabilities = self.probabilities[images]
        seconds = self.inference_seconds * len(probabilities) / len(self.probabilities)
        return Reading(self.moments[images], probabilities, self.reasons[images], parse_seconds, seconds)


@dataclass(slots=True)
class Observation:
    """What a request's way through the service leaves for metrics and log, as `scope["observation"]`.

    Attributes:
        code: Of the error that it was answered with.
        reading: Of its images, if there were any to read.
    """

    code: str | None = None
    reading: Reading | None = None


async def compute_in_lane(request: Request, compute: Callable[[], Computed]) -> Computed:
    """Compute in a worker thread, one such request after the other: memory is needed once, the event loop goes on.

    Raises:
        starlette.requests.ClientDisconnect: If the client went away while others were computed.
    """
    batch_lane: CapacityLimiter = request.app.state.batch_lane
    async with batch_lane:
        if await request.is_disconnected():
            raise ClientDisconnect
        return await to_thread.run_sync(compute)


def read_pixels(classifier: Classifier, pixels: Pixels, parse_seconds: float) -> Reading:
    """Read images.

    Args:
        classifier: The model.
        pixels: `(n, 784)`, 0-255.
        parse_seconds: What it took to get them.
    """
    started = perf_counter()
    probabilities = np.empty((len(pixels), NUM_CLASSES), np.float32)
    reasons: list[Reason | None] = []
    for start in range(0, len(pixels), _IMAGES_AT_ONCE):
        images = slice(start, start + _IMAGES_AT_ONCE)
        ink = make_batch(pixels[images])
        probabilities[images] = classifier.predict(ink)
        reasons += classifier.judge(ink, probabilities[images])
    return Reading(measure_moments(pixels), probabilities, reasons, parse_seconds, perf_counter() - started)
