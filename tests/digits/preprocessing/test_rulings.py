"""The ink of a whole line: rulings, and paper alone."""

import numpy as np
import pytest

from digits.preprocessing.binarise import measure_contrast
from digits.preprocessing.rulings import keep_line_strokes, subtract_rulings


def rule(slope: float) -> np.ndarray:
    """Return paper with a faint ruling and a dark upright stroke across it."""
    rows, columns = np.indices((60, 200))
    contrast = np.where(np.abs(rows - 45 - slope * (columns - 100)) < 1, 0.2, 0.0)
    contrast[10:58, 90:95] = 0.6
    return contrast.astype(np.float32)


@pytest.mark.parametrize("slope", [-0.04, 0.0, 0.03])
def test_subtract_rulings_takes_away_the_ruling(slope: float) -> None:
    ruled = rule(slope)
    assert subtract_rulings(ruled)[:, :80].sum() < 0.1 * ruled[:, :80].sum()


@pytest.mark.parametrize("slope", [-0.04, 0.0, 0.03])
def test_subtract_rulings_keeps_what_crosses(slope: float) -> None:
    np.testing.assert_allclose(subtract_rulings(rule(slope))[12:56, 90:95], 0.6, atol=0.05)


def test_subtract_rulings_keeps_what_is_darker_and_lies_along() -> None:
    contrast = rule(0)
    contrast[44:47, 120:150] = 0.7
    assert subtract_rulings(contrast)[44:47, 122:148].min() > 0.45


def test_subtract_rulings_no_ruling_changes_nothing() -> None:
    contrast = np.zeros((60, 200), np.float32)
    contrast[10:50, 30:35] = contrast[10:14, 30:80] = 0.6
    np.testing.assert_array_equal(subtract_rulings(contrast), contrast)


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (200, 3), (60, 200)])
def test_keep_line_strokes_blank(shape: tuple[int, int], level: int) -> None:
    assert not keep_line_strokes(*measure_contrast(np.full(shape, level, np.uint8))).any()
