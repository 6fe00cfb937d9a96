"""Why a request was refused that was right in itself: the service fails, or cannot take it now.

ServiceError
├── InternalError              500
├── OverloadedError            503
└── ShuttingDownError          503
"""

from app.errors.refusals import ServiceError


class InternalError(ServiceError):
    """A fault of ours; what it was stands in the log only."""

    status = 500
    code = "internal_error"

    def __init__(self) -> None:
        super().__init__(
            "The request failed through a fault of the service, which is logged.",
            hint="Try again; if it fails again, tell the operator when it happened.",
        )


class OverloadedError(ServiceError):
    """More at once than the operator allows: requests, or bytes of their bodies."""

    status = 503
    code = "overloaded"

    def __init__(self, limit: int, of_what: str = "requests") -> None:
        super().__init__(
            f"Received more than {limit:,} {of_what} at once, expected at most that.",
            hint="Try again in a second.",
            headers={"Retry-After": "1"},
        )


class ShuttingDownError(ServiceError):
    """The process was told to end; it still serves, but wants no new clients."""

    status = 503
    code = "shutting_down"

    def __init__(self) -> None:
        super().__init__(
            "Received a question for readiness while the service is ending, expected it before that.",
            hint="Ask another instance.",
            headers={"Retry-After": "1"},
        )
