"""The benchmarks' results: a CSV each, with a line for each thing that was measured."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from digits.data.files import replace_file

Row = dict[str, str]


def read_rows(path: Path) -> list[Row]:
    """Return the lines of a benchmark's file, none if there is no file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_rows(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write lines that have the same columns, in place of what was there."""
    with replace_file(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
