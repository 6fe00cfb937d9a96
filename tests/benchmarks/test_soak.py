"""What the soak takes for a failure, and what for an honest refusal."""

import json
from email.message import Message
from http.client import HTTPMessage
from pathlib import Path

import pytest

from benchmarks.serving.soak import Request, Tally, describe, join, keep_asking
from tests.service.server import Answer, serve

ROW = Request("POST", "/predict", expected={"digit": 1})
BUSY = {"error": {"code": "wait_too_long", "message": "m", "field": None, "hint": "h"}}


def answer(status: int, content: object, **headers: str) -> Answer:
    message: Message = HTTPMessage()
    for name, value in {"Content-Type": "application/json", **headers}.items():
        message[name] = value
    assert isinstance(message, HTTPMessage)
    return Answer(status, message, json.dumps(content).encode())


@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_that_says_how_long_to_wait_is_no_failure(status: int) -> None:
    tally = Tally()
    tally.add(ROW, answer(status, BUSY, **{"Retry-After": "3"}), 0.1)
    assert (tally.refusals, tally.failures) == ({"wait_too_long": 1}, {})


@pytest.mark.parametrize(
    ("given", "seconds", "failure"),
    [
        (answer(500, BUSY), 0.1, "500 of /predict"),
        (answer(503, BUSY), 0.1, "503 of /predict"),
        (answer(503, BUSY, **{"Retry-After": "0"}), 0.1, "503 of /predict"),
        (answer(200, {"digit": 7}), 0.1, "wrong digits of /predict"),
        (answer(422, BUSY), 0.1, "wrong digits of /predict"),
        (answer(200, {"digit": 1}), 60, "late answer of /predict"),
        (answer(503, BUSY, **{"Retry-After": "3"}), 60, "late answer of /predict"),
    ],
)
def test_a_failure_is_told_by_its_kind(given: Answer, seconds: float, failure: str) -> None:
    tally = Tally()
    tally.add(ROW, given, seconds)
    assert tally.failures == {failure: 1}


@pytest.mark.slow
def test_what_it_sends_is_answered_as_it_expects_and_the_report_names_every_route(tmp_path: Path) -> None:
    turns = iter([False] * 60 + [True])
    with serve(tmp_path) as server:
        tally = join([keep_asking(server, 1, lambda: next(turns))])
    assert {kind for kind in tally.failures if not kind.startswith("late")} == set()
    report = describe(tally, 1.0, [2.0, 3.0])
    assert "requests: 60," in report
    assert {f"| {path} |" for path in ("/predict", "/predict/batch", "/predict/image", "/read")} < {
        line[: line.index("|", 1) + 1] for line in report.splitlines() if line.startswith("|")
    }
