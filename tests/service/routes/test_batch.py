import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from digits.data.images import PIXEL_NAMES
from tests.service.server import JSON, Answer, Server, serve

RAW = {"Content-Type": "application/octet-stream"}
CSV = {"Content-Type": "text/csv"}
PATH = "/predict/batch"
BLANK = [0] * 784


@pytest.fixture
def image(row: dict[str, Any]) -> list[int]:
    return [row[name] for name in PIXEL_NAMES]


@pytest.fixture(scope="module")
def narrow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("narrow")
    with serve(folder, DIGITS_MAX_BATCH_IMAGES="3", DIGITS_MAX_BATCH_BODY_BYTES="32768") as running:
        yield running


def shade(image: list[int], count: int) -> list[list[int]]:
    """Return images that each get an answer of their own."""
    return [[index % 256, index // 256 % 256, *image[2:]] for index in range(count)]


def post_raw(server: Server, images: list[list[int]]) -> Answer:
    return server.request("POST", PATH, b"".join(map(bytes, images)), RAW)


def post_table(server: Server, names: list[str], rows: list[list[Any]]) -> Answer:
    table = "\n".join(",".join(map(str, line)) for line in [names, *rows])
    return server.request("POST", PATH, table, CSV)


def nest(image: list[int]) -> list[list[int]]:
    return [image[start : start + 28] for start in range(0, 784, 28)]


def test_batch_answers_predictions_and_model(server: Server, image: list[int]) -> None:
    answer = server.post({"images": [image]}, PATH)
    assert answer.status == 200
    assert list(answer.json) == ["predictions", "model"]
    assert list(answer.json["predictions"][0]) == ["digit", "confidence", "probabilities", "accepted", "reason"]


def test_batch_of_one_reads_what_predict_reads(server: Server, row: dict[str, Any], image: list[int]) -> None:
    single, batch = server.post(row).json, server.post({"images": [image]}, PATH).json
    assert {**batch["predictions"][0], "model": batch["model"]} == single


def test_batch_answers_in_order(server: Server, image: list[int]) -> None:
    images = [image, BLANK, *shade(image, 98)]
    predictions = post_raw(server, images).json["predictions"]
    one_by_one = [post_raw(server, [single]).json["predictions"][0] for single in images]
    assert [one["digit"] for one in predictions] == [one["digit"] for one in one_by_one]
    for together, alone in zip(predictions, one_by_one, strict=True):
        assert together["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-5)


def test_batch_reads_the_same_from_every_way_in(server: Server, image: list[int]) -> None:
    images = shade(image, 3)
    expected = post_raw(server, images).json
    assert server.post({"images": images}, PATH).json == expected
    assert server.post({"images": [nest(one) for one in images]}, PATH).json == expected
    assert server.post({"images": [[float(pixel) for pixel in one] for one in images]}, PATH).json == expected
    assert post_table(server, list(PIXEL_NAMES), images).json == expected


def test_batch_reads_columns_by_name_and_ignores_labels(server: Server, image: list[int]) -> None:
    names = ["label", *reversed(PIXEL_NAMES)]
    answer = post_table(server, names, [[7, *reversed(image)]])
    assert answer.json == post_raw(server, [image]).json


def test_batch_reads_csv_with_byte_order_mark_and_windows_line_ends(server: Server, image: list[int]) -> None:
    table = "\ufeff" + "\r\n".join([",".join(PIXEL_NAMES), ",".join(map(str, image)), ""])
    answer = server.request("POST", PATH, table.encode(), {"Content-Type": "text/csv; charset=utf-8"})
    assert answer.json == post_raw(server, [image]).json


def test_batch_takes_as_many_images_as_the_default_says(server: Server, image: list[int]) -> None:
    answer = post_raw(server, [image] * 1000)
    assert [one["digit"] for one in answer.json["predictions"]] == [1] * 1000


@pytest.mark.parametrize(
    ("body", "code", "field", "message"),
    [
        ([], "missing_images", "images", "Received JSON without images, expected one object with them."),
        ({}, "missing_images", "images", "Received JSON without images"),
        ({"images": [], "x": 1}, "unknown_field", "x", "Received x beside images, expected nothing else."),
        ({"images": None}, "not_an_array", "images", "Received null for images, expected an array of images."),
        ({"images": {}}, "not_an_array", "images", "Received an object for images"),
        ({"images": []}, "wrong_batch_size", None, "Received 0 images, expected 1 to 1,000."),
        ({"images": [BLANK] * 1001}, "wrong_batch_size", None, "Received 1,001 images, expected 1 to 1,000."),
        ({"images": [0]}, "wrong_shape", "images[0]", "Received a number for images[0], expected 784 numbers or"),
        ({"images": [BLANK, BLANK[1:]]}, "wrong_shape", "images[1]", "Received an array of 783 for images[1]"),
        ({"images": [[[0] * 28] * 27 + [[0] * 27]]}, "wrong_shape", "images[0]", "Received an array of 28 for"),
        ({"images": [[BLANK]]}, "wrong_shape", "images[0]", "Received an array of 1 for images[0]"),
        (
            {"images": [BLANK, [256, *BLANK[1:]]]},
            "pixel_out_of_range",
            "images[1].pixel0",
            "Received 256 for images[1]",
        ),
        (
            {"images": [[*BLANK[1:], "0"]]},
            "not_a_number",
            "images[0].pixel783",
            "Received a string for images[0].pixel",
        ),
        ({"images": [[*BLANK[1:], True]]}, "not_a_number", "images[0].pixel783", "Received a boolean for"),
        ({"images": [[*BLANK[1:], [0]]]}, "not_a_number", "images[0].pixel783", "Received an array for"),
    ],
)
def test_batch_of_bad_json_names_image_and_pixel(
    server: Server, body: object, code: str, field: str | None, message: str
) -> None:
    answer = server.post(body, PATH)
    assert (answer.status, answer.error["code"], answer.error["field"]) == (422, code, field)
    assert str(answer.error["message"]).startswith(message)
    assert answer.error["hint"]


@pytest.mark.parametrize("num_bytes", [1, 783, 785, 1567])
def test_batch_of_bytes_that_are_no_whole_images_says_so(server: Server, num_bytes: int) -> None:
    answer = server.request("POST", PATH, bytes(num_bytes), RAW)
    assert (answer.status, answer.error["code"]) == (422, "wrong_shape")
    assert answer.error["message"] == f"Received {num_bytes:,} bytes, expected a multiple of 784, one byte a pixel."


@pytest.mark.parametrize(
    ("names", "cell", "field", "message"),
    [
        (PIXEL_NAMES, "256", "images[1].pixel0", "Received '256', expected an integer 0-255 (line 3)."),
        (PIXEL_NAMES, "-1", "images[1].pixel0", "Received '-1', expected an integer 0-255 (line 3)."),
        (PIXEL_NAMES, "", "images[1].pixel0", "Received an empty cell, expected an integer 0-255 (line 3)."),
        (PIXEL_NAMES, "0,0", "images[1]", "Received 785 cells, expected 784, one for each column (line 3)."),
        (
            PIXEL_NAMES[:-1],
            "0",
            "pixel783",
            "Received 783 columns, expected pixel0, pixel1 ... pixel783 (784); missing",
        ),
        ((*PIXEL_NAMES, "id"), "0", "id", "Received 785 columns, expected pixel0, pixel1 ... pixel783 (784); unknown"),
        (PIXEL_NAMES, '"', None, "Line 3 cannot be split into cells"),
    ],
)
def test_batch_of_bad_csv_names_image_and_pixel(
    server: Server, names: tuple[str, ...], cell: str, field: str | None, message: str
) -> None:
    answer = post_table(server, list(names), [BLANK, [cell, *BLANK[1:]]])
    assert (answer.status, answer.error["code"], answer.error["field"]) == (422, "invalid_csv", field)
    assert str(answer.error["message"]).startswith(message)


def test_batch_of_csv_without_rows_counts_none(server: Server) -> None:
    answer = post_table(server, list(PIXEL_NAMES), [])
    assert (answer.status, answer.error["code"]) == (422, "wrong_batch_size")


def test_batch_of_another_content_type_names_the_three(server: Server) -> None:
    answer = server.request("POST", PATH, b"", {"Content-Type": "image/png"})
    assert answer.status == 415
    expected = "application/json or application/octet-stream or text/csv"
    assert answer.error["message"] == f"Received content type image/png, expected {expected}."


def test_batch_limits_come_from_the_settings(narrow_server: Server, image: list[int]) -> None:
    assert post_raw(narrow_server, [image] * 3).status == 200
    assert post_raw(narrow_server, [image] * 4).error["message"] == "Received 4 images, expected 1 to 3."
    too_large = narrow_server.request("POST", PATH, bytes(32769), RAW)
    assert (too_large.status, too_large.error["hint"]) == (413, "Send fewer images at once.")


def test_a_single_image_is_answered_while_a_large_batch_is_read(server: Server, row: dict[str, Any]) -> None:
    def count(answers: list[Answer]) -> set[int]:
        return {answer.status for answer in answers}

    with ThreadPoolExecutor(8) as pool:
        batches = [pool.submit(server.request, "POST", PATH, bytes(784_000), RAW) for _ in range(6)]
        singles = [pool.submit(server.post, row) for _ in range(20)]
        assert count([one.result() for one in singles]) == {200}
        assert not all(batch.done() for batch in batches)
        assert count([batch.result() for batch in batches]) == {200}


def test_openapi_batch_examples_work_when_tried(server: Server) -> None:
    operation = server.request("GET", "/openapi.json").json["paths"][PATH]["post"]
    content = operation["requestBody"]["content"]
    assert sorted(content) == ["application/json", "application/octet-stream", "text/csv"]
    as_json = server.post(content["application/json"]["example"], PATH).json
    as_csv = server.request("POST", PATH, content["text/csv"]["example"], CSV).json
    assert [one["digit"] for one in as_json["predictions"]] == [1, 1]
    assert as_csv == as_json


def test_openapi_batch_answer_matches_its_schema(server: Server, image: list[int]) -> None:
    openapi = server.request("GET", "/openapi.json").json
    schema = {"$ref": "#/components/schemas/BatchPrediction", "components": openapi["components"]}
    Draft202012Validator(schema).validate(server.request("POST", PATH, json.dumps({"images": [image]}), JSON).json)
