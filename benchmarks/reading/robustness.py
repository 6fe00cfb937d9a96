"""Error on corrupted digits, and how many answers change when digits move by a pixel or strokes grow and shrink.

Usage:
    python -m benchmarks.reading.robustness                     # the test digits; writes robustness.csv here
    python -m benchmarks.reading.robustness --held-out --model models/validation.h5

`--held-out` takes the 10,000 training digits on which settings are chosen, for a model that was not trained on them
(`make validate` makes one), and writes nothing.
"""

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks import ROOT
from benchmarks.held_out import BY_WRITER, hold_out_for_choosing
from benchmarks.networks import SHIPPED
from benchmarks.reading.corruptions import CORRUPTIONS, corrupt
from benchmarks.results import write_rows
from digits.data.dataset import LabelledImages, read_labelled_images
from digits.data.images import make_batch
from digits.inference.classifier import load_classifier

RESULTS = ROOT / "benchmarks/reading/robustness.csv"
AT_ONCE = 500
CLEAN, MEAN = "clean", f"mean of {len(CORRUPTIONS)} corruptions"
SHIFTS = {
    "shift up": (-1, 0),
    "shift up and right": (-1, 1),
    "shift right": (0, 1),
    "shift down and right": (1, 1),
    "shift down": (1, 0),
    "shift down and left": (1, -1),
    "shift left": (0, -1),
    "shift up and left": (-1, -1),
}
STROKES = {"strokes thickened": ndimage.grey_dilation, "strokes thinned": ndimage.grey_erosion}
CHANGES = (*SHIFTS, *STROKES)

Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def measure_robustness(
    predict: Predict, images: NDArray[np.uint8], labels: NDArray[np.int64], seed: int = 0
) -> dict[str, float]:
    """Measure a network on changed digits.

    Args:
        predict: float32 `(n, 28, 28, 1)` in [0, 1] to probabilities `(n, 10)`; it gets 500 digits at a time.
        images: uint8 `(n, 28, 28)`, 0-255, that the network was not trained on.
        labels: int64 `(n,)`, 0-9.
        seed: Of the corruptions.

    Returns:
        Percentages: the error for `clean`, each of the 15 corruptions and their mean; the share of answers that
        differ from those for the unchanged digits for each of `CHANGES`.
    """

    def read(changed: NDArray[np.uint8]) -> NDArray[np.int64]:
        starts = range(0, len(changed), AT_ONCE)
        parts = [np.asarray(predict(make_batch(changed[start : start + AT_ONCE]))) for start in starts]
        answers: NDArray[np.int64] = np.concatenate(parts).argmax(axis=1)
        return answers

    answers = read(images)
    errors = {name: 100 * float((read(corrupt(images, name, seed)) != labels).mean()) for name in CORRUPTIONS}
    changes = {name: 100 * float((read(change(images, name)) != answers).mean()) for name in CHANGES}
    clean = 100 * float((answers != labels).mean())
    return {CLEAN: clean, **errors, MEAN: float(np.mean(list(errors.values()))), **changes}


def change(images: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    """Move digits by a pixel, or widen or narrow their strokes by one.

    Args:
        images: uint8 `(n, 28, 28)`, with a margin of at least a pixel.
        name: One of `CHANGES`.

    Returns:
        uint8 `(n, 28, 28)`.
    """
    if name in SHIFTS:
        return np.roll(images, SHIFTS[name], axis=(1, 2))
    changed: NDArray[np.uint8] = STROKES[name](images, size=(1, 2, 2))
    return changed


def list_rows(measured: dict[str, float], model: str, scored: str, num_digits: int) -> list[dict[str, object]]:
    """Return the lines of the results."""
    date = datetime.now(UTC).date().isoformat()
    return [
        {
            "date": date,
            "model": model,
            "scored": scored,
            "num_digits": num_digits,
            "row": name,
            "percent_of": "changed answers" if name in CHANGES else "errors",
            "percent": round(percent, 3),
        }
        for name, percent in measured.items()
    ]


def load(held_out: bool) -> tuple[LabelledImages, str]:
    """Return the digits to measure on, and what they are."""
    if held_out:
        return hold_out_for_choosing(read_labelled_images(ROOT / "data" / "train.csv.gz"))[1:]
    return read_labelled_images(ROOT / "data" / "test.csv.gz"), "test"


def main() -> None:
    """Read the command line, measure, write and print."""
    parser = argparse.ArgumentParser(description="Measure a model on corrupted, moved, thickened and thinned digits.")
    parser.add_argument("--model", type=Path, default=SHIPPED)
    parser.add_argument("--held-out", action="store_true", help="10,000 held-out training digits; writes nothing")
    arguments = parser.parse_args()
    classifier = load_classifier(arguments.model, precision="fp32")
    digits, scored = load(arguments.held_out)
    known_by = "by writers held out" if scored == BY_WRITER else "held out of"
    if arguments.held_out and known_by not in classifier.artifact.provenance["scored_on"]["what"]:
        sys.exit(
            f"error: {arguments.model} did not hold these digits out, so it knows them; make it by `make validate`."
        )
    measured = measure_robustness(classifier.predict, digits.images, digits.labels)
    rows = list_rows(measured, classifier.artifact.version, scored, len(digits))
    if not arguments.held_out:
        write_rows(RESULTS, rows)
    print(f"{len(digits):,} {rows[0]['scored']} digits, model {rows[0]['model']}")
    for row in rows:
        print(f"  {row['row']:24}{row['percent']:7.2f} % {row['percent_of']}")


if __name__ == "__main__":
    main()
