"""Images of requests that are there at the same time, read together.

Nobody waits for others to come: what has been parsed in this turn of the event loop is read in the next. One image
alone brings the networks' weights into the processor's cache for itself; many share them.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import perf_counter

import numpy as np
from fastapi import Request

from app.errors.refusals import WrongBatchSizeError
from app.prediction.run import Pixels, Reading, compute_in_lane, read_pixels
from app.routes.answers import get_classifier
from digits.inference.classifier import Classifier

# Five images as bytes, one or two as JSON: parsed in less time than others would notice, and without the way to a
# thread and back. Anything longer is read in a thread.
_INLINE_BYTES = 4096
# A few milliseconds of work: what comes meanwhile, health probes among it, has its turn after that.
_IMAGES_AT_ONCE = 16


@dataclass(slots=True)
class _Waiting:
    pixels: Pixels
    parse_seconds: float
    reading: asyncio.Future[Reading]


class Gatherer:
    """Reads what the requests of one event loop bring."""

    def __init__(self) -> None:
        self._waiting: deque[_Waiting] = deque()

    async def read(self, classifier: Classifier, pixels: Pixels, parse_seconds: float) -> Reading:
        """Read a request's images, and with them those of others.

        Args:
            classifier: The model.
            pixels: `(n, 784)`, 0-255; few.
            parse_seconds: What it took to get them.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(pixels, parse_seconds, loop.create_future())
        self._waiting.append(waiting)
        if len(self._waiting) == 1:
            loop.call_soon(self._read_together, classifier)
        return await waiting.reading

    def _read_together(self, classifier: Classifier) -> None:
        chosen = self._take()
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._read_together, classifier)
        if not chosen:
            return
        try:
            together = read_pixels(classifier, np.concatenate([one.pixels for one in chosen]), 0.0)
        except Exception as error:
            for one in chosen:
                one.reading.set_exception(error)
            return
        start = 0
        for one in chosen:
            images = slice(start, start + len(one.pixels))
            one.reading.set_result(together.take(images, one.parse_seconds))
            start = images.stop

    def _take(self) -> list[_Waiting]:
        """Take from those who wait longest, and still do."""
        chosen: list[_Waiting] = []
        num_images = 0
        while self._waiting and num_images < _IMAGES_AT_ONCE:
            one = self._waiting.popleft()
            if not one.reading.done():
                chosen.append(one)
                num_images += len(one.pixels)
        return chosen


async def read_images(request: Request, num_bytes: int, parse: Callable[[], Pixels]) -> Reading:
    """Parse and read images: few at once, a large batch in a worker thread, one such batch after the other.

    Args:
        request: What the reading is for.
        num_bytes: How long the body is.
        parse: Returns pixels `(n, 784)`, 0-255.

    Raises:
        ModelNotReadyError: While the model is still being loaded.
        WrongBatchSizeError: If there are no images, or more than the operator allows.
    """
    if num_bytes <= _INLINE_BYTES:
        return await read_few_images(request, parse)
    max_images = request.app.state.settings.max_batch_images
    reading = await compute_in_lane(request, partial(_parse_and_read, get_classifier(request), parse, max_images))
    request.scope["observation"].reading = reading
    return reading


async def read_few_images(request: Request, parse: Callable[[], Pixels]) -> Reading:
    """Parse and read images on the event loop; otherwise as `read_images`."""
    classifier = get_classifier(request)
    pixels, parse_seconds = _parse(parse, request.app.state.settings.max_batch_images)
    gatherer: Gatherer = request.app.state.gatherer
    reading = await gatherer.read(classifier, pixels, parse_seconds)
    request.scope["observation"].reading = reading
    return reading


def _parse_and_read(classifier: Classifier, parse: Callable[[], Pixels], max_images: int) -> Reading:
    return read_pixels(classifier, *_parse(parse, max_images))


def _parse(parse: Callable[[], Pixels], max_images: int) -> tuple[Pixels, float]:
    started = perf_counter()
    pixels = parse()
    if not 1 <= len(pixels) <= max_images:
        raise WrongBatchSizeError(len(pixels), max_images)
    return pixels, perf_counter() - started
