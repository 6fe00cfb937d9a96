"""How well people's own digits are learnt: scikit-learn's 8x8 digits, written out as pictures.

Usage:
    python -m benchmarks.training.own_digits path/to/folder

It writes 1,497 of the 1,797 digits to `own/` and 300 to `held_out/`, each in folders 0 to 9. It prints the command
that trains on them.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

NUM_HELD_OUT = 300
_MAX_LEVEL = 16  # scikit-learn's pixels count 0 to 16, where 16 is ink.
_SCALE = 12  # A pixel becomes a square of so many.


def write_pictures(folder: Path) -> None:
    """Write dark digits on light paper, `own/3/0017.png` and so on."""
    found = load_digits()
    levels = np.pad(found.images, ((0, 0), (2, 2), (2, 2)))
    pictures = (255 - levels * (255 / _MAX_LEVEL)).astype(np.uint8)
    own, held_out = train_test_split(
        np.arange(len(found.target)), test_size=NUM_HELD_OUT, random_state=0, stratify=found.target
    )
    for name, indices in (("own", own), ("held_out", held_out)):
        for index in indices:
            path = folder / name / str(found.target[index]) / f"{index:04}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture = Image.fromarray(pictures[index])
            picture.resize([_SCALE * side for side in picture.size], Image.Resampling.BICUBIC).save(path)


def main() -> None:
    """Write the pictures, and say what to do with them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    write_pictures(folder)
    options = f"--test data/test.csv.gz {folder}/held_out --from models/digits.h5 --output {folder}/mine.h5"
    print(f"python train.py --data data/train.csv.gz {folder}/own {options}")


if __name__ == "__main__":
    main()
