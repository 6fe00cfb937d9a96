"""What the OpenAPI document says beyond what FastAPI knows of the routes: bodies, errors, limits and the key."""

from typing import Any

from pydantic import BaseModel

from app.errors.paths import METRICS_PATH, needs_key
from app.openapi.bodies import document_bodies
from app.openapi.examples import ERRORS, document_errors
from app.openapi.open_inference import ProtocolErrorAnswer
from app.openapi.schemas import ErrorAnswer
from app.settings import Settings


def complete_document(openapi: dict[str, Any], settings: Settings) -> None:
    """Add to FastAPI's document what holds under these settings."""
    paths, schemas = openapi["paths"], openapi["components"]["schemas"]
    if settings.metrics_port is not None:
        del paths[METRICS_PATH]
    for path in (path for path in ERRORS if path in paths):
        (operation,) = paths[path].values()
        operation["responses"] |= document_errors(path, settings)
    for path, body in document_bodies().items():
        paths[path]["post"]["requestBody"] = body
    schemas |= _make_schema(ErrorAnswer) | _make_schema(ProtocolErrorAnswer)
    batch = paths["/predict/batch"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    batch["properties"]["images"]["maxItems"] = settings.max_batch_images
    if settings.api_key is not None:
        openapi["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
        openapi["security"] = [{"bearer": []}]
        for path in paths:
            for operation in paths[path].values() if not needs_key(path) else ():
                operation["security"] = []


def _make_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the schemas of a model and of the models that it is made of, by name."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs", {}), model.__name__: schema}
