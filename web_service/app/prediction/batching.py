"""Dynamic batching: the images of requests that are there at the same time are read together.

No request waits for others to come: what was parsed in one turn of the event loop is read in the next. Reading
many images together loads the networks' weights into the processor's cache once for all of them.
"""

import asyncio
from collections import deque
from dataclasses import dataclass

import numpy as np

from app.prediction.reading import Pixels, Reading, read_pixels
from digits.inference.classifier import Classifier

# This many images take a few milliseconds. Other requests, health probes among them, have their turn after that.
_IMAGES_AT_ONCE = 16


@dataclass(slots=True)
class _Waiting:
    pixels: Pixels
    parse_seconds: float
    reading: asyncio.Future[Reading]


class DynamicBatcher:
    """Reads together what the requests of one event loop bring."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._waiting: deque[_Waiting] = deque()

    async def read(self, pixels: Pixels, parse_seconds: float) -> Reading:
        """Read a request's images, together with those of other requests.

        Args:
            pixels: uint8 or float32 `(n, 784)`, 0-255, where n is small.
            parse_seconds: The time that it took to get the pixels.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(pixels, parse_seconds, loop.create_future())
        self._waiting.append(waiting)
        if len(self._waiting) == 1:
            loop.call_soon(self._read_together)
        return await waiting.reading

    def _read_together(self) -> None:
        chosen = self._take()
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._read_together)
        if not chosen:
            return
        try:
            together = read_pixels(self._classifier, np.concatenate([one.pixels for one in chosen]), 0.0)
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
        """Take those who have waited longest, without those whose client has gone away."""
        chosen: list[_Waiting] = []
        num_images = 0
        while self._waiting and num_images < _IMAGES_AT_ONCE:
            one = self._waiting.popleft()
            if not one.reading.done():
                chosen.append(one)
                num_images += len(one.pixels)
        return chosen
