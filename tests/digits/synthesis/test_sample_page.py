"""The sample that the drawing page offers: the committed file is the one that the program draws."""

import numpy as np
from PIL import Image

from digits.synthesis.sample_page import LINES, draw_sample
from tests.conftest import ROOT

PATH = ROOT / "web_service" / "app" / "static" / "sample.webp"


def test_committed_sample_is_what_the_program_draws() -> None:
    drawn, committed = draw_sample(), Image.open(PATH)
    assert committed.size == drawn.size
    difference = np.asarray(drawn, float) - np.asarray(committed.convert("RGB"), float)
    assert np.abs(difference).mean() < 3


def test_sample_shows_every_digit_and_is_quick_to_load() -> None:
    assert {digit for _, _, _, number in LINES for digit in number} == set("0123456789")
    assert PATH.stat().st_size < 100_000
