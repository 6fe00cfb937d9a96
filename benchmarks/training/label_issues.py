"""List training digits whose label is likely wrong: `python -m benchmarks.training.label_issues`.

Each digit was read by networks that met none of its writers: those of every recipe of which benchmarks.training.folds
has all six folds. The committee's answer is the softmax of their mean log-probabilities. A digit is listed where the
committee gives its label less than 5 %. `confident_learning` says whether cleanlab's confident learning (Northcutt,
Jiang and Chuang, arXiv 1911.00068) prunes it. Needs `pip install -r
benchmarks/training/requirements-labels.txt`. Writes label_issues.csv here, and a sheet of the digits for the card.
"""

import sys

import numpy as np
from cleanlab.filter import find_label_issues
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.special import softmax

from benchmarks import ROOT
from benchmarks.results import write_rows
from benchmarks.training.folds import AVERAGED, list_folds, load, read_answers
from benchmarks.training.variants import VARIANTS
from digits.data.images import MAX_PIXEL, SIZE
from digits.training.split import NUM_FOLDS

RESULTS = ROOT / "benchmarks/training/label_issues.csv"
SHEET = ROOT / "docs/model-card/label_issues.png"
LARGEST_PROBABILITY = 0.05
_ZOOM, _COLUMNS, _CAPTION = 2, 12, 14  # The sheet: pixels of a pixel, digits in a row, pixels of a caption's height.


def join_answers(names: list[str]) -> NDArray[np.float64]:
    """Return the committee's probabilities of all training digits, float64 `(n, 10)`."""
    logs = [np.log(np.maximum(read_answers(name, range(NUM_FOLDS)).probabilities, 1e-12)) for name in names]
    probabilities: NDArray[np.float64] = softmax(np.mean(logs, axis=0), axis=1)
    return probabilities


def draw_sheet(images: NDArray[np.uint8], captions: list[str]) -> Image.Image:
    """Return a picture of digits, each with its caption below."""
    side = _ZOOM * SIZE
    num_rows = -(-len(images) // _COLUMNS)
    sheet = Image.new("L", (_COLUMNS * (side + 8), num_rows * (side + _CAPTION)), MAX_PIXEL)
    pen = ImageDraw.Draw(sheet)
    for place, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left, top = place % _COLUMNS * (side + 8), place // _COLUMNS * (side + _CAPTION)
        sheet.paste(Image.fromarray(MAX_PIXEL - image).resize((side, side)), (left, top))
        pen.text((left, top + side), caption, fill=0)
    return sheet


def main() -> None:
    """Find, write and draw."""
    names = [name + suffix for name in VARIANTS for suffix in ("", AVERAGED)]
    names = [name for name in names if len(list_folds(name)) == NUM_FOLDS]
    if not names:
        sys.exit("error: no recipe has read all six folds; run benchmarks.training.folds first.")
    digits, _, _ = load()
    labels = digits.labels
    probabilities = join_answers(names)
    pruned = find_label_issues(labels, probabilities)
    of_label = probabilities[np.arange(len(labels)), labels]
    listed = np.flatnonzero((of_label < LARGEST_PROBABILITY) | pruned)
    listed = listed[np.argsort(of_label[listed])]
    rows = [
        {
            "row": index,
            "label": labels[index],
            "committee": probabilities[index].argmax(),
            "of_label_percent": round(100 * of_label[index], 2),
            "of_committee_percent": round(100 * probabilities[index].max(), 2),
            "confident_learning": "yes" if pruned[index] else "no",
        }
        for index in listed.tolist()
    ]
    write_rows(RESULTS, rows)
    draw_sheet(digits.images[listed], [f"{row['label']}: {row['committee']}?" for row in rows]).save(SHEET)
    print(f"{len(rows)} of {len(labels):,} labels are likely wrong, {int(pruned.sum())} of them by confident learning.")
    print(f"The committee: {', '.join(names)}.")


if __name__ == "__main__":
    main()
