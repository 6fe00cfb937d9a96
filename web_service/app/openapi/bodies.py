"""What the OpenAPI document says of each request's body, with an example that works when it is tried."""

from typing import Any

from app.requests.picture import BYTES, FORM
from app.requests.tensors import DTYPES, INPUT_NAME, INPUT_SHAPES, OUTPUTS
from app.settings import DEFAULTS
from digits.data.images import MAX_PIXEL, NUM_PIXELS, PIXEL_NAMES, SIZE, draw_one

_PICTURE_TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp", "image/tiff", BYTES)
_PIXEL = {"type": "number", "minimum": 0, "maximum": MAX_PIXEL}


def document_row() -> dict[str, Any]:
    """Describe the body of `POST /predict` for OpenAPI, with a row that works as its example.

    The schema is exact without 784 copies of one line: as many members as there are pixels, each named like a pixel.
    """
    row = dict(zip(PIXEL_NAMES, draw_one().ravel().tolist(), strict=True))
    schema = {
        "title": "Row",
        "description": "A 28x28 image: pixel x is at row x // 28, column x % 28; 0 is paper, 255 is ink.",
        "type": "object",
        "minProperties": NUM_PIXELS,
        "maxProperties": NUM_PIXELS,
        "propertyNames": {"pattern": "^pixel(0|[1-9][0-9]?|[1-6][0-9]{2}|7[0-7][0-9]|78[0-3])$"},
        "additionalProperties": _PIXEL,
    }
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema, "example": row}}}}


def document_batch() -> dict[str, Any]:
    """Describe the body for OpenAPI, with two 1s as its examples."""
    flat = {"type": "array", "minItems": NUM_PIXELS, "maxItems": NUM_PIXELS, "items": _PIXEL}
    line = {"type": "array", "minItems": SIZE, "maxItems": SIZE, "items": _PIXEL}
    nested = {"type": "array", "minItems": SIZE, "maxItems": SIZE, "items": line}
    images = {
        "description": f"Each image is {NUM_PIXELS} numbers, row by row, or {SIZE} rows of {SIZE}.",
        "type": "array",
        "minItems": 1,
        "maxItems": DEFAULTS.max_batch_images,
        "items": {"anyOf": [flat, nested]},
    }
    schema = {
        "title": "Batch",
        "type": "object",
        "required": ["images"],
        "properties": {"images": images},
        "additionalProperties": False,
    }
    one = draw_one()
    raw = {
        "type": "string",
        "format": "binary",
        "description": f"{NUM_PIXELS} bytes an image, one image after another.",
    }
    row = ",".join(map(str, one.ravel().tolist()))
    table = "\n".join([",".join(PIXEL_NAMES), row, row, ""])
    columns = "Kaggle's test.csv: a header with pixel0 to pixel783 in any order, a row an image; a label is ignored."
    return {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": schema,
                    "example": {"images": [one.ravel().tolist(), one.tolist()]},
                },
                "application/octet-stream": {"schema": raw},
                "text/csv": {"schema": {"type": "string", "description": columns}, "example": table},
            },
        }
    }


def document_picture() -> dict[str, Any]:
    """Describe the body for OpenAPI."""
    raw = {"type": "string", "format": "binary", "description": "The file itself; its first bytes tell its format."}
    form = {
        "type": "object",
        "required": ["file"],
        "properties": {"file": {**raw, "description": "The one file of the form, under any name."}},
    }
    content = {name: {"schema": raw} for name in _PICTURE_TYPES}
    return {"requestBody": {"required": True, "content": {**content, FORM: {"schema": form}}}}


def document_inference() -> dict[str, Any]:
    """Describe the body of an inference request for OpenAPI, with a 1 as the example."""
    tensor = {
        "type": "object",
        "required": ["name", "shape", "datatype"],
        "properties": {
            "name": {"const": INPUT_NAME},
            "shape": {"type": "array", "items": {"type": "integer"}, "description": INPUT_SHAPES},
            "datatype": {"enum": list(DTYPES)},
            "data": {
                "type": "array",
                "items": {"anyOf": [_PIXEL, {"type": "array"}]},
                "description": "Flat or nested.",
            },
            "parameters": {
                "type": ["object", "null"],
                "properties": {"binary_data_size": {"type": ["integer", "null"]}},
            },
        },
    }
    output = {"type": "object", "required": ["name"], "properties": {"name": {"enum": list(OUTPUTS)}}}
    schema = {
        "title": "InferenceRequest",
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": ["string", "null"]},
            "inputs": {"type": "array", "minItems": 1, "maxItems": 1, "items": tensor},
            "outputs": {"type": ["array", "null"], "items": output},
            "parameters": {"type": ["object", "null"]},
        },
    }
    one = {"name": INPUT_NAME, "shape": [1, NUM_PIXELS], "datatype": "UINT8", "data": draw_one().ravel().tolist()}
    raw = {
        "type": "string",
        "format": "binary",
        "description": "The JSON, as long as the header Inference-Header-Content-Length says, then the tensor's bytes.",
    }
    content = {"application/json": {"schema": schema, "example": {"id": "42", "inputs": [one]}}}
    return {"requestBody": {"required": True, "content": {**content, "application/octet-stream": {"schema": raw}}}}
