"""What OpenAPI says that depends on the settings: the limits, and the key."""

from collections.abc import Callable
from typing import Any

from app.errors.handlers import Refusal, choose_shape, get_status
from app.errors.paths import needs_key
from app.openapi.batch_examples import list_batch_errors
from app.openapi.examples import list_predict_errors
from app.openapi.open_inference import list_inference_errors
from app.openapi.picture_examples import list_picture_errors
from app.settings import Settings

_ERRORS: dict[str, Callable[[Settings], list[Refusal]]] = {
    "/predict": list_predict_errors,
    "/predict/batch": list_batch_errors,
    "/predict/image": list_picture_errors,
    "/read": list_picture_errors,
    "/v2/models/digits/infer": list_inference_errors,
}


def show_settings(openapi: dict[str, Any], settings: Settings) -> None:
    """Put this service's own limits in place of the defaults, and say which requests need a key, if one is set."""
    paths = openapi["paths"]
    for path, list_errors in _ERRORS.items():
        for error in list_errors(settings):
            content = paths[path]["post"]["responses"][str(get_status(error))]["content"]
            content["application/json"]["examples"][error.code]["value"] = choose_shape(path)(error)
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
