"""Pictures that come as text: base64 and data URLs, by themselves and in JSON."""

import base64
import json
from io import BytesIO

import pytest
from PIL import Image

from digits.data.images import draw_one
from tests.service.server import JSON, Server

TEXT = {"Content-Type": "text/plain;charset=UTF-8"}
MESSAGE = "Received {}, expected one JSON object with image, a string, and nothing else."


def draw_picture() -> bytes:
    encoded = BytesIO()
    Image.fromarray(255 - draw_one()).resize((112, 112)).save(encoded, "PNG")
    return encoded.getvalue()


PICTURE = draw_picture()
PLAIN = base64.b64encode(PICTURE).decode()
SPELLINGS = {
    "data URL": f"data:image/png;base64,{PLAIN}",
    "data URL with a parameter": f"data:image/png;charset=utf-8;base64,{PLAIN}",
    "data URL without a type": f"data:;base64,{PLAIN}",
    "data URL of another type": f"DATA:image/jpeg;BASE64,{PLAIN}",
    "base64": PLAIN,
    "base64 without padding": PLAIN.rstrip("="),
    "base64url": base64.urlsafe_b64encode(PICTURE).decode(),
    "base64 in lines": base64.encodebytes(PICTURE).decode(),
    "base64 in lines of Windows": base64.encodebytes(PICTURE).decode().replace("\n", "\r\n"),
}


@pytest.mark.parametrize("path", ["/predict/image", "/read"])
@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_a_picture_as_text_is_read_as_its_file(server: Server, path: str, spelling: str) -> None:
    expected = server.request("POST", path, PICTURE, {"Content-Type": "image/png"})
    assert expected.status == 200
    for answer in (server.post({"image": spelling}, path), server.request("POST", path, spelling, TEXT)):
        assert (answer.status, answer.body) == (200, expected.body)


@pytest.mark.parametrize(
    ("content", "received"),
    [
        ({}, "an object without image"),
        ({"images": [PLAIN]}, "images in the object"),
        ({"image": PLAIN, "invert": True}, "invert in the object"),
        ({"image": [PLAIN]}, "another image"),
        ({"image": None}, "another image"),
        ([PLAIN], "JSON that is no object"),
        (PLAIN, "JSON that is no object"),
    ],
)
def test_json_without_one_picture_answers_422(server: Server, content: object, received: str) -> None:
    answer = server.post(content, "/predict/image")
    assert (answer.status, answer.error["code"]) == (422, "invalid_image_json")
    assert answer.error["message"] == MESSAGE.format(received)
    assert answer.error["hint"] == 'Send {"image": "data:image/png;base64,..."}.'


@pytest.mark.parametrize(
    ("text", "received"),
    [
        ("", "no text"),
        (" \n", "no text"),
        ("data:image/png;base64,", "no text"),
        ("=", "no text"),
        ("seven!", "text that is not base64"),
        ("data:,", "text that is not base64"),
        ("data:image/svg+xml,<svg/>", "text that is not base64"),
        ("A", "text that is not base64"),
        (f"data:image/png;base64,{PLAIN}%3D", "a data URL that is not base64"),
        (f"{PLAIN[:40]}={PLAIN[40:]}", "text that is not base64"),
        ("Zürich", "text that is not base64"),
    ],
)
def test_text_that_is_no_base64_answers_422(server: Server, text: str, received: str) -> None:
    for answer in (
        server.post({"image": text}, "/read"),
        server.request("POST", "/read", text.encode(), TEXT),
    ):
        assert (answer.status, answer.error["code"]) == (422, "invalid_base64")
        assert answer.error["message"] == f"Received {received}, expected a picture's file in base64."


def test_base64_of_no_picture_says_what_pictures_are_read(server: Server) -> None:
    answer = server.post({"image": base64.b64encode(b"<svg/>").decode()}, "/read")
    assert (answer.status, answer.error["code"]) == (422, "not_an_image")


def test_json_that_is_cut_off_answers_400(server: Server) -> None:
    answer = server.request("POST", "/read", json.dumps({"image": PLAIN})[:-1], JSON)
    assert (answer.status, answer.error["code"]) == (400, "invalid_json")
    assert 'Send {"image": "data:image/png;base64,..."} in UTF-8' in str(answer.error["hint"])
