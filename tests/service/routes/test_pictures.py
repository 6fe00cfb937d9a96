"""Drawings and photos as files: every format in, one digit or several out, and a clear word to all else."""

import json
import socket
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from jsonschema import Draft202012Validator
from PIL import Image

from digits.data.images import MAX_PIXEL, PIXEL_NAMES
from digits.inference.classifier import load_classifier
from digits.inference.digit_reader import read_digits
from digits.inference.line_reader import load_line_reader
from tests.service.doubtful import paint_doubtful_line
from tests.service.server import ROOT, Answer, Server, attempt, serve

ONE = "/predict/image"
SEVERAL = "/read"
FORM = {"Content-Type": "multipart/form-data; boundary=x"}


@pytest.fixture
def sheet(row: dict[str, Any]) -> Image.Image:
    """A real 1, dark on light paper, large and off the centre."""
    ink = np.array([row[name] for name in PIXEL_NAMES], np.uint8).reshape(28, 28)
    digit = Image.fromarray(MAX_PIXEL - ink).resize((224, 224), Image.Resampling.BICUBIC)
    sheet = Image.new("L", (400, 300), 255)
    sheet.paste(digit, (150, 20))
    return sheet


def encode(picture: Image.Image, name: str = "PNG", **options: Any) -> bytes:
    stream = BytesIO()
    picture.save(stream, name, **options)
    return stream.getvalue()


def post(server: Server, body: bytes, path: str = ONE, content_type: str = "image/png") -> Answer:
    return server.request("POST", path, body, {"Content-Type": content_type})


def pack_form(*parts: tuple[str, bytes]) -> bytes:
    """Write a form; a part's name says whether it is a file, as `file; filename="a.png"`."""
    written = [
        b'--x\r\nContent-Disposition: form-data; name="%s\r\n\r\n%s\r\n' % (n.encode(), body) for n, body in parts
    ]
    return b"".join(written) + b"--x--\r\n"


def test_picture_answers_the_fields_of_predict_and_the_image(server: Server, sheet: Image.Image) -> None:
    answer = post(server, encode(sheet))
    assert answer.status == 200
    assert list(answer.json) == ["digit", "confidence", "probabilities", "accepted", "reason", "image", "model"]
    assert (answer.json["digit"], answer.json["accepted"], answer.json["reason"]) == (1, True, None)


def test_picture_shows_the_image_that_both_networks_saw(server: Server, sheet: Image.Image) -> None:
    drawn = post(server, encode(sheet)).json
    classifier, line_reader = load_classifier(ROOT / "models/digits.h5"), load_line_reader(ROOT / "models/lines.h5")
    (together,), _ = read_digits(np.array([drawn["image"]], np.uint8), classifier, line_reader)
    assert drawn["probabilities"] == pytest.approx(together.tolist(), abs=1e-6)
    assert drawn["confidence"] == max(drawn["probabilities"])


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("path", [ONE, SEVERAL])
def test_picture_of_every_format_is_read(server: Server, sheet: Image.Image, name: str, path: str) -> None:
    answer = post(server, encode(sheet, name), path, "application/octet-stream")
    assert answer.status == 200
    assert answer.json["digit" if path == ONE else "number"] in (1, "1")


@pytest.mark.parametrize("path", [ONE, SEVERAL])
def test_form_with_one_file_is_read_as_the_file(server: Server, sheet: Image.Image, path: str) -> None:
    body = encode(sheet)
    form = pack_form(('note"', b"mine"), ('anything"; filename="a.png"', body))
    assert server.request("POST", path, form, FORM).json == post(server, body, path).json


def test_form_that_is_larger_than_memory_spools_for_stays_in_memory(server: Server) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (1200, 1200, 3), np.uint8))
    form = pack_form(('file"; filename="a.png"', encode(noise)))
    assert len(form) > 4_000_000
    assert server.request("POST", ONE, form, FORM).status == 200


@pytest.mark.parametrize(
    ("form", "code", "message"),
    [
        (pack_form(('note"', b"")), "wrong_file_count", "Received a form without a file, expected one file."),
        (pack_form(*[('f"; filename="a"', b"")] * 2), "wrong_file_count", "Received several files, expected one file."),
        (pack_form(*[('note"', b"")] * 17), "wrong_file_count", "Received more than 16 fields, expected one file."),
        (pack_form(('file"; filename="a"', b"text")), "not_an_image", "Received 4 bytes that are no image"),
        (b"", "invalid_multipart", "Received multipart/form-data that cannot be split into its parts"),
        (pack_form(('file"; filename="a"', b""))[:-8], "invalid_multipart", "Received multipart/form-data that cannot"),
        (b"--x\r\nno header\r\n\r\n--x--\r\n", "invalid_multipart", "Received multipart/form-data that cannot"),
        (b"--x\r\n\r\ntext\r\n--x--\r\n", "invalid_multipart", "Received multipart/form-data that cannot"),
    ],
)
def test_form_without_one_picture_says_so(server: Server, form: bytes, code: str, message: str) -> None:
    answer = server.request("POST", ONE, form, FORM)
    assert (answer.status, answer.error["code"]) == (400 if code == "invalid_multipart" else 422, code)
    assert str(answer.error["message"]).startswith(message)


def test_form_without_a_boundary_says_so(server: Server) -> None:
    answer = post(server, pack_form(), content_type="multipart/form-data")
    assert (answer.status, answer.error["code"]) == (400, "invalid_multipart")


@pytest.mark.parametrize(("path", "name"), [(ONE, "DrawingPrediction"), (SEVERAL, "NumberReading")])
def test_openapi_picture_answers_match_their_schemas(server: Server, sheet: Image.Image, path: str, name: str) -> None:
    openapi = server.request("GET", "/openapi.json").json
    schema = {"$ref": f"#/components/schemas/{name}", "components": openapi["components"]}
    Draft202012Validator(schema).validate(post(server, encode(sheet), path).json)


def test_blank_picture_is_not_accepted(server: Server) -> None:
    blank = encode(Image.new("L", (100, 80), 230))
    answer = post(server, blank).json
    assert (answer["accepted"], answer["reason"], np.max(answer["image"])) == (False, "blank", 0)
    assert (post(server, blank, SEVERAL).json["number"], post(server, blank, SEVERAL).json["digits"]) == ("", [])


def write_bomb() -> bytes:
    """Write a PNG of 12,000 x 12,000 white pixels in some 18 kB."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    lines = zlib.compress(bytes(12_000 * 1501), 9)
    header = struct.pack(">IIBBBBB", 12_000, 12_000, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")


def test_picture_that_would_unpack_to_much_is_refused_in_little_memory(server: Server) -> None:
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    answer = post(server, write_bomb())
    assert (answer.status, answer.error["code"]) == (422, "image_too_large")
    assert process.memory_info().rss - before < 20e6


def test_picture_limits_come_from_the_settings(tmp_path_factory: pytest.TempPathFactory, sheet: Image.Image) -> None:
    limits = {"DIGITS_MAX_IMAGE_BYTES": "32768", "DIGITS_MAX_IMAGE_PIXELS": "119999"}
    with serve(tmp_path_factory.mktemp("narrow"), **limits) as server:
        assert post(server, encode(sheet.crop((0, 0, 399, 300)))).status == 200
        answer = post(server, encode(sheet))
        assert answer.error["message"] == "Received an image of 400x300 pixels, expected at most 119,999 in all."
        answer = post(server, bytes(32769))
        assert (answer.status, answer.error["code"]) == (413, "body_too_large")
        assert answer.error["hint"] == "Reduce the picture; a digit is read from a few hundred pixels as well."


def test_number_is_read_from_left_to_right_with_boxes(server: Server, sheet: Image.Image) -> None:
    wide = Image.new("L", (800, 300), 255)
    wide.paste(sheet, (0, 0))
    wide.paste(sheet, (400, 0))
    answer = post(server, encode(wide), SEVERAL)
    assert list(answer.json) == ["number", "digits", "lines", "reason", "orientation", "model"]
    assert (answer.json["reason"], answer.json["orientation"]) == (None, 0)
    assert answer.json["number"] == "11"
    assert answer.json["model"] == server.request("GET", "/model").json["lines"]["model"]
    assert [list(one) for one in answer.json["digits"]] == [
        ["digit", "confidence", "accepted", "reason", "box", "line"]
    ] * 2
    (left, top, width, height), (left2, *rest) = (one["box"] for one in answer.json["digits"])
    assert (left2, rest) == (pytest.approx(left + 400, abs=2), pytest.approx([top, width, height], abs=2))
    dark = np.argwhere(np.asarray(sheet) < 128)
    assert (top, left) == pytest.approx(dark.min(axis=0), abs=6)
    assert (top + height, left + width) == pytest.approx(dark.max(axis=0), abs=6)


def test_page_is_read_line_by_line(server: Server, sheet: Image.Image) -> None:
    page = Image.new("L", (800, 600), 255)
    for place in ((0, 0), (400, 0), (200, 300)):
        page.paste(sheet, place)
    answer = post(server, encode(page), SEVERAL).json
    assert answer["number"] == "11\n1"
    assert [line["number"] for line in answer["lines"]] == ["11", "1"]
    assert [one["line"] for one in answer["digits"]] == [0, 0, 1]
    assert answer["digits"] == [one for line in answer["lines"] for one in line["digits"]]
    assert list(answer["lines"][0]) == ["number", "box", "angle", "accepted", "digits"]
    left, top, width, height = answer["lines"][0]["box"]
    assert (left < 300, left + width > 500, top + height < 300) == (True, True, True)


def test_page_told_to_be_one_line_is_read_as_one(server: Server, sheet: Image.Image) -> None:
    answer = post(server, encode(sheet), f"{SEVERAL}?lines=1").json
    assert (answer["number"], len(answer["lines"])) == ("1", 1)


def test_page_without_a_digit_says_why(server: Server) -> None:
    answer = post(server, encode(Image.new("L", (300, 200), 250)), SEVERAL).json
    assert (answer["lines"], answer["number"], answer["reason"]) == ([], "", "blank")


def test_number_has_boxes_in_the_pixels_of_a_picture_that_was_reduced(server: Server, sheet: Image.Image) -> None:
    (small,) = post(server, encode(sheet), SEVERAL).json["digits"]
    (large,) = post(server, encode(sheet.resize((3200, 2400))), SEVERAL).json["digits"]
    assert [side / 8 for side in large["box"]] == pytest.approx(small["box"], abs=4)


def test_number_has_boxes_where_the_last_pixel_of_a_reduced_picture_stands_for_fewer(
    server: Server, sheet: Image.Image
) -> None:
    wide = Image.new("L", (2050, 1001), 255)  # A third of it is 683.3 pixels wide.
    wide.paste(sheet, (1650, 600))
    (found,) = post(server, encode(wide), SEVERAL).json["digits"]
    left, _, width, _ = found["box"]
    rightmost = np.argwhere(np.asarray(wide) < 128)[:, 1].max()
    assert left % 3 == width % 3 == 0
    assert left + width == pytest.approx(rightmost, abs=6)


def test_picture_whose_client_has_gone_is_not_computed(tmp_path: Path) -> None:
    noise = encode(Image.fromarray(np.random.default_rng(0).integers(0, 256, (1000, 1000), np.uint8)))
    head = f"POST /read HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: {len(noise)}\r\n\r\n".encode()
    with serve(tmp_path) as server:
        gone = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(6)]
        for connection in gone:
            connection.sendall(head + noise[:-1])
        # The last bytes go out together: between them and the end of the connections no picture can be read whole.
        for connection in gone:
            connection.sendall(noise[-1:])
        for connection in gone:
            connection.close()

        def list_statuses() -> list[int]:
            return [json.loads(line)["status"] for line in server.log.splitlines() if '"/read"' in line]

        statuses = next(statuses for _ in attempt() if len(statuses := list_statuses()) == 6)
        assert statuses.count(499) >= 3, "only the first ones may have been begun"


def test_number_has_boxes_in_the_upright_picture(server: Server, sheet: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = sheet.transpose(Image.Transpose.ROTATE_90)
    (upright,) = post(server, encode(sheet, "JPEG", quality=95), SEVERAL).json["digits"]
    (marked,) = post(server, encode(turned, "JPEG", quality=95, exif=exif), SEVERAL).json["digits"]
    assert marked["box"] == pytest.approx(upright["box"], abs=3)


@pytest.mark.parametrize("path", [ONE, SEVERAL])
def test_a_single_image_is_answered_while_photos_are_read(server: Server, row: dict[str, Any], path: str) -> None:
    rng = np.random.default_rng(0)
    photo = encode(Image.fromarray(rng.integers(0, 256, (3000, 4000), np.uint8)), "JPEG", quality=50)
    with ThreadPoolExecutor(8) as pool:
        photos = [pool.submit(post, server, photo, path) for _ in range(4)]
        singles = [pool.submit(server.post, row) for _ in range(10)]
        assert {one.result().status for one in singles} == {200}
        assert not all(one.done() for one in photos)
        assert {one.result().status for one in photos} == {200}


def test_read_keeps_a_doubtful_digit_in_the_number(server: Server) -> None:
    answer = post(server, encode(paint_doubtful_line()), f"{SEVERAL}?lines=1").json
    assert [one["reason"] for one in answer["digits"]] == [None, "ambiguous", None]
    assert answer["number"] == "".join(str(one["digit"]) for one in answer["digits"])


def test_metrics_count_what_is_not_accepted(server: Server) -> None:
    def count() -> dict[str, float]:
        text = server.request("GET", "/metrics").body.decode()
        lines = [line for line in text.splitlines() if line.startswith("digits_unaccepted_images_total{")]
        return {line.split('"')[1]: float(line.split()[1]) for line in lines}

    before = count()
    post(server, encode(Image.new("L", (60, 60), 255)))
    after = count()
    assert set(after) == {"blank", "not_a_digit", "ambiguous"}
    assert {reason: after[reason] - before[reason] for reason in after if after[reason] != before[reason]} == {
        "blank": 1
    }
