"""What the tests of scoring share: a table of digits to score, and the answers of an output folder."""

import json
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from digits.data.images import PIXEL_NAMES


def write_csv(path: Path, images: NDArray[np.uint8]) -> Path:
    """Write images as Kaggle's test.csv."""
    rows = images.reshape(len(images), -1).tolist()
    path.write_text("\n".join([",".join(PIXEL_NAMES), *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def read_answers(output: Path) -> pyarrow.Table:
    """Return all parts as one table, sorted by id."""
    parts = sorted(output.glob("part-*.parquet"))
    return pyarrow.concat_tables([pyarrow.parquet.read_table(part) for part in parts]).sort_by("id")


def read_faults(output: Path) -> list[dict[str, object]]:
    """Return what could not be read, part by part."""
    lines = [path.read_text().splitlines() for path in sorted((output / "errors").glob("*.jsonl"))]
    return [json.loads(line) for part in lines for line in part]


def read_manifest(output: Path) -> dict:
    return json.loads((output / "_manifest.json").read_text())
