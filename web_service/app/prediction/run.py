"""Computing for a request without holding up the requests behind it."""

from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import TypeVar

from anyio import to_thread
from fastapi import Request
from starlette.requests import ClientDisconnect

from app.errors.refusals import ServiceError
from app.prediction.reading import Pixels, Reading, read_pixels
from app.prediction.state import get_state
from digits.inference.classifier import Classifier

Computed = TypeVar("Computed")
# Bodies up to this many bytes are parsed on the event loop: five images as bytes, one or two as JSON. That takes less
# time than the way to a worker thread and back.
_INLINE_BYTES = 4096


async def read_images(request: Request, num_bytes: int, parse: Callable[[], Pixels]) -> Reading:
    """Parse and read images: a few together with those of other requests, a large batch in the worker thread.

    Args:
        request: The request that sent the images.
        num_bytes: The length of its body.
        parse: Returns the pixels, uint8 or float32 `(n, 784)`, 0-255.

    Raises:
        ServiceError: If there are no images, or more than the operator allows.
    """
    if num_bytes <= _INLINE_BYTES:
        return await read_few_images(request, parse)
    state = get_state(request.app)
    compute = partial(_parse_and_read, state.classifier, parse, state.settings.max_batch_images)
    reading = await compute_in_thread(request, compute)
    request.scope["observation"].reading = reading
    return reading


async def read_few_images(request: Request, parse: Callable[[], Pixels]) -> Reading:
    """Parse and read images on the event loop; otherwise as `read_images`."""
    state = get_state(request.app)
    reading = await state.batcher.read(*_parse(parse, state.settings.max_batch_images))
    request.scope["observation"].reading = reading
    return reading


async def compute_in_thread(request: Request, compute: Callable[[], Computed]) -> Computed:
    """Compute in a worker thread, one request after the other: memory is needed once, and the event loop goes on.

    Raises:
        ServiceError: If its turn does not come in time.
        starlette.requests.ClientDisconnect: If the client went away while others were computed.
    """
    async with get_state(request.app).worker_lane.take_turn():
        if await request.is_disconnected():
            raise ClientDisconnect
        return await to_thread.run_sync(compute)


def _parse_and_read(classifier: Classifier, parse: Callable[[], Pixels], max_images: int) -> Reading:
    return read_pixels(classifier, *_parse(parse, max_images))


def _parse(parse: Callable[[], Pixels], max_images: int) -> tuple[Pixels, float]:
    started = perf_counter()
    pixels = parse()
    if not 1 <= len(pixels) <= max_images:
        hint = "Send them in several requests." if len(pixels) else "Send at least one."
        raise ServiceError("wrong_batch_size", num_images=len(pixels), limit=max_images, hint=hint)
    return pixels, perf_counter() - started
