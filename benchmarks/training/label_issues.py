"""List training digits whose label is likely wrong: `python -m benchmarks.training.label_issues`.

The committee of committee.npz read each digit with networks that met none of its writers. A digit is listed where the
committee gives its label less than 5 %, or where cleanlab's confident learning (Northcutt, Jiang and Chuang, arXiv
1911.00068) prunes it; `confident_learning` says so. `row` counts from 0. Needs `pip install -r
benchmarks/training/requirements-labels.txt`. Writes label_issues.csv here, and a sheet of the digits for the card.
"""

import numpy as np
from cleanlab.filter import find_label_issues
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from benchmarks import ROOT
from benchmarks.results import write_rows
from benchmarks.training.variants import read_committee
from digits.data.dataset import read_labelled_images
from digits.data.images import MAX_PIXEL, SIZE

RESULTS = ROOT / "benchmarks/training/label_issues.csv"
SHEET = ROOT / "docs/model-card/label_issues.png"
LARGEST_PROBABILITY = 0.05
_ZOOM, _COLUMNS, _CAPTION = 2, 12, 14  # The sheet: enlargement, digits in a row, a caption's height in pixels.


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
    digits = read_labelled_images(ROOT / "data/train.csv.gz")
    labels = digits.labels
    probabilities = read_committee(digits.sha256).astype(np.float64)
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


if __name__ == "__main__":
    main()
