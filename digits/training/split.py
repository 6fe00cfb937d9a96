"""Digits held out of training, to choose settings on."""

import numpy as np
from sklearn.model_selection import train_test_split

from digits.data.dataset import LabelledImages
from digits.data.images import NUM_CLASSES
from digits.errors import ConfigurationError, DatasetError

HELD_OUT = 1 / 6
"""Of MNIST's 60,000 training digits: the 10,000 that settings are chosen on."""


def hold_out(digits: LabelledImages, fraction: float = 0.2, seed: int = 42) -> tuple[LabelledImages, LabelledImages]:
    """Split into what is trained on and what is held out, each label in proportion.

    Raises:
        ConfigurationError: If the fraction is not between 0 and 1.
        DatasetError: If there are too few digits of some label to split.
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
