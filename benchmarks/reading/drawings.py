"""Measure a model on drawings: `python -m benchmarks.reading.drawings` writes drawings.csv here and prints the table.

Each drawing is normalised and read as `POST /predict/image` does, by two networks together; beside their errors stand
those of the classifier alone. No network was trained on any of them; that both read, with equal weight, was decided on
the pen digits, and the rules of `digits.preprocessing.binarise` were mended with these rows in view.
"""

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from benchmarks import ROOT
from benchmarks.networks import SHIPPED, Networks, load_networks
from benchmarks.reading.drawing_sets import (
    CANVASES,
    FONT_PACKAGES,
    PEN_DIGITS,
    Drawing,
    draw_canvases,
    draw_strokes,
    list_fonts,
    print_digits,
    read_pen_strokes,
)
from benchmarks.results import write_rows
from digits.data.dataset import LabelledImages, read_labelled_images
from digits.data.images import MAX_PIXEL, make_batch
from digits.inference.digit_reader import read_digits, read_drawing

RESULTS = ROOT / "benchmarks/reading/drawings.csv"
STEP = 10
PENS = (0.06, 0.10, 0.14)


@dataclass(frozen=True)
class Measurement:
    """One row of the table.

    Attributes:
        row: Its name.
        num_digits: How many digits were read.
        num_errors: That were misread.
        num_errors_alone: That the classifier misreads by itself.
        model: The versions of both networks.
    """

    row: str
    num_digits: int
    num_errors: int
    num_errors_alone: int
    model: str

    @property
    def cells(self) -> dict[str, object]:
        """As the file shows it, by its columns."""
        return {
            "row": self.row,
            "num_digits": self.num_digits,
            "num_errors": self.num_errors,
            "error_percent": f"{100 * self.num_errors / self.num_digits:.2f}",
            "num_errors_of_classifier_alone": self.num_errors_alone,
            "model": self.model,
        }


Digits = tuple[NDArray[np.uint8], NDArray[np.int64]]
Rows = dict[str, Callable[[], Digits]]


def load_pen_digits(networks: Networks, pen: float = 0.1) -> Digits:
    """Draw the pen digits on a canvas and normalise them.

    Args:
        networks: See `normalise`.
        pen: Its width as a share of the canvas's height.

    Returns:
        uint8 `(2798, 28, 28)` and int64 labels.
    """
    drawings, labels = read_pen_strokes()
    return normalise((draw_strokes(strokes, pen) for strokes in drawings), networks), labels.astype(np.int64)


def normalise(drawings: Iterable[Drawing], networks: Networks) -> NDArray[np.uint8]:
    """Return the images that the networks read, uint8 `(n, 28, 28)`; a doubtful drawing without its background."""
    return np.stack([read_drawing(one, networks.classifier, networks.line_reader).image for one in drawings])


def list_rows(networks: Networks, digits: LabelledImages, step: int) -> Rows:
    """Return what makes each row's images and labels; the canvases show every `step`th of MNIST's digits."""
    rows: Rows = {
        "MNIST test digits as they are": lambda: (digits.images, digits.labels),
        "MNIST test digits, normalised": lambda: (normalise(digits.images, networks), digits.labels),
    }
    if PEN_DIGITS.exists():
        rows |= {f"pen digits, pen of {pen:.0%} of the canvas": partial(load_pen_digits, networks, pen) for pen in PENS}
    else:
        print(f"No pen digits: {PEN_DIGITS} is not there.")
    if list_fonts():
        rows["printed digits"] = partial(load_printed_digits, networks)
    else:
        print(f"No printed digits: none of Debian's {', '.join(FONT_PACKAGES)} is installed.")
    rows["scikit-learn's 8x8 digits"] = partial(load_tiny_digits, networks)
    some = digits.take(slice(None, None, step))
    canvases = {f"MNIST test digits, {name}": partial(_draw_on_canvas, networks, name, some) for name in CANVASES}
    return rows | canvases


def _draw_on_canvas(networks: Networks, name: str, digits: LabelledImages) -> Digits:
    return normalise(draw_canvases(name, digits.images), networks), digits.labels


def load_printed_digits(networks: Networks) -> Digits:
    """Print and normalise the digits of every font of the Debian packages that are installed."""
    drawings, labels = zip(*print_digits(), strict=True)
    return normalise(drawings, networks), np.array(labels)


def load_tiny_digits(networks: Networks) -> Digits:
    """Normalise scikit-learn's digits, 8x8 in 17 greys."""
    tiny = load_digits()
    return normalise((tiny.images * (MAX_PIXEL / 16)).astype(np.uint8), networks), tiny.target


def measure(networks: Networks, row: str, digits: Digits) -> Measurement:
    """Read one row's digits."""
    images, labels = digits
    classifier = networks.classifier
    parts = np.array_split(images, len(images) // 500 + 1)
    together = np.concatenate([read_digits(part, classifier, networks.line_reader)[0] for part in parts])
    alone = np.concatenate([classifier.predict(make_batch(part)) for part in parts])
    num_errors, num_errors_alone = (int((read.argmax(axis=1) != labels).sum()) for read in (together, alone))
    return Measurement(row, len(labels), num_errors, num_errors_alone, networks.version)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=SHIPPED)
    parser.add_argument("--output", type=Path, help=f"default: {RESULTS.name}, of whole measurements alone")
    parser.add_argument("--step", type=int, default=STEP, help="take every so manyth MNIST digit for the canvases")
    parser.add_argument("--only", default="", help="measure the rows whose name holds this text")
    options = parser.parse_args()
    networks = load_networks(options.model)
    rows = list_rows(networks, read_labelled_images(ROOT / "data/test.csv.gz"), options.step)
    measured = []
    print("| drawings | digits | misread | error (%) | by the classifier alone | model |")
    print("| --- | ---: | ---: | ---: | ---: | --- |")
    for row, make_digits in rows.items():
        if options.only in row:
            found = measure(networks, row, make_digits())
            measured.append(found)
            print(f"| {' | '.join(map(str, found.cells.values()))} |", flush=True)
    if not measured:
        parser.error(
            f"Received --only {options.only!r}, which no row's name holds; expected part of: {', '.join(rows)}."
        )
    is_whole = options.step == STEP and len(measured) == len(rows)
    if options.output or is_whole:
        write_rows(options.output or RESULTS, [found.cells for found in measured])


if __name__ == "__main__":
    main()
