"""A request for each error that the OpenAPI document shows: the answer must be the documented example to the letter."""

import json
import struct
from dataclasses import dataclass, field
from typing import Any

from tests.service.server import ROOT, Answer, Server

ROW: dict[str, Any] = json.loads((ROOT / "row_data.json").read_text())
BLANK = [0] * 784
BATCH, INFER = "/predict/batch", "/v2/models/digits/infer"
MEBIBYTE = 1024 * 1024


def write_bitmap(width: int, height: int) -> bytes:
    """Return a BMP's header, and nothing behind it."""
    return struct.pack("<2sIIIIiiHHIIiiII", b"BM", 54, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)


def write_animation() -> bytes:
    """Return a GIF with two pictures of one pixel."""
    head = struct.pack("<6sHHBBB", b"GIF89a", 1, 1, 0x80, 0, 0) + bytes(6)
    return head + 2 * (struct.pack("<cHHHHB", b",", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00") + b";"


def write_tiles() -> bytes:
    """Return a TIFF's header that announces a tile of 20,000x20,000 pixels for a picture of 28x28."""
    # Width, height, bits, photometric interpretation, the tile's width, height, offset and length.
    tags = {256: 28, 257: 28, 258: 8, 262: 1, 322: 20_000, 323: 20_000, 324: 0, 325: 0}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4)


@dataclass(frozen=True)
class BadRequest:
    """A POST that is refused.

    Attributes:
        path: Where it is sent.
        code: The code of the error that it is refused with.
        body: What is sent.
        content_type: What it is said to be.
        headers: Sent beside that.
    """

    path: str
    code: str
    body: bytes | str
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)

    def send(self, server: Server) -> Answer:
        """Send it, and return the answer."""
        return server.request("POST", self.path, self.body, {"Content-Type": self.content_type, **self.headers})


def make_json(path: str, code: str, content: Any) -> BadRequest:
    return BadRequest(path, code, json.dumps(content))


def make_batch(code: str, *images: Any) -> BadRequest:
    return make_json(BATCH, code, {"images": images})


def list_pictures(path: str) -> list[BadRequest]:
    return [
        BadRequest(path, "body_too_large", bytes(10 * MEBIBYTE + 1), "image/png"),
        BadRequest(path, "unsupported_media_type", b"", "text/html"),
        BadRequest(path, "invalid_json", '{"image": '),
        make_json(path, "invalid_image_json", {}),
        BadRequest(path, "invalid_base64", "seven!", "text/plain"),
        BadRequest(path, "invalid_multipart", b"x", "multipart/form-data; boundary=x"),
        BadRequest(path, "wrong_file_count", b"--x--\r\n", "multipart/form-data; boundary=x"),
        BadRequest(path, "not_an_image", b"<svg/>", "image/png"),
        BadRequest(path, "broken_image", write_bitmap(28, 28), "image/bmp"),
        # More than an operator can allow, and less than what Pillow refuses by itself.
        BadRequest(path, "image_too_large", write_bitmap(13_200, 13_200), "image/bmp"),
        BadRequest(path, "animated_image", write_animation(), "image/gif"),
        BadRequest(path, "tiled_image", write_tiles(), "image/tiff"),
        BadRequest(path, "too_much_metadata", b"\xff\xd8" + b"\xff\xfe\0\2" * 10_010, "image/jpeg"),
    ]


BAD_REQUESTS = [
    BadRequest("/predict", "invalid_json", '{"pixel0": 0'),
    BadRequest("/predict", "body_too_large", b" " * (MEBIBYTE + 1)),
    BadRequest("/predict", "unsupported_media_type", "", "text/plain"),
    make_json("/predict", "too_many_values", [0] * 2000),
    make_json("/predict", "not_an_object", []),
    make_json("/predict", "missing_pixel", {name: ROW[name] for name in ROW if name != "pixel12"}),
    make_json("/predict", "unknown_field", {**ROW, "label": 1}),
    make_json("/predict", "not_a_number", {**ROW, "pixel12": "0"}),
    make_json("/predict", "pixel_out_of_range", {**ROW, "pixel12": 256}),
    make_json("/predict", "wrong_scale", {name: pixel / 255 for name, pixel in ROW.items()}),
    BadRequest(BATCH, "body_too_large", bytes(16 * MEBIBYTE + 1), "application/octet-stream"),
    BadRequest(BATCH, "unsupported_media_type", b"", "text/plain"),
    BadRequest(BATCH, "invalid_json", '{"images": ['),
    BadRequest(BATCH, "invalid_text", b"\xff", "text/csv"),
    BadRequest(BATCH, "invalid_csv", "pixel0\n0\n", "text/csv"),
    make_json(BATCH, "too_many_values", [0] * 1_000_000),
    make_json(BATCH, "missing_images", []),
    make_json(BATCH, "unknown_field", {"images": [], "labels": []}),
    make_json(BATCH, "not_an_array", {"images": {}}),
    make_batch("wrong_shape", BLANK, BLANK[1:]),
    make_batch("not_a_number", BLANK, [*BLANK[1:], "0"]),
    make_batch("pixel_out_of_range", BLANK, [*BLANK[1:], 256]),
    make_batch("wrong_scale", BLANK, [*BLANK[1:], 0.5]),
    make_batch("wrong_batch_size"),
    *list_pictures("/predict/image"),
    *list_pictures("/read"),
    BadRequest(INFER, "invalid_json", '{"inputs": '),
    BadRequest(INFER, "body_too_large", bytes(16 * MEBIBYTE + 1)),
    make_json(INFER, "invalid_inference_request", {"inputs": []}),
    make_json(INFER, "too_many_values", [0] * 1_000_000),
    make_json(
        INFER, "wrong_batch_size", {"inputs": [{"name": "pixels", "shape": [0, 784], "datatype": "UINT8", "data": []}]}
    ),
    *(
        BadRequest(path, code, b"", content_type, {"Content-Encoding": encoding})
        for code, encoding in (("unsupported_content_encoding", "zstd"), ("invalid_compression", "gzip"))
        for path, content_type in {
            "/predict": "application/json",
            BATCH: "application/json",
            "/predict/image": "image/png",
            "/read": "image/png",
            INFER: "application/json",
        }.items()
    ),
]
