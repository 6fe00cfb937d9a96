import json
import random
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from digits.data.images import NUM_PIXELS
from tests.service.server import JSON, ROOT, Server, serve

MEGABYTE = 1_000_000


def test_predict_with_curl_reads_the_shipped_row_as_a_1(server: Server) -> None:
    command = ["curl", "-sS", "--fail", "-H", "Content-Type: application/json", "-d", "@row_data.json"]
    finished = subprocess.run([*command, f"{server.url}/predict"], cwd=ROOT, capture_output=True, check=True)
    assert json.loads(finished.stdout)["digit"] == 1


def test_predict_answers_digit_confidence_probabilities_model_in_this_order(
    server: Server, row: dict[str, Any]
) -> None:
    answer = server.post(row)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json) == ["digit", "confidence", "probabilities", "accepted", "reason", "model"]


def test_predict_answers_numbers_that_agree_with_each_other(server: Server, row: dict[str, Any]) -> None:
    prediction = server.post(row).json
    probabilities = prediction["probabilities"]
    assert len(probabilities) == 10
    assert sum(probabilities) == pytest.approx(1, abs=1e-5)
    assert prediction["confidence"] == max(probabilities) == probabilities[prediction["digit"]]


def test_predict_names_the_model_that_is_ready(server: Server, row: dict[str, Any]) -> None:
    assert server.post(row).json["model"] == server.request("GET", "/readyz").json["model"]


def test_predict_ignores_the_order_of_the_keys(server: Server, row: dict[str, Any]) -> None:
    names = list(row)
    random.Random(1).shuffle(names)
    assert server.post({name: row[name] for name in names}).json == server.post(row).json


def test_predict_of_a_repeated_key_takes_the_last_value(server: Server, row: dict[str, Any]) -> None:
    repeated = '{"pixel400": 7, ' + json.dumps(row).removeprefix("{")
    assert server.request("POST", "/predict", repeated, JSON).json == server.post(row).json


def test_predict_takes_fractions_for_what_they_are(server: Server, row: dict[str, Any]) -> None:
    as_fractions = {name: float(value) for name, value in row.items()}
    halved = {name: value / 2 for name, value in row.items()}
    assert server.post(as_fractions).json == server.post(row).json
    assert server.post(halved).json["confidence"] != server.post(row).json["confidence"]


def test_predict_reads_a_chunked_body(server: Server, row: dict[str, Any]) -> None:
    text = json.dumps(row).encode()
    pieces = [text[start : start + 1000] for start in range(0, len(text), 1000)]
    answer = server.request("POST", "/predict", iter(pieces), JSON, encode_chunked=True)
    assert (answer.status, answer.json["digit"]) == (200, 1)


@pytest.mark.parametrize(
    ("changes", "code", "field", "message"),
    [
        ({"pixel12": 256}, "pixel_out_of_range", "pixel12", "Received 256 for pixel12, expected a number 0-255."),
        ({"pixel12": -1}, "pixel_out_of_range", "pixel12", "Received -1 for pixel12, expected a number 0-255."),
        ({"pixel0": 1e30}, "pixel_out_of_range", "pixel0", "Received 1e+30 for pixel0, expected a number 0-255."),
        ({"pixel0": 2**64}, "pixel_out_of_range", "pixel0", "Received 1.84467e+19 for pixel0,"),
        ({"pixel12": "0"}, "not_a_number", "pixel12", "Received a string for pixel12, expected a number 0-255."),
        ({"pixel12": True}, "not_a_number", "pixel12", "Received a boolean for pixel12,"),
        ({"pixel12": None}, "not_a_number", "pixel12", "Received null for pixel12,"),
        ({"pixel12": [0]}, "not_a_number", "pixel12", "Received an array for pixel12,"),
        ({"pixel12": {"pixel12": 0}}, "not_a_number", "pixel12", "Received an object for pixel12,"),
        ({"label": 1}, "unknown_field", "label", "unknown: label."),
        ({"pixel784": 0}, "unknown_field", "pixel784", "unknown: pixel784."),
        ({"\x00\u2028": 0}, "unknown_field", "\x00\u2028", "unknown: \x00\u2028."),
    ],
)
def test_predict_of_a_bad_pixel_answers_422_that_names_it(
    server: Server, row: dict[str, Any], changes: dict[str, Any], code: str, field: str, message: str
) -> None:
    answer = server.post({**row, **changes})
    assert answer.status == 422
    assert (answer.error["code"], answer.error["field"]) == (code, field)
    assert message in str(answer.error["message"])
    assert answer.error["hint"]


def test_predict_of_a_missing_pixel_names_it_and_the_mend(server: Server, row: dict[str, Any]) -> None:
    del row["pixel12"]
    answer = server.post(row)
    assert answer.status == 422
    assert answer.error == {
        "code": "missing_pixel",
        "message": "Received 783 pixels, expected 784; missing: pixel12.",
        "field": "pixel12",
        "hint": "Send every pixel from pixel0 to pixel783, 0 where there is no ink.",
    }


@pytest.mark.parametrize(
    ("body", "received"),
    [
        ([0] * NUM_PIXELS, "an array"),
        ([], "an array"),
        (None, "null"),
        (True, "a boolean"),
        (1, "a number"),
        ("pixel0", "a string"),
    ],
)
def test_predict_of_something_else_than_an_object_says_what_came(server: Server, body: object, received: str) -> None:
    answer = server.post(body)
    assert (answer.status, answer.error["code"]) == (422, "not_an_object")
    assert answer.error["message"] == f"Received {received}, expected one JSON object."


def test_predict_of_deep_nesting_is_refused_and_not_a_fault(server: Server) -> None:
    def post_nested(depth: int) -> tuple[int, str | None]:
        text = '{"pixel0": ' + "[" * depth + "]" * depth + "}"
        answer = server.request("POST", "/predict", text, JSON)
        return answer.status, answer.error["code"]

    assert post_nested(1_000) == (422, "missing_pixel")
    assert post_nested(1_500) == (400, "invalid_json")
    assert post_nested(100_000) == (422, "too_many_values")


def test_predict_of_32_at_once_answers_each_its_own(server: Server, row: dict[str, Any]) -> None:
    def shade(index: int) -> dict[str, Any]:
        # In the middle of the digit, where int8 tells all levels apart.
        return {**row, "pixel406": 8 * index + (1000 if index % 4 == 3 else 0)}

    one_by_one = [server.post(shade(index)).body for index in range(32)]
    with ThreadPoolExecutor(32) as pool:
        at_once = [answer.body for answer in pool.map(lambda index: server.post(shade(index)), range(32))]
    assert at_once == one_by_one
    assert len(set(at_once)) == 32


def test_service_of_rows_stays_under_165_megabytes(tmp_path: Path, row: dict[str, Any]) -> None:
    """One of its own: large pictures, which others have been shown, leave their memory behind."""
    with serve(tmp_path) as server:
        for _ in range(100):
            server.post(row)
        assert psutil.Process(server.process.pid).memory_info().rss < 165 * MEGABYTE


def test_service_predicts_where_training_libraries_cannot_be_imported(
    tmp_path_factory: pytest.TempPathFactory, row: dict[str, Any]
) -> None:
    with serve(tmp_path_factory.mktemp("without"), "without_training:app") as server:
        assert server.post(row).json["digit"] == 1
        assert server.post({**row, "pixel0": 256}).status == 422
        assert server.request("GET", "/openapi.json").status == 200
