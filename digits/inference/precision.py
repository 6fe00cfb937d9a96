"""Which of a file's graphs answers: the one of 8-bit integers, or the one of 32-bit floats."""

import os
from functools import cache
from pathlib import Path
from typing import Literal, cast, get_args

from digits.errors import ConfigurationError
from digits.inference.artifact import Artifact

Precision = Literal["auto", "int8", "fp32"]
"""What a person may choose. `auto` takes int8 where the processor is made for it, `int8` anywhere."""

Served = Literal["int8", "fp32"]

VARIABLE = "DIGITS_PRECISION"
_PROCESSOR = Path("/proc/cpuinfo")
_FLAGS = {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"}


@cache
def has_int8_arithmetic() -> bool:
    """Tell whether the processor adds up products of int8 in int32, as Linux lists its features.

    An x86 without that adds pairs of products in int16, which is too small for some: answers would differ.
    """
    try:
        return not _FLAGS.isdisjoint(_PROCESSOR.read_text().split())
    except OSError:
        return False  # It is no Linux.


def read_precision() -> Precision:
    """Return what `DIGITS_PRECISION` chooses in the environment; `auto` if it is unset or empty.

    Raises:
        ConfigurationError: If it is anything else.
    """
    chosen = os.environ.get(VARIABLE) or "auto"
    if chosen not in get_args(Precision):
        raise ConfigurationError(f"{VARIABLE}: received {chosen[:64]!r}, expected auto, int8 or fp32.")
    return cast(Precision, chosen)


def choose_precision(artifact: Artifact, precision: Precision | None) -> Served:
    """Return which graph of a file answers; a file without the one of int8 has only that of fp32.

    Args:
        artifact: The file.
        precision: What is wanted; None stands for what the environment chooses.
    """
    wanted = read_precision() if precision is None else precision
    is_wanted = wanted == "int8" or (wanted == "auto" and has_int8_arithmetic())
    return "int8" if is_wanted and artifact.int8 is not None else "fp32"
