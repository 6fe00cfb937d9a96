"""`GET /`: the drawing page, whose files all come from this service."""

import os
from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

_FOLDER = Path(__file__).parents[1] / "static"
_HEADERS = {
    # The page may load only what is named here, nothing inline and nothing from elsewhere. No other page may frame it.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # A browser keeps the files but asks each time whether they changed, so that an update shows at once. Because of the
    # ETag the answer to that is empty.
    "Cache-Control": "no-cache",
}


class PageFiles(StaticFiles):
    """The page's files, each with the headers that protect the page."""

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """Answer with a file, or with 304 if the client has it."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(_HEADERS)
        return response


router = APIRouter()
files = PageFiles(directory=_FOLDER, check_dir=False)


@router.get(
    "/",
    summary="A page to draw on",
    response_class=Response,
    responses={200: {"description": "HTML.", "content": {"text/html": {"schema": {"type": "string"}}}}},
)
@router.head("/", include_in_schema=False)
async def show_page(request: Request) -> Response:
    """Draw digits, drop or choose photos of them, and see how they are read."""
    return await files.get_response("index.html", request.scope)
