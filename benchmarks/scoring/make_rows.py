"""Write a large file of digits: MNIST's test digits, repeated, and shifted by up to two pixels each way.

python -m benchmarks.scoring.make_rows rows.parquet --rows 10000000
python -m benchmarks.scoring.make_rows rows.csv --rows 100000
python -m benchmarks.scoring.make_rows pictures/ --rows 1000

A row of Parquet is a list of 784 bytes, in row groups of 16,384 rows. A picture is a PNG of 112x112 pixels, dark on
white.
"""

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray
from PIL import Image

from digits.data.dataset import read_images
from digits.data.images import NUM_PIXELS, PIXEL_NAMES
from digits.errors import end_in_one_line

TEST = Path("data/test.csv.gz")
_SHIFTS = [(down, right) for down in range(-2, 3) for right in range(-2, 3)]
_ROWS_AT_ONCE = 16_384


def generate_digits() -> Iterator[NDArray[np.uint8]]:
    """Yield digits without end, uint8 `(28, 28)`; the first 10,000 are the test digits themselves."""
    digits = read_images(TEST)
    shifts = sorted(_SHIFTS, key=lambda shift: abs(shift[0]) + abs(shift[1]))
    while True:
        for shift in shifts:
            yield from np.roll(digits, shift, axis=(1, 2))


def generate_tables(num_rows: int) -> Iterator[NDArray[np.uint8]]:
    """Yield so many digits, uint8 `(n, 784)`."""
    digits = islice(generate_digits(), num_rows)
    while rows := list(islice(digits, _ROWS_AT_ONCE)):
        yield np.array(rows).reshape(-1, NUM_PIXELS)


def write_parquet(path: Path, num_rows: int) -> None:
    """Write a column `pixels`."""
    schema = pyarrow.schema([("pixels", pyarrow.list_(pyarrow.uint8()))])
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for pixels in generate_tables(num_rows):
            offsets = pyarrow.array(range(0, pixels.size + 1, NUM_PIXELS), pyarrow.int32())
            column = pyarrow.ListArray.from_arrays(offsets, pyarrow.array(pixels.ravel()))
            writer.write_table(pyarrow.table({"pixels": column}, schema))


def write_csv(path: Path, num_rows: int) -> None:
    """Write Kaggle's test.csv."""
    schema = pyarrow.schema([(name, pyarrow.uint8()) for name in PIXEL_NAMES])
    options = pyarrow.csv.WriteOptions(quoting_header="none", quoting_style="none")
    with pyarrow.csv.CSVWriter(path, schema, write_options=options) as writer:
        for pixels in generate_tables(num_rows):
            writer.write_table(pyarrow.table(list(pixels.T), schema))


def write_pictures(folder: Path, num_rows: int) -> None:
    """Write a PNG for each digit."""
    folder.mkdir()
    for number, digit in enumerate(islice(generate_digits(), num_rows)):
        Image.fromarray(255 - digit).resize((112, 112)).save(folder / f"{number:07d}.png")


def main() -> None:
    """Write the file or folder that the command line names."""
    parser = argparse.ArgumentParser(description="Write many digits.")
    parser.add_argument("output", type=Path, help="a .parquet, a .csv or a folder for pictures")
    parser.add_argument("--rows", type=int, default=100_000)
    arguments = parser.parse_args()
    write = {".parquet": write_parquet, ".csv": write_csv}.get(arguments.output.suffix, write_pictures)
    write(arguments.output, arguments.rows)


if __name__ == "__main__":
    with end_in_one_line("the file is not whole."):
        main()
