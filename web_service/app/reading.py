"""From what a request sent to probabilities, without holding up those who wait behind it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import TypeVar

import numpy as np
from anyio import CapacityLimiter, to_thread
from fastapi import Request
from numpy.typing import NDArray

from app.answers import get_classifier
from app.errors import WrongBatchSizeError
from digits.acceptance import Reason
from digits.classifier import Classifier
from digits.images import NUM_CLASSES, make_batch
from digits.measures import measure_moments

Pixels = NDArray[np.uint8] | NDArray[np.float32]
Computed = TypeVar("Computed")
# Five images as bytes, one or two as JSON: computed in less time than others would notice, and without the way to a
# thread and back. Anything longer is read in a thread.
_INLINE_BYTES = 4096
# What lies between the network's layers for this many images fits the processor's cache, and memory does not grow
# with the batch.
_IMAGES_AT_ONCE = 32


@dataclass(slots=True)
class Reading:
    """What was read of a request's images.

    Attributes:
        moments: float32 `(n, 3)`, as `measures.measure_moments` returns them.
        probabilities: float32 `(n, 10)`, rows sum to 1.
        reasons: Why an image is not accepted as a digit, None for each that is; empty where nobody asked.
        parse_seconds: From bytes to pixels.
        inference_seconds: From pixels to probabilities.
    """

    moments: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    reasons: Sequence[Reason | None]
    parse_seconds: float
    inference_seconds: float


@dataclass(slots=True)
class Observation:
    """What a request's way through the service leaves for metrics and log, as `scope["observation"]`.

    Attributes:
        code: Of the error that it was answered with.
        reading: Of its images, if there were any to read.
    """

    code: str | None = None
    reading: Reading | None = None


async def read_images(
    request: Request, num_bytes: int, parse: Callable[[], Pixels], is_judged: bool = False
) -> Reading:
    """Parse and read images; a large batch in a worker thread, one such batch after the other.

    Args:
        request: What the reading is for.
        num_bytes: How long the body is.
        parse: Returns pixels `(n, 784)`, 0-255.
        is_judged: Whether the reasons are wanted.

    Raises:
        ModelNotReadyError: While the model is still being loaded.
        WrongBatchSizeError: If there are no images, or more than the operator allows.
    """
    max_images = request.app.state.settings.max_batch_images
    read = partial(_parse_and_read, get_classifier(request), parse, max_images, is_judged)
    reading = read() if num_bytes <= _INLINE_BYTES else await compute_in_lane(request, read)
    request.scope["observation"].reading = reading
    return reading


async def compute_in_lane(request: Request, compute: Callable[[], Computed]) -> Computed:
    """Compute in a worker thread, one such request after the other: memory is needed once, the event loop goes on."""
    batch_lane: CapacityLimiter = request.app.state.batch_lane
    return await to_thread.run_sync(compute, limiter=batch_lane)


def read_pixels(classifier: Classifier, pixels: Pixels, parse_seconds: float, is_judged: bool = True) -> Reading:
    """Read images.

    Args:
        classifier: The model.
        pixels: `(n, 784)`, 0-255.
        parse_seconds: What it took to get them.
        is_judged: Whether the reasons are wanted.
    """
    started = perf_counter()
    probabilities = np.empty((len(pixels), NUM_CLASSES), np.float32)
    reasons: list[Reason | None] = []
    for start in range(0, len(pixels), _IMAGES_AT_ONCE):
        images = slice(start, start + _IMAGES_AT_ONCE)
        ink = make_batch(pixels[images])
        probabilities[images] = classifier.predict(ink)
        if is_judged:
            reasons += classifier.judge(ink, probabilities[images])
    return Reading(measure_moments(pixels), probabilities, reasons, parse_seconds, perf_counter() - started)


def _parse_and_read(classifier: Classifier, parse: Callable[[], Pixels], max_images: int, is_judged: bool) -> Reading:
    started = perf_counter()
    pixels = parse()
    if not 1 <= len(pixels) <= max_images:
        raise WrongBatchSizeError(len(pixels), max_images)
    return read_pixels(classifier, pixels, perf_counter() - started, is_judged)
