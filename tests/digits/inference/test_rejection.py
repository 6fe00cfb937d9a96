import re
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from digits.data.images import draw_one, make_batch
from digits.errors import ArtifactError
from digits.inference.rejection import Thresholds, find_reasons, read_thresholds
from tests.wordings import quote, wording

SURE = np.array([[0.99, 0.01, *[0] * 8]], np.float32)
SHARED = np.array([[0.45, 0.45, 0.1, *[0] * 7]], np.float32)
DIGIT = make_batch(draw_one()[None])


def find_reason(
    batch: NDArray[np.float32], probabilities: NDArray[np.float32] = SURE, acceptance: float | None = 0.9
) -> str | None:
    acceptances = None if acceptance is None else np.array([acceptance], np.float32)
    return find_reasons(batch, probabilities, acceptances, Thresholds(acceptance=0.6, confidence=0.5))[0]


def test_judge_digit_is_accepted() -> None:
    assert find_reason(DIGIT) is None


def draw_dot() -> NDArray[np.uint8]:
    image = np.zeros((28, 28), np.uint8)
    image[14, 14:17] = 255
    return image


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((28, 28), np.uint8),
        np.full((28, 28), 255, np.uint8),
        np.full((28, 28), 130, np.uint8),
        np.random.default_rng(0).integers(100, 140, (28, 28)).astype(np.uint8),
        draw_dot(),
    ],
    ids=["nothing", "ink all over", "grey", "faint noise", "a dot"],
)
def test_judge_blank(image: NDArray[np.uint8]) -> None:
    assert find_reason(make_batch(image[None])) == "blank"


def test_judge_low_acceptance_is_no_digit() -> None:
    assert find_reason(DIGIT, acceptance=0.59) == "not_a_digit"


def test_judge_shared_probabilities_are_ambiguous() -> None:
    assert find_reason(DIGIT, SHARED) == "ambiguous"


def test_judge_no_digit_goes_before_ambiguous() -> None:
    assert find_reason(DIGIT, SHARED, acceptance=0.1) == "not_a_digit"


def test_judge_without_acceptance_tells_blank_and_ambiguous() -> None:
    blank = np.zeros_like(DIGIT)
    assert [find_reason(DIGIT, SURE, None), find_reason(DIGIT, SHARED, None), find_reason(blank, SURE, None)] == [
        None,
        "ambiguous",
        "blank",
    ]


def test_judge_each_of_several_on_its_own() -> None:
    batch, probabilities = np.concatenate([DIGIT, 0 * DIGIT, DIGIT]), np.concatenate([SURE, SURE, SHARED])
    assert find_reasons(batch, probabilities, np.ones(3, np.float32), Thresholds()) == [None, "blank", "ambiguous"]


def test_read_thresholds_of_a_training_run() -> None:
    provenance = {"acceptance": {"thresholds": {"acceptance": 0.25, "confidence": 0.4}, "seconds": 3}}
    assert read_thresholds(provenance) == Thresholds(0.25, 0.4)


@pytest.mark.parametrize(
    ("provenance", "error"),
    [
        ({}, re.compile("'acceptance'")),
        ({"acceptance": 3}, re.compile(".*not subscriptable.*")),
        ({"acceptance": {"thresholds": [1, 2]}}, re.compile(".*no attribute.*")),
        ({"acceptance": {"thresholds": {"acceptance": "high"}}}, re.compile(".*could not convert.*")),
        ({"acceptance": {"thresholds": {"height": 1}}}, re.compile(".*unexpected keyword.*")),
    ],
)
def test_read_thresholds_damaged(provenance: dict[str, Any], error: re.Pattern[str]) -> None:
    with pytest.raises(ArtifactError, match=wording("thresholds_unreadable", error=error)):
        read_thresholds(provenance)


@pytest.mark.parametrize("value", [1.5, float("nan")])
def test_read_thresholds_impossible(value: float) -> None:
    error = quote("threshold_impossible", value=value, name="acceptance")
    with pytest.raises(ArtifactError, match=wording("thresholds_unreadable", error=error)):
        read_thresholds({"acceptance": {"thresholds": {"acceptance": value}}})
