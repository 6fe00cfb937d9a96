"""The worker thread's queue: batches and pictures are computed one after the other, and nobody waits long in vain."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import ceil
from time import perf_counter

from app.errors.refusals import ServiceError

# The newest request counts so much in the mean of how long one takes.
_NEWEST_SHARE = 0.2


class WorkerLane:
    """Lets one request at a time compute, and refuses those whose turn would come too late.

    The expected wait is the mean time of the requests before, times the requests that wait. A crowd of expensive
    requests may come before the first of them is done. So whoever has waited as long as is allowed is refused, too.
    """

    def __init__(self, max_wait_seconds: float) -> None:
        self._max_wait_seconds = max_wait_seconds
        self._lock = asyncio.Lock()
        self._num_waiting = 0
        self._mean_seconds = 0.0
        self._started_at: float | None = None

    def expect_wait(self) -> float:
        """Return the seconds until a request that came now would have its turn."""
        if self._started_at is None:
            return 0.0
        elapsed = perf_counter() - self._started_at
        # A request that takes longer than the mean tells that those behind it may, too.
        usual = max(self._mean_seconds, elapsed)
        return usual * (1 + self._num_waiting) - min(elapsed, self._mean_seconds)

    @asynccontextmanager
    async def take_turn(self) -> AsyncIterator[None]:
        """Wait for the turn, and hold it.

        Raises:
            ServiceError: If the wait is expected to be longer than allowed, or was.
        """
        if self.expect_wait() > self._max_wait_seconds:
            raise self._refuse()
        self._num_waiting += 1
        try:
            async with asyncio.timeout(self._max_wait_seconds):
                await self._lock.acquire()
        except TimeoutError:
            raise self._refuse() from None
        finally:
            self._num_waiting -= 1
        started = self._started_at = perf_counter()
        try:
            yield
        finally:
            self._started_at = None
            self._mean_seconds += _NEWEST_SHARE * (perf_counter() - started - self._mean_seconds)
            self._lock.release()

    def _refuse(self) -> ServiceError:
        seconds = max(1, ceil(self.expect_wait()))
        return ServiceError("wait_too_long", seconds=seconds, limit=self._max_wait_seconds)
