"""`GET /`: the drawing page. One page, one script, one style sheet, and no request to anywhere else."""

import os
from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.errors.handlers import refuse_method

_METHODS = ("GET", "HEAD")
_FOLDER = Path(__file__).parents[1] / "static"
_HEADERS = {
    # What is not named is not allowed, neither inline nor from elsewhere, and nobody may frame the page.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Kept, but asked for anew each time: with the ETag that costs an empty answer, and an update shows at once.
    "Cache-Control": "no-cache",
}


class PageFiles(StaticFiles):
    """The page's files, each with the headers that keep it to itself."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with a file.

        Raises:
            ServiceError: To anything but GET and HEAD; no route tells which are allowed here.
        """
        if scope["method"] not in _METHODS:
            raise refuse_method(scope, _METHODS)
        return await super().get_response(path, scope)

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
    responses={
        200: {"description": "HTML.", "content": {"text/html": {"schema": {"type": "string"}}}},
    },
)
@router.head("/", include_in_schema=False)
async def show_page(request: Request) -> Response:
    """Draw digits, drop or choose photos of them, and see how they are read."""
    return await files.get_response("index.html", request.scope)
