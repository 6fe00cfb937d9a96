"""What a benchmark says it measures must exist; measuring itself is done by hand."""

import re
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import held_out
from benchmarks.model_card import make as model_card
from benchmarks.model_card.tables import Measured
from benchmarks.reading.corruptions import CORRUPTIONS, corrupt
from benchmarks.reading.robustness import CHANGES, CLEAN, MEAN, SHIFTS, change, measure_robustness
from benchmarks.serving.line_up import CHOSEN, Contender
from benchmarks.training import measure as training
from digits.data.dataset import LabelledImages
from tests.conftest import ROOT

BENCHMARKS = ROOT / "benchmarks"


@pytest.mark.parametrize("contender", CHOSEN, ids=lambda contender: contender.name)
def test_every_contender_has_its_pins(contender: Contender) -> None:
    unpinned = [package for package in contender.packages if not re.search(r"==\d", package)]
    assert unpinned == []
    assert bool(contender.packages) is (contender.venv is not None)


def test_every_server_of_ours_is_started_by_somebody() -> None:
    started = " ".join(part for contender in CHOSEN for part in contender.command)
    names = {path.stem for path in (BENCHMARKS / "serving/contenders").glob("[!_]*.py")}
    # MLServer is told of its own in a file.
    assert {name for name in names if name not in started} == {"mlserver_app"}


def test_kaggle_split_has_kaggles_sizes_and_no_digit_on_both_sides() -> None:
    trained, scored, _ = training.load("kaggle")
    assert (len(trained), len(scored)) == (42_000, 28_000)
    assert len({image.tobytes() for part in (trained, scored) for image in part.images}) == 70_000
    counts = [np.bincount(part.labels) / len(part) for part in (trained, scored)]
    np.testing.assert_allclose(*counts, atol=1e-4)


@pytest.fixture(scope="module")
def measured() -> Measured:
    return model_card.load_measured()


@pytest.fixture(scope="module")
def some_digits(measured: Measured) -> np.ndarray:
    return measured.images[:40]


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corruption_changes_every_digit_and_repeats_itself(name: str, some_digits: np.ndarray) -> None:
    corrupted = corrupt(some_digits, name, seed=3)
    assert corrupted.dtype == np.uint8
    assert (corrupted != some_digits).any(axis=(1, 2)).all()
    np.testing.assert_array_equal(corrupt(some_digits, name, seed=3), corrupted)


def test_corruption_without_chance_does_not_depend_on_the_other_digits(some_digits: np.ndarray) -> None:
    for name in ("scale", "brightness", "stripe", "canny edges"):
        alone = [corrupt(digit[None], name)[0] for digit in some_digits]
        np.testing.assert_array_equal(corrupt(some_digits, name), alone)


def draw_bar() -> np.ndarray:
    """An upright bar about the centre, 20 rows high and 4 columns wide, 50 times."""
    image = np.zeros((50, 28, 28), np.uint8)
    image[:, 4:24, 12:16] = 255
    return image


def measure_angles(images: np.ndarray) -> np.ndarray:
    """The angle between each image's longest axis and the vertical, in radians, from its second moments."""
    rows, columns = np.indices((28, 28)) - 13.5
    weights = images / images.sum(axis=(1, 2), keepdims=True)
    along, across, both = ((weights * moment).sum(axis=(1, 2)) for moment in (rows**2, columns**2, rows * columns))
    return np.arctan2(2 * both, along - across) / 2


def test_rotation_turns_by_a_fixed_angle_either_way() -> None:
    angles = measure_angles(corrupt(draw_bar(), "rotate"))
    np.testing.assert_allclose(np.abs(angles), 0.4, atol=0.01)
    assert set(np.sign(angles)) == {-1, 1}


def test_shear_leaves_a_bar_as_wide_in_each_row_and_leans_it_either_way() -> None:
    sheared = corrupt(draw_bar(), "shear")
    centres = (sheared * np.arange(28.0)).sum(axis=2)[:, [8, 19]] / sheared.sum(axis=2)[:, [8, 19]]
    np.testing.assert_allclose(np.abs(np.diff(centres, axis=1)), 11 * np.sin(0.4), atol=0.02)
    assert set(np.sign(np.diff(centres, axis=1)).ravel()) == {-1, 1}


def test_scale_shrinks_to_seventy_percent() -> None:
    ink = corrupt(draw_bar(), "scale").sum(axis=(1, 2)) / draw_bar().sum(axis=(1, 2))
    np.testing.assert_allclose(ink, 0.7**2, atol=0.02)


def test_translation_moves_by_three_pixels_each_way() -> None:
    bar = draw_bar()
    moved = corrupt(bar, "translate")
    expected = {np.roll(bar[0], (rows, columns), (0, 1)).tobytes() for rows in (-3, 3) for columns in (-3, 3)}
    assert {image.tobytes() for image in moved} == expected


def test_motion_blur_keeps_the_ink_and_smears_it_to_one_side_within_45_degrees() -> None:
    dot = np.zeros((200, 28, 28), np.uint8)
    dot[:, 14, 20] = 255
    blurred = corrupt(dot, "motion blur") / 255
    np.testing.assert_allclose(blurred.sum(axis=(1, 2)), 1, atol=0.05)
    rows, columns = np.nonzero(blurred.max(axis=0))
    assert columns.max() == 20
    assert (np.abs(rows - 14) <= 20 - columns).all()


def test_impulse_noise_hits_as_many_pixels_with_black_as_with_white() -> None:
    noisy = corrupt(np.full((50, 28, 28), 128, np.uint8), "impulse noise")
    shares = [(noisy == level).mean() for level in (0, 255)]
    np.testing.assert_allclose(shares, 0.085, atol=0.01)


def test_fog_brightens_lowers_contrast_and_differs_from_digit_to_digit() -> None:
    foggy = corrupt(draw_bar(), "fog")
    ink = draw_bar()[0] > 0
    # Three quarters of the picture are fog, of which the middle is grey.
    assert 80 < foggy[:, ~ink].mean() < 130
    # A quarter is digit: the step from paper to ink shrinks to about 64 of 255.
    assert 50 < np.median(foggy[:, ink].mean(axis=1) - foggy[:, ~ink].mean(axis=1)) < 80
    assert foggy.mean(axis=(1, 2)).std() > 10


def test_edges_of_a_bar_are_a_closed_line_around_it() -> None:
    edges = corrupt(draw_bar(), "canny edges")[0] > 0
    np.testing.assert_array_equal(edges[6:22].sum(axis=1), 2)
    assert not edges[6:22, 13:15].any()
    assert edges.sum() == pytest.approx(2 * (20 + 4), abs=8)


@pytest.mark.parametrize("name", SHIFTS)
def test_shift_moves_a_bar_by_one_pixel(name: str) -> None:
    rows, columns = np.nonzero(change(draw_bar(), name)[0])
    moved = (rows.mean() - 13.5, columns.mean() - 13.5)
    assert moved == (name.count("down") - name.count("up"), name.count("right") - name.count("left"))


def test_strokes_grow_and_shrink_by_one_pixel() -> None:
    sizes = [np.count_nonzero(change(draw_bar(), f"strokes {name}")[0]) for name in ("thickened", "thinned")]
    assert sizes == [21 * 5, 19 * 3]


def test_robustness_of_what_always_answers_one_is_the_share_of_the_others(measured: Measured) -> None:
    def answer_one(batch: np.ndarray) -> np.ndarray:
        return np.eye(10, dtype=np.float32)[np.full(len(batch), 1)]

    found = measure_robustness(answer_one, measured.images[:600], measured.labels[:600])
    others = 100 * (measured.labels[:600] != 1).mean()
    assert {name: found[name] for name in (CLEAN, *CORRUPTIONS, MEAN)} == pytest.approx(
        dict.fromkeys((CLEAN, *CORRUPTIONS, MEAN), others)
    )
    assert [found[name] for name in CHANGES] == [0] * len(CHANGES)


def test_model_card_is_what_its_script_makes(measured: Measured) -> None:
    card = model_card.CARD.read_text()
    assert model_card.fill_card(card, measured) == card


def test_model_card_holds_every_made_part_once() -> None:
    named = re.findall(r"<!-- made: (\w+) -->", model_card.CARD.read_text())
    assert sorted(named) == sorted(model_card.SECTIONS)


def test_readme_gives_the_measured_share_of_cheques(measured: Measured) -> None:
    (row,) = [row for row in measured.files["reading"] if row["row"] == "cheque amounts: numbers"]
    readme = " ".join((ROOT / "README.md").read_text().split())
    assert f"it reads {float(row['right_percent']):.0f} % of the amounts exactly" in readme


def test_documents_name_only_benchmarks_that_exist() -> None:
    documents = [model_card.CARD, ROOT / "docs/capacity.md", BENCHMARKS / "README.md"]
    named = set().union(*(re.findall(r"python -m (benchmarks[\w.]+)", path.read_text()) for path in documents))
    assert len(named) > 5
    assert [name for name in named if not (ROOT / f"{name.replace('.', '/')}.py").exists()] == []


def test_model_card_gives_the_difference_of_a_recipe_and_its_interval(measured: Measured) -> None:
    baseline = {
        **{
            "recipe": "default",
            "folds": "6",
            "num_errors": "272",
            "error_percent": "0.453",
            "num_errors_but_common": "9",
        },
        **{f"error_difference{end}": "0" for end in ("", "_from", "_to")},
        **{f"likelihood_difference{end}": "0.0" for end in ("", "_from", "_to")},
        **{"negative_log_likelihood": "0.01511", "corruption_error_percent": "3.74"},
    }
    better = {**baseline, "recipe": "better", "error_difference": "-9", "error_difference_from": "-23"}
    better |= {
        "error_difference_to": "3",
        "likelihood_difference": "-0.00112",
        "likelihood_difference_from": "-0.00202",
    }
    made = model_card.SECTIONS["folds"](replace(measured, files={"folds": [baseline, better]})).splitlines()
    assert made[2] == "| default | 6 | 272 | 0.453 | 9 | - | 0.0151 | - | 3.7 |"
    assert made[3].startswith(
        "| better | 6 | 272 | 0.453 | 9 | -9 (-23 to +3) | 0.0151 | -0.0011 (-0.0020 to +0.0000) |"
    )


def test_held_out_digits_are_by_writer_where_the_file_tells_who_wrote_them(tmp_path, monkeypatch, capsys) -> None:
    numbers = np.repeat(np.arange(60), 10)
    digits = LabelledImages(
        np.tile(numbers[:, None, None], (1, 28, 28)).astype(np.uint8), np.tile(np.arange(10), 60), ""
    )
    monkeypatch.setattr(held_out, "WRITERS", tmp_path / "writers.npz")
    np.savez(tmp_path / "writers.npz", writers=numbers)
    training, scored, how = held_out.hold_out_for_choosing(digits)
    assert how == "held-out writers"
    assert not {*training.images[:, 0, 0]} & {*scored.images[:, 0, 0]}
    (tmp_path / "writers.npz").unlink()
    training, scored, how = held_out.hold_out_for_choosing(digits)
    assert how == "held-out"
    assert "held out by row" in capsys.readouterr().out
    assert len(scored) == 100


def test_model_card_says_what_was_not_measured(measured: Measured) -> None:
    nothing = replace(measured, files={name: [] for name in model_card.FILES})
    made = {name: make(nothing) for name, make in model_card.SECTIONS.items()}
    missing = {name for name, text in made.items() if text.startswith("Not measured yet: no figures of `")}
    assert missing == {"final", "ablations", "folds", "robustness", "drawings", "reading", "page_reading", "rejection"}


def test_model_card_says_when_a_file_is_of_another_model(measured: Measured) -> None:
    row = {"row": "pen digits", "num_digits": "9", "num_errors": "1", "error_percent": "11.11", "model": "0123456789ab"}
    made = model_card.SECTIONS["drawings"](replace(measured, files={"drawings": [row]}))
    assert "| pen digits | 9 | 1 | 11.11 |" in made
    shipped = f"{measured.line_version}+{measured.version}"
    assert f"Measured on `0123456789ab`, **not on the shipped model** `{shipped}`." in made


def test_model_card_gives_mean_and_deviation_over_seeds(measured: Measured) -> None:
    common = {"date": "2026-11-23", "config": "default", "epochs": "20", "scored": "test", "machine": "x86_64, 0 GPU"}
    figures = {"negative_log_likelihood": "0.01", "calibration_error_percent": "0.1", "training_seconds": "600"}
    size = {"parameters": "174762", "multiply_adds": "7511040"}
    rows = [{**common, **figures, **size, "seed": str(n), "error_percent": f"0.{n}"} for n in (2, 3, 4)]
    made = model_card.SECTIONS["final"](replace(measured, files={"training": rows}))
    assert "| default | test | 20 | 3 | 0.300 ± 0.100 | 0.0100 ± 0.0000 | 0.100 ± 0.000 | - | 10.0 ± 0.0 |" in made
