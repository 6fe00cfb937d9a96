"""What the OpenAPI document says of each request's body: its schemas, from bodies.json, and examples that work."""

import json
from base64 import b64encode
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from digits.data.images import MAX_PIXEL, NUM_PIXELS, PIXEL_NAMES, draw_one

_PATH = Path(__file__).with_name("bodies.json")


def document_bodies() -> dict[str, dict[str, Any]]:
    """Describe the body of each path's POST, with an example of a 1 for each content type that is text."""
    schemas_by_path = json.loads(_PATH.read_text(encoding="utf-8"))
    examples = _make_examples()
    return {
        path: {
            "required": True,
            "content": {name: {"schema": schema, **examples.get((path, name), {})} for name, schema in schemas.items()},
        }
        for path, schemas in schemas_by_path.items()
    }


def _make_examples() -> dict[tuple[str, str], dict[str, object]]:
    image = draw_one()
    pixels = image.ravel().tolist()
    row = ",".join(map(str, pixels))
    tensor = {"name": "pixels", "shape": [1, NUM_PIXELS], "datatype": "UINT8", "data": pixels}
    picture = BytesIO()
    Image.fromarray(MAX_PIXEL - image).save(picture, "PNG")
    url = f"data:image/png;base64,{b64encode(picture.getvalue()).decode()}"
    pictures = {"application/json": {"image": url}, "text/plain": url}
    return {
        **{(path, name): {"example": one} for path in ("/predict/image", "/read") for name, one in pictures.items()},
        ("/predict", "application/json"): {"example": dict(zip(PIXEL_NAMES, pixels, strict=True))},
        ("/predict/batch", "application/json"): {"example": {"images": [pixels, image.tolist()]}},
        ("/predict/batch", "text/csv"): {"example": "\n".join([",".join(PIXEL_NAMES), row, row, ""])},
        ("/v2/models/digits/infer", "application/json"): {"example": {"id": "42", "inputs": [tensor]}},
    }
