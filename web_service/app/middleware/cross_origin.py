"""Pages of other origins (CORS): whose scripts may call the service and read its answers."""

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

# Scripts may read these headers of an answer, beside those that browsers always show.
_READABLE = ("X-Request-ID", "Retry-After", "WWW-Authenticate", "Inference-Header-Content-Length")


class _OtherOrigins(CORSMiddleware):
    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a browser that asks first. It sends no body; whoever does is cut, because nobody reads the body."""
        response = super().preflight_response(request_headers)
        if "content-length" in request_headers or "transfer-encoding" in request_headers:
            response.headers["Connection"] = "close"
        return response


def allow_origins(app: ASGIApp, origins: tuple[str, ...]) -> ASGIApp:
    """Let pages of these origins call an application.

    This has to stand outside of the key's check. A browser asks by OPTIONS first, without the key, and a script can
    read a refusal only if that, too, names its origin. Cookies are not allowed, because the service has none.

    Args:
        app: The application.
        origins: As browsers write them, such as `https://example.org`; `*` stands for all.
    """
    return _OtherOrigins(
        app,
        allow_origins=origins,
        allow_methods=("GET", "HEAD", "POST"),
        # A header that the service does not know does nothing.
        allow_headers=("*",),
        expose_headers=_READABLE,
    )
