"""Write Kaggle's submission.csv from a trained model.

Usage:
    python -m digits.scoring.submission path/to/test.csv submission.csv
"""

import argparse
import csv
from pathlib import Path

from digits.data.dataset import read_images
from digits.data.files import replace_file
from digits.data.images import make_batch
from digits.errors import end_in_one_line
from digits.inference.classifier import Classifier, load_classifier
from digits.inference.onnx_session import compute_in_parts


def write_submission(classifier: Classifier, test: Path, output: Path) -> int:
    """Read every digit of `test` and write `ImageId,Label`, ImageId from 1, to the side and then renamed.

    Returns:
        How many digits were read.

    Raises:
        DatasetError: If `test` is not in Kaggle's layout; nothing is written then.
    """
    images = read_images(test)
    digits = compute_in_parts(lambda part: classifier.predict(make_batch(part)), images).argmax(axis=1)
    with replace_file(output) as unfinished, unfinished.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("ImageId", "Label"))
        writer.writerows(enumerate(digits.tolist(), start=1))
    return len(digits)


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
