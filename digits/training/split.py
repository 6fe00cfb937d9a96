"""Hold digits out of training, to choose settings with them."""

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from digits.data.dataset import LabelledImages
from digits.data.images import NUM_CLASSES
from digits.errors import ConfigurationError, DatasetError

HELD_OUT = 1 / 6
"""The share of MNIST's 60,000 training digits with which settings are chosen: 10,000 digits."""
NUM_FOLDS = 6
"""The parts into which the writers are divided; one of them is about `HELD_OUT` of the digits."""


def hold_out(digits: LabelledImages, fraction: float = 0.2, seed: int = 42) -> tuple[LabelledImages, LabelledImages]:
    """Split digits into those to train on and those held out, with the same shares of each label.

    Raises:
        ConfigurationError: If the fraction is not between 0 and 1.
        DatasetError: If there are too few digits of a label to split.
    """
    if not 0 < fraction < 1:
        raise ConfigurationError(f"Received {fraction} of the digits to hold out, expected a share between 0 and 1.")
    try:
        kept, held_out = train_test_split(
            np.arange(len(digits)), test_size=fraction, random_state=seed, stratify=digits.labels
        )
    except ValueError as error:
        counts = np.bincount(digits.labels, minlength=NUM_CLASSES).tolist()
        raise DatasetError(
            f"Received {len(digits)} digits with {counts} of the labels 0-9, expected enough of each to hold out "
            f"{fraction:.0%}; use a larger file, or name a separate test file."
        ) from error
    return digits.take(kept), digits.take(held_out)


def read_writers(path: Path, num_digits: int) -> NDArray[np.uint16]:
    """Read who wrote each training digit.

    Args:
        path: A NumPy archive with `writers`, a number a digit, in the order of the digits' file.
        num_digits: The digits of that file.

    Returns:
        uint16 `(num_digits,)`; the same number is the same person.

    Raises:
        DatasetError: If the file is missing, is no such archive, or tells of another number of digits.
    """
    expected = f"expected an .npz with `writers`, {num_digits:,} integers from 0 to 65535"
    try:
        with np.load(path, allow_pickle=False) as archive:
            writers = np.asarray(archive["writers"])
    except (OSError, TypeError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path}: {expected}; received {error}.") from error
    is_whole = np.issubdtype(writers.dtype, np.integer)
    if writers.shape != (num_digits,) or not is_whole or not ((writers >= 0) & (writers < 2**16)).all():
        raise DatasetError(f"{path}: {expected}; received {writers.dtype} {writers.shape}.")
    return writers.astype(np.uint16)


def fold_by_writer(labels: NDArray[np.int64], writers: NDArray[np.uint16], seed: int = 42) -> NDArray[np.int64]:
    """Divide digits into six folds of about the same size and shares of labels, each writer in one of them.

    MNIST's test digits are by people who wrote none of the training digits. A network that is scored on digits by its
    own writers is rewarded for learning their hands; one that is scored on a fold is not.

    Args:
        labels: int64 `(n,)`, 0-9.
        writers: uint16 `(n,)`.
        seed: The same seed gives the same folds.

    Returns:
        int64 `(n,)`, the fold of each digit, 0-5.

    Raises:
        DatasetError: If there are fewer writers than folds, or fewer digits of every label.
    """
    num_writers = len(np.unique(writers))
    if num_writers < NUM_FOLDS:
        raise DatasetError(
            f"Received digits by {num_writers} writers, expected {NUM_FOLDS} or more, one for each fold."
        )
    folds = np.empty(len(labels), np.int64)
    splitter = StratifiedGroupKFold(NUM_FOLDS, shuffle=True, random_state=seed)
    try:
        for fold, (_, held_out) in enumerate(splitter.split(labels, labels, writers)):
            folds[held_out] = fold
    except ValueError as error:
        raise DatasetError(
            f"Received {len(labels)} digits, expected {NUM_FOLDS} or more of a label, one for each fold."
        ) from error
    return folds


def hold_out_writers(
    digits: LabelledImages, writers: NDArray[np.uint16], fold: int = 0
) -> tuple[LabelledImages, LabelledImages]:
    """Split digits into those to train on and those held out, about a sixth, by writers of their own.

    Args:
        digits: The digits, `n` of them.
        writers: Who wrote each, uint16 `(n,)`.
        fold: Which of the six folds of writers is held out.

    Raises:
        DatasetError: As `fold_by_writer`.
    """
    is_held_out = fold_by_writer(digits.labels, writers) == fold
    return digits.take(np.flatnonzero(~is_held_out)), digits.take(np.flatnonzero(is_held_out))
