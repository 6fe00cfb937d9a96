"""What the OpenAPI document says of each request's body: its schemas, from bodies.json, and examples that work."""

import json
from pathlib import Path
from typing import Any

from digits.data.images import NUM_PIXELS, PIXEL_NAMES, draw_one

_SCHEMAS = json.loads(Path(__file__).with_name("bodies.json").read_text(encoding="utf-8"))


def document_body(path: str) -> dict[str, Any]:
    """Describe the body of a path's POST, with an example of a 1 for each content type that is text."""
    examples = _make_examples().get(path, {})
    content = {
        media_type: {"schema": schema, **({"example": examples[media_type]} if media_type in examples else {})}
        for media_type, schema in _SCHEMAS[path].items()
    }
    return {"requestBody": {"required": True, "content": content}}


def _make_examples() -> dict[str, dict[str, object]]:
    image = draw_one()
    pixels = image.ravel().tolist()
    row = ",".join(map(str, pixels))
    tensor = {"name": "pixels", "shape": [1, NUM_PIXELS], "datatype": "UINT8", "data": pixels}
    return {
        "/predict": {"application/json": dict(zip(PIXEL_NAMES, pixels, strict=True))},
        "/predict/batch": {
            "application/json": {"images": [pixels, image.tolist()]},
            "text/csv": "\n".join([",".join(PIXEL_NAMES), row, row, ""]),
        },
        "/v2/models/digits/infer": {"application/json": {"id": "42", "inputs": [tensor]}},
    }
