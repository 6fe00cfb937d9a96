"""Hold digits out of training, to choose settings with them."""

import numpy as np
from sklearn.model_selection import train_test_split

from digits.data.dataset import LabelledImages
from digits.data.images import NUM_CLASSES
from digits.errors import ConfigurationError, DatasetError

HELD_OUT = 1 / 6
"""The share of MNIST's 60,000 training digits with which settings are chosen: 10,000 digits."""


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
