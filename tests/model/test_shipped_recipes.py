"""The committed models were made by the recipes that the training commands follow today."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pytest

from digits.inference.artifact import read_artifact
from digits.training.classifier import TrainingConfig
from digits.training.line_recogniser import LineConfig
from digits.training.page_detector import PageConfig
from digits.training.settings import FitConfig
from tests.conftest import ROOT


def list_differences(stored: Mapping[str, Any], today: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return each setting that differs; one that came later and is 0 by default changes nothing."""
    found: dict[str, tuple[Any, Any]] = {}
    for name in {*stored, *today}:
        now = today.get(name)
        before = stored.get(name, {} if isinstance(now, dict) else 0)
        if isinstance(before, dict) and isinstance(now, dict):
            found |= {f"{name}.{part}": pair for part, pair in list_differences(before, now).items()}
        elif before != now:
            found[name] = (before, now)
    return found


@pytest.mark.parametrize(
    ("name", "config"), [("digits.h5", TrainingConfig()), ("lines.h5", LineConfig()), ("pages.h5", PageConfig())]
)
def test_shipped_model_was_trained_by_the_recipe_of_today(name: str, config: FitConfig) -> None:
    stored = read_artifact(ROOT / "models" / name).provenance["config"]
    assert list_differences(stored, json.loads(json.dumps(asdict(config)))) == {}


def test_list_differences_names_a_setting_that_was_changed_or_dropped() -> None:
    stored = {"epochs": 30, "variants": {"flags": 0.2}, "dropped": 1}
    today = {"epochs": 20, "variants": {"flags": 0.1, "later": 0.0}, "hands": {"later": 0.0}}
    assert list_differences(stored, today) == {"epochs": (30, 20), "variants.flags": (0.2, 0.1), "dropped": (1, None)}
