"""Join what several recipes say of each training digit: `python -m benchmarks.training.committee` writes committee.npz.

Each digit was read by networks that met none of its writers (benchmarks.training.folds, all six folds). The committee's
answer is the softmax of the members' mean log-probabilities, at the temperature of the largest likelihood. It is what
the variant `taught by a committee` learns beside the labels (Hinton, Vinyals and Dean, arXiv 1503.02531), and in what
label_issues.py looks for wrong labels.

The folds keep a digit's writer from its own teachers. But the teachers of the digits of five folds have learnt the
labels of the sixth. So a taught network that is scored on that fold has learnt a little of its labels.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.training.folds import calibrate, load, read_answers
from benchmarks.training.variants import COMMITTEE, read_committee
from digits.data.files import replace_file
from digits.training.metrics import evaluate
from digits.training.split import NUM_FOLDS

MEMBERS = ("default", "three stages, 24-64-104")


def join_answers(names: Sequence[str]) -> NDArray[np.float64]:
    """Return the committee's probabilities of all training digits, float64 `(n, 10)`."""
    logs = [np.log(np.maximum(read_answers(name, range(NUM_FOLDS)).probabilities, 1e-12)) for name in names]
    mean = np.exp(np.mean(logs, axis=0))
    joined = (mean / mean.sum(axis=1, keepdims=True)).astype(np.float32)
    return calibrate(joined, load()[0].labels, corruption_error=0.0).probabilities


def main() -> None:
    """Join, write and print."""
    digits, _, _ = load()
    probabilities = join_answers(MEMBERS)
    with replace_file(COMMITTEE) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, probabilities=probabilities.astype(np.float16), sha256=digits.sha256)
    evaluation = evaluate(read_committee(digits.sha256), digits.labels)
    print(f"{evaluation.num_errors} of {len(digits):,} misread, {evaluation.negative_log_likelihood:.5f} nats.")


if __name__ == "__main__":
    main()
