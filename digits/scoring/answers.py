"""One function from a piece to answers. Every engine calls it, and the model is loaded once in each process."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray

from digits.data.image_file import Picture, decode_picture
from digits.data.images import NUM_CLASSES, make_batch
from digits.errors import ImageError
from digits.inference.classifier import Classifier, load_classifier
from digits.inference.digit_reader import read_drawing
from digits.inference.line_reader import LineReader, load_line_reader
from digits.inference.page_detector import load_page_detector
from digits.inference.page_reader import PageReader, ReadLine, read_page
from digits.inference.precision import Precision
from digits.scoring.pieces import Fault, Id, Pictures, Piece, Rows
from digits.scoring.sources import Task

_BOX = ("left", "top", "width", "height")
_ROWS_AT_ONCE = 128  # The activations of so many images fit into the processor's cache.


@dataclass(frozen=True)
class Job:
    """What to do with every piece of a run, and with which networks. It can be pickled.

    Attributes:
        classifier: The .h5 of the classifier.
        line_reader: The .h5 of the line network. Rows of pixels do not need it.
        page_detector: The .h5 of the page network. Only `read` needs it.
        task: `predict` reads one digit a row or picture, `read` the numbers of a picture, a row each.
        has_numbers: Whether ids are numbers of rows, and not text.
        with_probabilities: Whether answers of `predict` hold the probabilities of all digits.
        precision: Which graphs of the files compute, on every machine of the run.
    """

    classifier: Path
    line_reader: Path
    page_detector: Path
    task: Task
    has_numbers: bool
    with_probabilities: bool = False
    precision: Precision = "auto"


def answer_piece(job: Job, piece: Piece) -> tuple[pyarrow.Table, list[Fault]]:
    """Read a piece and answer it.

    Returns:
        The answers in the piece's order, with the columns of `make_schema`; and what could not be read.
    """
    content = piece.read()
    if isinstance(content, Rows):
        return _answer_rows(job, content)
    return _answer_pictures(job, content)


def make_schema(job: Job) -> pyarrow.Schema:
    """Return the columns of the answers."""
    answer = [("digit", pyarrow.uint8())]
    if job.task == "read":
        answer = [("line", pyarrow.int32()), ("number", pyarrow.string())]
        answer += [(side, pyarrow.int32()) for side in _BOX]
        answer += [("angle", pyarrow.float32())]
    columns = [
        ("id", pyarrow.int64() if job.has_numbers else pyarrow.string()),
        *answer,
        ("confidence", pyarrow.float32()),
        ("accepted", pyarrow.bool_()),
        ("reason", pyarrow.string()),
    ]
    if job.task == "predict" and job.with_probabilities:
        columns.append(("probabilities", pyarrow.list_(pyarrow.float32(), NUM_CLASSES)))
    return pyarrow.schema([*columns, ("model", pyarrow.string())])


@cache
def _load_classifier(path: Path, precision: Precision) -> Classifier:
    return load_classifier(path, precision=precision)


@cache
def _load_line_reader(path: Path, precision: Precision) -> LineReader:
    return load_line_reader(path, precision=precision)


def _answer_rows(job: Job, rows: Rows) -> tuple[pyarrow.Table, list[Fault]]:
    classifier = _load_classifier(job.classifier, job.precision)
    probabilities = np.empty((len(rows.images), NUM_CLASSES), np.float32)
    reasons: list[str | None] = []
    for start in range(0, len(rows.images), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        batch = make_batch(rows.images[part])
        probabilities[part] = classifier.predict(batch)
        reasons += classifier.find_reasons(batch, probabilities[part])
    return _make_digits(job, rows.ids, probabilities, reasons), list(rows.faults)


@cache
def _load_page_reader(page: Path, line: Path, classifier: Path, precision: Precision) -> PageReader:
    detector = load_page_detector(page, precision=precision)
    return PageReader(detector, _load_line_reader(line, precision), _load_classifier(classifier, precision))


def _answer_pictures(job: Job, pictures: Pictures) -> tuple[pyarrow.Table, list[Fault]]:
    answer = _read_one_digit if job.task == "predict" else _read_one_page
    ids, answers, faults = [], [], list(pictures.faults)
    for one, encoded in zip(pictures.ids, pictures.encoded, strict=True):
        try:
            picture = decode_picture(encoded)
        except ImageError as error:
            faults.append(Fault(one, error.code, str(error)))
        else:
            found = answer(job, picture)
            answers += found
            ids += [one] * len(found)
    reasons = [one.pop("reason") for one in answers]
    columns = {name: [one[name] for one in answers] for name in (answers[0] if answers else ())}
    if job.task == "predict":
        probabilities = np.array(columns.get("probabilities", []), np.float32).reshape(-1, NUM_CLASSES)
        return _make_digits(job, ids, probabilities, reasons), faults
    return _make_table(job, ids, reasons, **columns), faults


def _read_one_digit(job: Job, picture: Picture) -> list[dict[str, Any]]:
    classifier = _load_classifier(job.classifier, job.precision)
    drawn = read_drawing(picture.luminance, classifier, _load_line_reader(job.line_reader, job.precision))
    return [{"probabilities": drawn.probabilities, "reason": drawn.reason}]


def _read_one_page(job: Job, picture: Picture) -> list[dict[str, Any]]:
    """Return a row for each line; one without a number if there is no line, which tells why."""
    reader = _load_page_reader(job.page_detector, job.line_reader, job.classifier, job.precision)
    page = read_page(picture.luminance, reader)
    if not page.lines:
        place = dict.fromkeys(("line", *_BOX, "angle"))
        return [{**place, "number": "", "confidence": 0.0, "reason": page.reason}]
    return [_describe_line(line, index, picture.scale) for index, line in enumerate(page.lines)]


def _describe_line(line: ReadLine, index: int, scale: int) -> dict[str, Any]:
    return {
        "line": index,
        "number": line.number,
        **{name: side * scale for name, side in zip(_BOX, line.box, strict=True)},
        "angle": line.angle,
        "confidence": line.confidence,
        "reason": None if line.accepted else "ambiguous",
    }


def _make_digits(
    job: Job, ids: Sequence[Id], probabilities: NDArray[np.float32], reasons: Sequence[str | None]
) -> pyarrow.Table:
    columns: dict[str, Any] = {"digit": probabilities.argmax(axis=1), "confidence": probabilities.max(axis=1)}
    if job.with_probabilities:
        flat = pyarrow.array(probabilities.ravel())
        columns["probabilities"] = pyarrow.FixedSizeListArray.from_arrays(flat, NUM_CLASSES)
    return _make_table(job, ids, reasons, **columns)


def _make_table(job: Job, ids: Sequence[Id], reason: Sequence[str | None], **columns: Any) -> pyarrow.Table:
    schema = make_schema(job)
    columns |= {
        "id": ids,
        "reason": reason,
        "accepted": [one is None for one in reason],
        "model": [_load_classifier(job.classifier, job.precision).artifact.version] * len(ids),
    }
    return pyarrow.table([pyarrow.array(columns[field.name], field.type) for field in schema], schema=schema)
