"""Measure what a model accepts as a digit and what it refuses: `python -m benchmarks.reading.rejection`.

Writes rejection.csv here and docs/model-card/rejection.png. Needs Debian's package `dataset-fashion-mnist`, and
`../shared/drawings`, which is no part of this project. Both are for measuring only: the model was trained on images
that `digits.synthesis.negatives` made up. Images are accepted or rejected as `POST /predict/image` does it, with two
networks.
"""

import argparse
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks import ROOT
from benchmarks.networks import SHIPPED, Networks, load_networks
from benchmarks.reading.drawing_sets import (
    CANVAS,
    PEN_DIGITS,
    draw_strokes,
    finish,
    read_pen_strokes,
    shade,
    texture,
)
from benchmarks.results import write_rows
from digits.data.dataset import read_labelled_images
from digits.data.images import SIZE, make_batch
from digits.inference.digit_reader import read_digits
from digits.preprocessing.digit_image import normalise_drawing
from digits.training.palette import BLUE, GREY, ORANGE

Images = NDArray[np.uint8]

FASHION = Path("/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz")
PEN_LETTERS = PEN_DIGITS.with_name("pen_letters.npz")
LOOK_ALIKES = frozenset("OolIiZzSsgqbBGDQLJTtYyAaeEUuPpRr9jfhC")
"""Letters that pass for digits when they stand alone: nobody could refuse them."""
TEST, PEN, LETTERS, SHIRTS, BLANKS = "MNIST's test digits", "pen digits", "pen letters", "Fashion-MNIST", "blanks"
_IMAGES_AT_ONCE = 500
_NUM_PAPERS = 50


@dataclass(frozen=True)
class Verdicts:
    """Which images of a set were accepted.

    Attributes:
        acceptance: float32 `(n,)` in [0, 1].
        is_accepted: bool `(n,)`.
    """

    acceptance: NDArray[np.float32]
    is_accepted: NDArray[np.bool_]


def read_fashion(path: Path = FASHION) -> Images:
    """Read Fashion-MNIST's test images."""
    if not path.is_file():
        raise SystemExit(f"error: {path}: no such file. Install Debian's package dataset-fashion-mnist.")
    with gzip.open(path) as file:
        return np.frombuffer(file.read()[16:], np.uint8).reshape(-1, SIZE, SIZE)


def read_letters(path: Path = PEN_LETTERS) -> list[list[NDArray[np.float32]]]:
    """Read the strokes of the pen letters, look-alikes left out."""
    return [strokes for strokes, label in zip(*read_pen_strokes(path), strict=True) if str(label) not in LOOK_ALIKES]


def draw_all(drawings: list[list[NDArray[np.float32]]]) -> Images:
    """Draw with pens of 6 to 14 % of the canvas's height, and normalise as the service does."""
    pens = np.random.default_rng(0).uniform(0.06, 0.14, len(drawings))
    return np.array(
        [normalise_drawing(draw_strokes(strokes, pen)) for strokes, pen in zip(drawings, pens, strict=True)]
    )


def make_blanks() -> Images:
    """Return images of one grey, and sheets of paper with nothing on them: smooth, rough and unevenly lit."""
    greys = [np.full((SIZE, SIZE), level, np.uint8) for level in range(256)]
    return np.array([*greys, *map(normalise_drawing, _draw_papers())])


def _draw_papers() -> Iterator[Images]:
    random = np.random.default_rng(0)
    for _ in range(_NUM_PAPERS):
        noise = random.normal(0, 0.02, (CANVAS, CANVAS))
        for paper in (np.ones((CANVAS, CANVAS)), shade(random), texture(random), shade(random) * texture(random)):
            yield finish(0.8 * paper + noise)


def reject_images(networks: Networks, images: Images) -> Verdicts:
    """Ask the model."""
    classifier = networks.classifier
    acceptances, reasons = [], []
    for start in range(0, len(images), _IMAGES_AT_ONCE):
        part = images[start : start + _IMAGES_AT_ONCE]
        acceptance = classifier.measure_acceptance(make_batch(part))
        if acceptance is None:
            raise SystemExit(
                f"error: {classifier.artifact.path} has no acceptance network. "
                f"Train one: `python -m digits.training.rejector {classifier.artifact.path}`."
            )
        acceptances.append(acceptance)
        reasons += read_digits(part, classifier, networks.line_reader)[1]
    return Verdicts(np.concatenate(acceptances), np.array([reason is None for reason in reasons]))


def measure_auroc(digits: Verdicts, others: Verdicts) -> float:
    """Return how often a digit's acceptance is above another image's, in [0, 1]."""
    is_digit = np.repeat([True, False], [len(digits.acceptance), len(others.acceptance)])
    return float(roc_auc_score(is_digit, np.concatenate([digits.acceptance, others.acceptance])))


def make_row(name: str, verdicts: dict[str, Verdicts], model: str) -> dict[str, str]:
    """Return a line of the table; a set of digits has no AUROC."""
    row = {"row": name, "num_images": str(len(verdicts[name].is_accepted))}
    row["accepted_percent"] = f"{100 * verdicts[name].is_accepted.mean():.2f}"
    for column, digits in (("auroc_test_digits_percent", TEST), ("auroc_pen_digits_percent", PEN)):
        is_measured = name in (LETTERS, SHIRTS)
        row[column] = f"{100 * measure_auroc(verdicts[digits], verdicts[name]):.2f}" if is_measured else ""
    return row | {"model": model}


def draw_curve(verdicts: dict[str, Verdicts], threshold: float) -> Figure:
    """Draw, for every threshold, how many digits it refuses and how many others it accepts."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    digits = np.sort(verdicts[TEST].acceptance)
    refused = np.arange(len(digits)) / len(digits)
    for name, colour in ((LETTERS, BLUE), (SHIRTS, ORANGE)):
        others = np.sort(verdicts[name].acceptance)
        accepted = 1 - np.searchsorted(others, digits) / len(others)
        axes.plot(100 * refused, 100 * accepted, color=colour, label=name)
    here = 100 * float((digits < threshold).mean())
    axes.axvline(here, color=GREY, linestyle="--", linewidth=1, label="the model's threshold")
    axes.set(xlabel="test digits refused (%)", ylabel="others accepted (%)", xlim=(0, 5), ylim=(0, None))
    axes.legend()
    return figure


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description="Measure what a model accepts as a digit.")
    parser.add_argument("--model", type=Path, default=SHIPPED)
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks/reading/rejection.csv")
    parser.add_argument("--picture", type=Path, default=ROOT / "docs/model-card/rejection.png")
    arguments = parser.parse_args()
    networks = load_networks(arguments.model)
    images = {
        TEST: read_labelled_images(ROOT / "data/test.csv.gz").images,
        PEN: draw_all(read_pen_strokes()[0]),
        LETTERS: draw_all(read_letters()),
        SHIRTS: read_fashion(),
        BLANKS: make_blanks(),
    }
    verdicts = {name: reject_images(networks, part) for name, part in images.items()}
    rows = [make_row(name, verdicts, networks.version) for name in images]
    write_rows(arguments.output, rows)
    arguments.picture.parent.mkdir(parents=True, exist_ok=True)
    draw_curve(verdicts, networks.classifier.thresholds.acceptance).savefig(arguments.picture, dpi=150)
    for row in rows:
        print("  ".join(f"{name} {value}" for name, value in row.items() if value))


if __name__ == "__main__":
    main()
