import numpy as np
import pytest

from digits.synthesis.glyphs import NUM_POINTS, list_glyphs, trace

FORMS = [
    (kind, name, form)
    for kind in ("digits", "letters", "symbols")
    for name, forms in list_glyphs(kind).items()
    for form in forms
]
# What a person could take for a digit when it stands alone.
LOOK_ALIKES = set("OolIiZzSsgqbBGDQLJTtYyAaeEUuPpRr9jfhC")


@pytest.mark.parametrize("is_rounded", [False, True])
@pytest.mark.parametrize(("kind", "name", "form"), FORMS)
def test_trace_every_form(kind: str, name: str, form: str, is_rounded: bool) -> None:
    points, is_down = trace(form, is_rounded)
    assert points.shape == (NUM_POINTS, 2)
    # A curve may swing a little beyond the grid.
    assert points.min() > -0.15
    assert points.max() < 1.15
    assert (~is_down).sum() == form.count("/")


def test_trace_passes_through_its_corner() -> None:
    points, _ = trace("00 09! 99", False)
    assert np.linalg.norm(points - [0, 1], axis=1).min() < 0.03


def test_trace_rounded_takes_a_corner_in_a_curve() -> None:
    def measure_sharpest_turn(is_rounded: bool) -> float:
        points, _ = trace("00 09! 99", is_rounded)
        steps = np.diff(points, axis=0)
        directions = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
        return float(np.abs(np.diff(directions)).max())

    assert measure_sharpest_turn(is_rounded=True) < 0.7 * measure_sharpest_turn(is_rounded=False)


def test_trace_spaces_points_evenly() -> None:
    points, _ = trace("00 03 06 09", False)
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    np.testing.assert_allclose(steps, steps.mean(), rtol=0.05)


def test_letters_hold_none_that_passes_for_a_digit() -> None:
    assert not LOOK_ALIKES & list_glyphs("letters").keys()


def test_digits_are_all_there() -> None:
    assert list(list_glyphs("digits")) == list("0123456789")
