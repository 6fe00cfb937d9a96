"""What one running service holds: its settings, its models, and what computes with them."""

from dataclasses import dataclass, field

from anyio import CapacityLimiter
from fastapi import FastAPI, Request

from app.errors.refusals import ServiceError
from app.prediction.batching import DynamicBatcher
from app.settings import Settings
from digits.inference.classifier import Classifier
from digits.inference.line_reader import LineReader
from digits.inference.page_reader import PageReader


@dataclass(slots=True)
class ServiceState:
    """The state of one worker process, made before it takes its first request.

    Attributes:
        settings: The operator's settings.
        page_reader: The models: of single digits, of lines, and what finds digits on a page.
        is_logging: Whether each request gets a line of JSON in the log.
        is_draining: Whether the process was told to end.
        batcher: Reads small requests together.
        worker_thread: Lets one request at a time compute beside the event loop.
    """

    settings: Settings
    page_reader: PageReader
    is_logging: bool
    is_draining: bool = False
    batcher: DynamicBatcher = field(init=False)
    worker_thread: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1))

    def __post_init__(self) -> None:
        self.batcher = DynamicBatcher(self.classifier)

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
        ServiceError: If the process was told to end.
    """
    state = get_state(request.app)
    if state.is_draining:
        raise ServiceError("shutting_down")
    return state
