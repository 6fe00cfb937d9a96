"""What a path alone decides: who may call it without the key, and in which shape its errors are answered."""

STATIC_PATH = "/static"
"""The drawing page's files lie below this path."""

METRICS_PATH = "/metrics"

HEALTH_PATHS = frozenset(
    {
        *("/healthz", "/readyz", "/healthcheck", METRICS_PATH),
        *("/v2/health/live", "/v2/health/ready", "/v2/models/digits/ready"),
    }
)
"""Whoever watches the service must reach these paths when it is busy, and has no key."""

# A browser cannot send a key with an address that is typed into it. The requests made from the document carry one.
_DOCUMENT_PATHS = frozenset({"/docs", "/openapi.json"})


def needs_key(path: str) -> bool:
    """Return whether a request for this path must carry the key, if the operator has set one."""
    return path not in HEALTH_PATHS and path not in _DOCUMENT_PATHS and not is_page(path)


def is_page(path: str) -> bool:
    """Return whether a path belongs to the drawing page, which asks its user for the key and so loads without it."""
    return path == "/" or path.startswith(f"{STATIC_PATH}/")


def is_open_inference(path: str) -> bool:
    """Return whether a path belongs to the Open Inference Protocol, whose errors have a shape of their own."""
    return path == "/v2" or path.startswith("/v2/")
