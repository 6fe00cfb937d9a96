"""What a benchmark says it measures must exist; measuring itself is done by hand."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import training  # noqa: E402  # found by the path above
from line_up import CHOSEN, Contender  # noqa: E402


@pytest.mark.parametrize("contender", CHOSEN, ids=lambda contender: contender.name)
def test_every_contender_has_its_pins(contender: Contender) -> None:
    unpinned = [package for package in contender.packages if not re.search(r"==\d", package)]
    assert unpinned == []
    assert bool(contender.packages) is (contender.venv is not None)


def test_every_server_of_ours_is_started_by_somebody() -> None:
    started = " ".join(part for contender in CHOSEN for part in contender.command)
    names = {path.stem for path in (BENCHMARKS / "contenders").glob("[!_]*.py")}
    # MLServer is told of its own in a file.
    assert {name for name in names if name not in started} == {"mlserver_app"}


def test_kaggle_split_has_kaggles_sizes_and_no_digit_on_both_sides() -> None:
    trained, scored = training.load("kaggle")
    assert (len(trained), len(scored)) == (42_000, 28_000)
    assert len({image.tobytes() for part in (trained, scored) for image in part.images}) == 70_000
    counts = [np.bincount(part.labels) / len(part) for part in (trained, scored)]
    np.testing.assert_allclose(*counts, atol=1e-4)
