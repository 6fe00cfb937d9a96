"""The training digits on which settings are chosen: by writers of their own, as MNIST's test digits are."""

from benchmarks import ROOT
from digits.data.dataset import LabelledImages
from digits.training.split import HELD_OUT, hold_out, hold_out_writers, read_writers

WRITERS = ROOT.parent / "shared/writers.npz"
"""Who wrote each digit of data/train.csv.gz (QMNIST's labels). It lies outside of the repository."""
BY_WRITER, BY_ROW = "held-out writers", "held-out"


def hold_out_for_choosing(digits: LabelledImages) -> tuple[LabelledImages, LabelledImages, str]:
    """Return about 50,000 digits to train on, 10,000 to score, and how they were divided.

    Without the file of writers a random sixth is scored, and this is printed: its writers stand among the training
    digits, too.
    """
    if WRITERS.exists():
        return *hold_out_writers(digits, read_writers(WRITERS, len(digits))), BY_WRITER
    print("../shared/writers.npz is not there, so the digits are held out by row; their writers wrote training digits.")
    return *hold_out(digits, HELD_OUT), BY_ROW
