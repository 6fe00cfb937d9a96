"""Write Kaggle's submission.csv from a trained model.

Usage:
    python -m digits.scoring.submission path/to/test.csv submission.csv
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from digits.data.dataset import read_images
from digits.data.images import make_batch
from digits.errors import end_in_one_line
from digits.inference.classifier import Classifier, load_classifier

_IMAGES_PER_BATCH = 1_000


def write_submission(classifier: Classifier, test: Path, output: Path) -> int:
    """Read every digit of `test` and write `ImageId,Label`, ImageId from 1, to the side and then renamed.

    Returns:
        How many digits were read.

    Raises:
        DatasetError: If `test` is not in Kaggle's layout; nothing is written then.
    """
    images = read_images(test)
    chunks = (images[start : start + _IMAGES_PER_BATCH] for start in range(0, len(images), _IMAGES_PER_BATCH))
    labels = np.concatenate([classifier.predict(make_batch(chunk)).argmax(axis=1) for chunk in chunks])
    unfinished = output.with_name(output.name + ".part")
    rows = pd.DataFrame({"ImageId": np.arange(1, len(labels) + 1), "Label": labels})
    try:
        rows.to_csv(unfinished, index=False, lineterminator="\n")
        unfinished.replace(output)
    finally:
        unfinished.unlink(missing_ok=True)
    return len(labels)


def main() -> None:
    """Read the command line, write the file, say so."""
    parser = argparse.ArgumentParser(description="Write Kaggle's submission.csv.")
    parser.add_argument("test", type=Path, help="digits without labels, .csv or .csv.gz")
    parser.add_argument("output", type=Path, nargs="?", default=Path("submission.csv"))
    parser.add_argument("--model", type=Path, default=Path("models/digits.h5"))
    arguments = parser.parse_args()
    num_digits = write_submission(load_classifier(arguments.model), arguments.test, arguments.output)
    print(f"Wrote {arguments.output}: {num_digits:,} digits read by {arguments.model}.")


if __name__ == "__main__":
    with end_in_one_line("nothing was written."):
        main()
