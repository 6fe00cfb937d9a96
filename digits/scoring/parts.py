"""The output: parts of a bounded size, the faults beside them, and which of both are there already.

    part-000000-000000.parquet      answers, or .csv
    errors/part-000000-000000.jsonl what could not be read: id, code and message on a line each
    _manifest.json                  what the run was and what came of it

A part appears last and whole. So a part that is there stands for a piece that needs no second look.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from time import perf_counter
from typing import Literal

import pyarrow
import pyarrow.csv
import pyarrow.parquet

from digits.data.images import NUM_CLASSES
from digits.scoring.answers import Job, answer_piece
from digits.scoring.pieces import Fault, Piece
from digits.scoring.storage import Place, write_whole

Format = Literal["parquet", "csv"]
ERRORS = "errors"
MANIFEST = "_manifest.json"
_UNFINISHED = ".writing-*"  # What `replace_file` leaves behind when it is killed.


@dataclass(frozen=True)
class Output:
    """Where parts are written and how. It can be pickled.

    Attributes:
        folder: The folder of the output.
        format: `parquet`, or `csv` with a header in each part.
    """

    folder: Place
    format: Format


@dataclass(frozen=True)
class Report:
    """What came of one piece.

    Attributes:
        part: The name of the part, without its ending.
        num_answers: How many rows or pictures were answered.
        num_faults: How many could not be read.
        num_bytes: How much of the input the piece was.
        seconds: How long it took to answer and write it.
    """

    part: str
    num_answers: int
    num_faults: int
    num_bytes: int
    seconds: float


def write_piece(job: Job, output: Output, piece: Piece) -> Report:
    """Answer a piece and write its part. Every engine does its work with this function.

    To do it twice is harmless, because it writes the same bytes under the same name.
    """
    started = perf_counter()
    answers, faults = answer_piece(job, piece)
    if faults:
        lines = "".join(json.dumps(_describe(fault), ensure_ascii=False) + "\n" for fault in faults)
        write_whole(output.folder.join(ERRORS, f"{piece.part}.jsonl"), lines.encode())
    write_whole(output.folder.join(f"{piece.part}.{output.format}"), _encode(answers, output.format))
    return Report(piece.part, len(answers), len(faults), piece.num_bytes, perf_counter() - started)


def list_done(output: Output) -> dict[str, Report]:
    """Return the report of each part that is there, by its name; the bytes and seconds are unknown and 0."""
    folder, filesystem = output.folder, output.folder.filesystem
    if not filesystem.exists(folder.path):
        return {}
    done = {}
    for path in sorted(filesystem.ls(folder.path, detail=False)):
        name, _, ending = path.rpartition("/")[2].partition(".")
        if name.startswith("part-") and ending == output.format:
            num_answers = _count_answers(Place(filesystem, path), output.format)
            num_faults = _count_lines(folder.join(ERRORS, f"{name}.jsonl"))
            done[name] = Report(name, num_answers, num_faults, 0, 0.0)
    return done


def remove_unfinished(output: Output) -> None:
    """Remove what a killed run left half written on this machine."""
    if output.folder.is_local:
        for path in Path(output.folder.path).rglob(_UNFINISHED):
            shutil.rmtree(path, ignore_errors=True)


def _describe(fault: Fault) -> Mapping[str, object]:
    return {"id": fault.id, "code": fault.code, "message": fault.message}


def _encode(answers: pyarrow.Table, kind: Format) -> bytes:
    buffer = BytesIO()
    if kind == "parquet":
        pyarrow.parquet.write_table(answers, buffer, compression="zstd")
    else:
        pyarrow.csv.write_csv(_spread_probabilities(answers), buffer)
    return buffer.getvalue()


def _spread_probabilities(answers: pyarrow.Table) -> pyarrow.Table:
    """Give each probability a column of its own, because CSV has no lists."""
    if "probabilities" not in answers.column_names:
        return answers
    place = answers.column_names.index("probabilities")
    flat = answers.column(place).combine_chunks().flatten().to_numpy().reshape(-1, NUM_CLASSES)
    answers = answers.remove_column(place)
    for digit in range(NUM_CLASSES):
        answers = answers.add_column(place + digit, f"probability{digit}", pyarrow.array(flat[:, digit]))
    return answers


def _count_answers(place: Place, kind: Format) -> int:
    with place.filesystem.open(place.path, "rb") as file:
        if kind == "parquet":
            return int(pyarrow.parquet.read_metadata(file).num_rows)
        # The header of a part is its first line; the id of a picture may hold an end of line.
        return int(pyarrow.csv.read_csv(file, parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True)).num_rows)


def _count_lines(place: Place) -> int:
    if not place.filesystem.exists(place.path):
        return 0
    content: bytes = place.filesystem.cat_file(place.path)
    return content.count(b"\n")
