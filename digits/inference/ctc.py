"""Decode the line network's steps into digits, by connectionist temporal classification (CTC).

Graves et al., "Connectionist Temporal Classification" (ICML 2006). The blank is the last of the network's eleven
classes: there is no digit at this step.
"""

import numpy as np
from numpy.typing import NDArray

from digits.data.images import NUM_CLASSES

BLANK = NUM_CLASSES
"""The class of no digit."""


def decode(probabilities: NDArray[np.float32]) -> tuple[list[float], NDArray[np.float32]]:
    """Decode a line greedily: each run of the same class is one digit.

    Args:
        probabilities: float32 `(steps, 11)`, the last of them the blank's.

    Returns:
        The middle step of each digit, and float32 `(n, 10)`, its probabilities at the step where they are highest.
    """
    answers = probabilities.argmax(axis=1)
    starts = np.flatnonzero(np.diff(answers, prepend=BLANK))
    ends = np.append(starts, len(answers))[1:]
    steps, found = [], []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        if answers[start] == BLANK:
            continue
        surest = start + int(probabilities[start:end, answers[start]].argmax())
        steps.append((start + end - 1) / 2)
        found.append(probabilities[surest, :NUM_CLASSES] / probabilities[surest, :NUM_CLASSES].sum())
    return steps, np.array(found, np.float32).reshape(-1, NUM_CLASSES)


def measure_single_digits(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return for each digit the probability that a line holds it and nothing else.

    The forward variables of Graves et al., "Connectionist Temporal Classification" (ICML 2006), for labels of length 1.

    Args:
        probabilities: float32 `(n, steps, 11)`, the last of them the blank's.

    Returns:
        float64 `(n, 10)`; rows sum to 1 at most.
    """
    before, here, after = np.ones((len(probabilities), 1)), np.zeros(1), np.zeros(1)
    for step in probabilities.astype(np.float64).swapaxes(0, 1):
        digit, none = step[:, :NUM_CLASSES], step[:, NUM_CLASSES:]
        before, here, after = before * none, (before + here) * digit, (here + after) * none
    return here + after
