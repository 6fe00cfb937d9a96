"""Write Kaggle's submission.csv from a trained model, with the reader of bulk scoring.

Usage:
    python -m digits.scoring.submission path/to/test.csv submission.csv
"""

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digits.data.dataset import explain_file_errors
from digits.data.files import replace_file
from digits.data.images import make_batch
from digits.errors import end_in_one_line
from digits.inference.classifier import Classifier, load_classifier
from digits.inference.onnx_session import compute_in_parts
from digits.scoring.storage import locate, open_plain
from digits.scoring.table import cut_table

_ROWS_AT_ONCE = 8_192


def write_submission(classifier: Classifier, test: Path, output: Path) -> int:
    """Read every digit of `test` and write `ImageId,Label`, ImageId from 1, to the side and then renamed.

    Memory does not grow with the file.

    Returns:
        How many digits were read.

    Raises:
        DatasetError: If `test` is not in Kaggle's layout; nothing is written then.
    """
    num_digits = 0
    with replace_file(output) as unfinished, unfinished.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("ImageId", "Label"))
        for pixels in _read_blocks(test):
            probabilities = compute_in_parts(lambda part: classifier.predict(make_batch(part)), pixels)
            writer.writerows(enumerate(probabilities.argmax(axis=1).tolist(), start=num_digits + 1))
            num_digits += len(pixels)
    return num_digits


def _read_blocks(test: Path) -> Iterator[NDArray[np.uint8]]:
    """Yield pixels, uint8 `(n, 784)`, 0-255, and refuse the file at the first row that is wrong."""
    with explain_file_errors(test), open_plain(locate(str(test))) as (plain, _):
        for block in cut_table(plain, _ROWS_AT_ONCE):
            _, pixels, errors = block.parse()
            if errors:
                raise errors[0]
            yield pixels


def main() -> None:
    """Read the command line, write the file, say so."""
    parser = argparse.ArgumentParser(description="Write Kaggle's submission.csv.")
    parser.add_argument("test", type=Path, help="digits without labels, .csv, .csv.gz or .csv.zst")
    parser.add_argument("output", type=Path, nargs="?", default=Path("submission.csv"))
    parser.add_argument("--model", type=Path, default=Path("models/digits.h5"))
    arguments = parser.parse_args()
    num_digits = write_submission(load_classifier(arguments.model), arguments.test, arguments.output)
    print(f"Wrote {arguments.output}: {num_digits:,} digits read by {arguments.model}.")


if __name__ == "__main__":
    with end_in_one_line("nothing was written."):
        main()
