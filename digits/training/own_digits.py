"""Read the digits to train on: CSVs in Kaggle's layout, and folders of people's own pictures.

A folder holds ten more, `0` to `9`, with pictures of any size, as for `keras.utils.image_dataset_from_directory`.
Each picture is brought into the form of 28x28 pixels as `/predict/image` does it.
"""

import hashlib
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digits.data.dataset import LabelledImages, read_labelled_images
from digits.data.image_file import decode_picture
from digits.data.images import NUM_CLASSES, SIZE
from digits.errors import DatasetError, DrawingError
from digits.preprocessing.digit_image import normalise_drawing

LABELS = tuple(str(digit) for digit in range(NUM_CLASSES))
_NUM_NAMED = 20  # So many files that cannot be read are named; the others are counted.


def split_paths(names: Sequence[str]) -> list[Path]:
    """Return the paths in the words of a command line; make gives all of them as one word.

    A word that is itself a path stays whole, so that names may hold blanks.
    """
    words = [word for name in names for word in ([name] if Path(name).exists() else shlex.split(name))]
    return [Path(word) for word in words]


def read_digits(path: Path) -> LabelledImages:
    """Read a CSV, or a folder of pictures.

    Raises:
        DatasetError: If it cannot be read as digits.
    """
    return read_folder(path) if path.is_dir() else read_labelled_images(path)


def read_folder(folder: Path) -> LabelledImages:
    """Read pictures from the folders `0` to `9` below a folder; what is no digit is named and counted.

    Raises:
        DatasetError: If there is none of these folders, or no picture in them.
    """
    images: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    digest = hashlib.sha256()
    faults = [f"{path}: not in a folder 0 to 9" for path in _list_files(folder) if _find_label(folder, path) is None]
    for label in LABELS:
        for path in _list_files(folder / label):
            encoded = path.read_bytes()
            try:
                image = normalise_drawing(decode_picture(encoded).luminance)
            except DrawingError as error:
                faults.append(f"{path}: {error}")
                continue
            if not image.any():
                faults.append(f"{path}: no ink was found")
                continue
            images.append(image)
            labels.append(int(label))
            digest.update(f"{label} {hashlib.sha256(encoded).hexdigest()}\n".encode())
    _report(folder, len(images), faults)
    if not images:
        raise DatasetError(
            f"{folder}: received no picture in {len(faults):,} files, expected folders 0 to 9 with pictures of each."
        )
    return LabelledImages(np.array(images).reshape(-1, SIZE, SIZE), np.array(labels, np.int64), digest.hexdigest())


def hold_out_of_each(digits: LabelledImages, fraction: float, seed: int = 42) -> tuple[LabelledImages, LabelledImages]:
    """Split digits into those to train on and those held out, the same share of each label.

    A label with few digits is rounded, so that one digit alone is trained on.
    """
    order = np.random.default_rng(seed).permutation(len(digits))
    is_held_out = np.zeros(len(digits), bool)
    for label in range(NUM_CLASSES):
        of_label = order[digits.labels[order] == label]
        is_held_out[of_label[: round(fraction * len(of_label))]] = True
    return digits.take(np.flatnonzero(~is_held_out)), digits.take(np.flatnonzero(is_held_out))


def join(parts: Sequence[LabelledImages]) -> LabelledImages:
    """Return the digits of all parts, one after another."""
    if len(parts) == 1:
        return parts[0]
    sha256 = hashlib.sha256("\n".join(part.sha256 for part in parts).encode()).hexdigest()
    images, labels = (np.concatenate([getattr(part, name) for part in parts]) for name in ("images", "labels"))
    return LabelledImages(images, labels, sha256)


def repeat_to_share(own: LabelledImages, num_others: int, share: float) -> LabelledImages:
    """Repeat digits so that they are about this share of what is trained on; if they are more already, they stay."""
    times = max(round(share / (1 - share) * num_others / len(own)), 1)
    return own.take(np.tile(np.arange(len(own)), times))


def _list_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def _find_label(folder: Path, path: Path) -> str | None:
    first = path.relative_to(folder).parts[0]
    return first if first in LABELS else None


def _report(folder: Path, num_read: int, faults: Sequence[str]) -> None:
    print(f"{folder}: {num_read:,} pictures were read, {len(faults):,} files were not.", file=sys.stderr)
    for fault in faults[:_NUM_NAMED]:
        print(f"  {fault}", file=sys.stderr)
    if len(faults) > _NUM_NAMED:
        print(f"  and {len(faults) - _NUM_NAMED:,} more", file=sys.stderr)
