"""What the OpenAPI document says that depends on the settings: the limits, and the key."""

from typing import Any

from app.errors.paths import needs_key
from app.openapi.examples import ERRORS, document_errors
from app.settings import Settings


def show_settings(openapi: dict[str, Any], settings: Settings) -> None:
    """Put this service's own limits in place of the defaults, and say which requests need a key, if one is set."""
    paths = openapi["paths"]
    for path in ERRORS:
        # The examples come anew also because FastAPI leaves every null out of its document: `"field": null`.
        (operation,) = paths[path].values()
        for status, documented in document_errors(path, settings).items():
            content = operation["responses"][str(status)]["content"]["application/json"]
            content["examples"] = documented["content"]["application/json"]["examples"]
    batch = paths["/predict/batch"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    batch["properties"]["images"]["maxItems"] = settings.max_batch_images
    if settings.api_key is not None:
        _show_key(openapi)


def _show_key(openapi: dict[str, Any]) -> None:
    openapi["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    openapi["security"] = [{"bearer": []}]
    for path, operations in openapi["paths"].items():
        if not needs_key(path):
            for operation in operations.values():
                operation["security"] = []
