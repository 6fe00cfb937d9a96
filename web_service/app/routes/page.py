"""`GET /`, the drawing page, and `GET /docs`, the API to try out, with its document. All comes from this service."""

import hashlib
import os
from pathlib import Path

import orjson
from anyio import to_thread
from fastapi import APIRouter, FastAPI, Request, Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

_FOLDER = Path(__file__).parents[1] / "static"
_NOTHING_ELSE = "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
# Swagger UI has small pictures in its style sheet, and makes its page from text.
_DOCS_POLICY = f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; {_NOTHING_ELSE}"
_HEADERS = {
    # The page may load only what is named here, nothing inline and nothing from elsewhere. No other page may frame it.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    f"{_NOTHING_ELSE}; "
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
# Swagger UI is the only thing that the package holds beside its own code, which is not imported.
files = PageFiles(directory=_FOLDER, packages=[("fastapi_swagger", "resources")], check_dir=False)


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


@router.get("/docs", include_in_schema=False)
async def show_docs(request: Request) -> Response:
    """Show the OpenAPI document."""
    response = await files.get_response("docs.html", request.scope)
    response.headers["Content-Security-Policy"] = _DOCS_POLICY
    return response


@router.get("/openapi.json", include_in_schema=False)
@router.head("/openapi.json", include_in_schema=False)
async def show_document(request: Request) -> Response:
    """Answer with the OpenAPI document, which the first request makes, or with 304 if the client has it."""
    state = request.app.state
    if not hasattr(state, "document"):
        # It takes some 50 ms, once, in which other requests go on.
        state.document = await to_thread.run_sync(_write_document, request.app, request.scope["root_path"])
    content, headers = state.document
    response = Response(content, headers=headers, media_type="application/json")
    is_known = files.is_not_modified(response.headers, request.headers)
    return NotModifiedResponse(response.headers) if is_known else response


def _write_document(app: FastAPI, root_path: str) -> tuple[bytes, dict[str, str]]:
    """Return the document with its headers."""
    servers = {"servers": [{"url": root_path}]} if root_path else {}
    content = orjson.dumps({**app.openapi(), **servers})
    return content, {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "Cache-Control": "no-cache"}
