"""Make the tables and pictures of docs/model-card.md from what was measured.

Usage:
    python -m benchmarks.model_card.make

Each table stands between `<!-- made: name -->` and `<!-- end -->` and comes from a file of models/, from the answers of
models/digits.h5 on the test digits, or from a file that another benchmark wrote. Where such a file is missing, the card
says so.
"""

import re
from collections.abc import Callable

import numpy as np

from benchmarks import ROOT
from benchmarks.model_card import tables as card_tables
from benchmarks.model_card.pictures import save_pictures
from benchmarks.model_card.tables import Measured
from benchmarks.networks import LINES, PAGES, SHIPPED, load_networks
from benchmarks.results import read_rows
from digits.data.dataset import read_labelled_images
from digits.data.images import make_batch
from digits.inference.artifact import read_artifact
from digits.inference.classifier import load_classifier

CARD = ROOT / "docs" / "model-card.md"
FILES = {
    "training": "training/training.csv",
    "folds": "training/folds.csv",
    **{name: f"reading/{name}.csv" for name in ("robustness", "drawings", "rejection")},
    "reading": "reading/lines.csv",
    "page_reading": "reading/pages.csv",
}
AT_ONCE = 500

SECTIONS: dict[str, Callable[[Measured], str]] = {
    "figures": card_tables.make_figures,
    "recipe": card_tables.make_recipe,
    "final": card_tables.make_final,
    "ablations": card_tables.make_ablations,
    "folds": card_tables.make_folds,
    "digits": card_tables.make_digits,
    "confusions": card_tables.list_confusions,
    "labels": card_tables.make_labels,
    "robustness": card_tables.make_robustness,
    "drawings": card_tables.make_plain("drawings"),
    "reading": card_tables.make_plain("reading"),
    "lines": card_tables.make_lines,
    "pages": card_tables.make_pages,
    "page_reading": card_tables.make_page_reading,
    "rejection": card_tables.make_rejection,
    "cost": card_tables.make_cost,
}


def load_measured() -> Measured:
    """Read the model, its answers on the test digits, and the benchmarks' files."""
    classifier = load_classifier(SHIPPED, precision="fp32")
    test = read_labelled_images(ROOT / "data" / "test.csv.gz")
    parts = [classifier.predict(make_batch(test.images[i : i + AT_ONCE])) for i in range(0, len(test), AT_ONCE)]
    files = {name: read_rows(ROOT / "benchmarks" / path) for name, path in FILES.items()}
    one, line, page = classifier.artifact, read_artifact(LINES), read_artifact(PAGES)
    return Measured(
        one.version,
        dict(one.provenance),
        line.version,
        dict(line.provenance),
        page.version,
        dict(page.provenance),
        test.images,
        test.labels,
        np.concatenate(parts),
        files,
    )


def fill_card(card: str, measured: Measured) -> str:
    """Return the card with every made part made anew.

    Raises:
        KeyError: If a marker names a part that nobody makes.
    """
    made = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
    return made.sub(lambda match: f"{match[1]}\n{SECTIONS[match[2]](measured)}\n\n{match[3]}", card)


def main() -> None:
    """Make pictures and tables."""
    measured = load_measured()
    pictures = save_pictures(
        CARD.parent / "model-card",
        measured.images,
        measured.labels,
        measured.probabilities,
        measured.files,
        load_networks().page_reader,
    )
    CARD.write_text(fill_card(CARD.read_text(), measured))
    print(f"Wrote {CARD.relative_to(ROOT)} and {', '.join(path.name for path in pictures)}.")


if __name__ == "__main__":
    main()
