"""What one running service holds: its settings, its models, and what computes with them."""

import asyncio
from dataclasses import dataclass, field

from fastapi import FastAPI, Request

from app.errors.refusals import ServiceError
from app.prediction.batching import DynamicBatcher
from app.prediction.worker_lane import WorkerLane
from app.settings import Settings
from digits.inference.classifier import Classifier
from digits.inference.line_reader import LineReader
from digits.inference.page_reader import PageReader

STUCK_SECONDS = 5.0
"""So long all places may be taken, and none given back, before readiness fails."""


@dataclass(slots=True)
class ServiceState:
    """The state of one worker process, made before it takes its first request.

    Attributes:
        settings: The operator's settings.
        page_reader: The models: of single digits, of lines, and what finds digits on a page.
        is_logging: Whether each request gets a line of JSON in the log.
        is_draining: Whether the process was told to end.
        num_in_flight: The requests that hold a place; those for health hold none.
        progressed_at: When a request last gave its place back, or took the last one; on the clock of the event loop.
        batcher: Reads small requests together.
        worker_lane: Lets one request at a time compute beside the event loop.
    """

    settings: Settings
    page_reader: PageReader
    is_logging: bool
    is_draining: bool = False
    num_in_flight: int = 0
    progressed_at: float = 0
    batcher: DynamicBatcher = field(init=False)
    worker_lane: WorkerLane = field(init=False)

    def __post_init__(self) -> None:
        self.batcher = DynamicBatcher(self.classifier)
        self.worker_lane = WorkerLane(self.settings.max_wait_seconds)

    def is_stuck(self) -> bool:
        """Return whether all places are taken and none was given back for a while: nothing but health is answered."""
        seconds = asyncio.get_running_loop().time() - self.progressed_at
        return self.num_in_flight >= self.settings.max_in_flight and seconds > STUCK_SECONDS

    @property
    def classifier(self) -> Classifier:
        """The model of single digits."""
        return self.page_reader.classifier

    @property
    def line_reader(self) -> LineReader:
        """The model that reads lines."""
        return self.page_reader.line_reader


def get_state(app: FastAPI) -> ServiceState:
    """Return the state of an application that a server has started."""
    state: ServiceState = app.state.service
    return state


def check_ready(request: Request) -> ServiceState:
    """Return the state if new requests are welcome.

    Raises:
        ServiceError: If the process was told to end, or answers nobody.
    """
    state = get_state(request.app)
    if state.is_draining:
        raise ServiceError("shutting_down")
    if state.is_stuck():
        raise ServiceError("overloaded", limit=state.settings.max_in_flight, unit="requests")
    return state
