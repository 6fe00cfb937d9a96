"""Read pages: made up of test digits, photographed ones, forms and sloping lines; writes benchmarks/reading/pages.csv.

Usage:
    python -m benchmarks.reading.pages               # measure, and print the table
    python -m benchmarks.reading.pages --peers       # pages of Tesseract and RapidOCR, too, where they are installed
    python -m benchmarks.reading.pages --training    # made-up pages of training digits, to choose by; writes nothing

The photographed pages lie outside of the repository, in ../shared/pictures; without them their rows are left out. They
are for measuring only, and nothing was trained on them.
"""

import argparse
import csv
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from multiprocessing import get_context
from shutil import which
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks import ROOT
from benchmarks.networks import load_networks
from benchmarks.reading.handwriting import compose_amounts
from benchmarks.reading.lines import AMOUNTS, CHEQUES, STYLES, compose_lines, load_cheques
from benchmarks.reading.page_photos import NUM_PAGES, PAGE_STYLES, compose_photos
from benchmarks.results import write_rows
from digits.data.dataset import LabelledImages, read_labelled_images
from digits.data.image_file import decode_picture
from digits.inference.page_reader import read_page

RESULTS = ROOT / "benchmarks/reading/pages.csv"
PICTURES = ROOT.parent / "shared" / "pictures"
NUM_LINES = 100
_DEGREES = (2, 4, 6, 8, 10)
_LONG = 8  # Lines of so many digits are turned.
_MOST_STRANGERS = 3  # On a sheet of scattered digits, so many more may be found.
_KINDS = {"page": "photographed pages", "scatter": "sheets of scattered digits", "line": "photographed lines"}
CELLS = "nine boxes of a form"
CHEQUE_AMOUNTS = "cheque amounts"
_OWN = {AMOUNTS, CHEQUE_AMOUNTS, *(style.name for style in STYLES)}  # What only this project reads here.
TURNED = "lines of 8 and more digits that are read right, turned by 2 to 10 degrees"


@dataclass(frozen=True)
class Question:
    """A picture and what stands there.

    Attributes:
        name: The set.
        drawing: uint8 `(height, width)`, luminance.
        numbers: From top to bottom.
        is_by_line: Each line counts, and not the whole picture.
        is_scattered: The order does not matter.
    """

    name: str
    drawing: NDArray[np.uint8]
    numbers: list[str]
    is_by_line: bool = False
    is_scattered: bool = False


@dataclass(frozen=True)
class Reading:
    """What a reader found: numbers from top to bottom, and which of them it would rely on."""

    numbers: list[str]
    accepted: list[bool]
    seconds: float = 0.0


def read_here(drawing: NDArray[np.uint8]) -> Reading:
    """Read as the service does."""
    start = perf_counter()
    lines = read_page(drawing, load_networks().page_reader).lines
    return Reading([line.number for line in lines], [line.accepted for line in lines], perf_counter() - start)


def read_with_tesseract(drawing: NDArray[np.uint8]) -> Reading:
    """Read with Tesseract, which is told that there are digits only."""
    stored = BytesIO()
    Image.fromarray(drawing).save(stored, "PNG")
    start = perf_counter()
    command = ["tesseract", "-", "-", "--psm", "6", "-c", "tessedit_char_whitelist=0123456789"]
    printed = subprocess.run(command, input=stored.getvalue(), capture_output=True, check=True).stdout.decode()
    return _keep_digits(printed.splitlines(), perf_counter() - start)


def read_with_rapidocr(drawing: NDArray[np.uint8]) -> Reading:
    """Read with RapidOCR; boxes at one height are one line."""
    start = perf_counter()
    found, _ = _load_rapidocr()(np.repeat(drawing[..., None], 3, axis=2))
    rows: list[tuple[float, list[tuple[float, str]]]] = []
    for corners, text, _ in sorted(found or [], key=lambda one: float(np.mean(np.array(one[0])[:, 1]))):
        box = np.array(corners)
        middle, height = float(box[:, 1].mean()), float(np.ptp(box[:, 1]))
        if not rows or middle - rows[-1][0] > height / 2:
            rows.append((middle, []))
        rows[-1][1].append((float(box[:, 0].min()), text))
    return _keep_digits(["".join(text for _, text in sorted(row)) for _, row in rows], perf_counter() - start)


@cache
def _load_rapidocr() -> Callable[..., tuple[list[tuple[object, str, float]] | None, object]]:
    from rapidocr_onnxruntime import RapidOCR  # A peer, which need not be installed.

    reader: Callable[..., tuple[list[tuple[object, str, float]] | None, object]] = RapidOCR()
    return reader


def _keep_digits(texts: list[str], seconds: float) -> Reading:
    numbers = [number for text in texts if (number := re.sub(r"\D", "", text))]
    return Reading(numbers, [True] * len(numbers), seconds)


READERS: dict[str, Callable[[NDArray[np.uint8]], Reading]] = {
    "this project": read_here,
    "Tesseract": read_with_tesseract,
    "RapidOCR": read_with_rapidocr,
}


def list_questions(training: bool) -> Iterator[Question]:
    """Yield all pictures."""
    digits = read_labelled_images(ROOT / "data" / ("train.csv.gz" if training else "test.csv.gz"))
    seed = 2 if training else 1
    yield from _list_made_up(digits, seed)
    if not training:
        yield from _list_photographed()


def _list_made_up(digits: LabelledImages, seed: int) -> Iterator[Question]:
    for style in PAGE_STYLES:
        for drawing, numbers in compose_photos(digits, style, NUM_PAGES, seed):
            yield Question(f"{style.name}: lines", drawing, numbers, is_by_line=True)
    for line_style in STYLES:
        for drawing, number in compose_lines(digits, line_style, seed):
            yield Question(line_style.name, drawing, [number])
    for drawing, number in compose_amounts(digits, NUM_LINES, seed):
        yield Question(AMOUNTS, drawing, [number])


def _list_photographed() -> Iterator[Question]:
    if CHEQUES.exists():
        yield from (Question(CHEQUE_AMOUNTS, drawing, [number]) for drawing, number in load_cheques())
    if not PICTURES.exists():
        return
    with (PICTURES / "truth.csv").open(newline="", encoding="utf-8") as file:
        for one in csv.DictReader(file):
            if name := _KINDS.get(one["kind"]):
                drawing = decode_picture((PICTURES / one["picture"]).read_bytes()).luminance
                is_scattered = one["kind"] == "scatter"
                numbers = [one["truth"]] if is_scattered else one["truth"].split("/")
                yield Question(name, drawing, numbers, is_scattered=is_scattered)
    truth = re.findall(r"\b\d{9}\b", (PICTURES / "README.md").read_text(encoding="utf-8"))
    for path, number in zip(sorted((PICTURES / "cells").iterdir()), truth, strict=True):
        yield Question(CELLS, decode_picture(path.read_bytes()).luminance, [number])


def turn_right_lines(questions: list[Question], readings: list[Reading]) -> Iterator[Question]:
    """Yield the long lines and cells that are read right, turned."""
    for question, reading in zip(questions, readings, strict=True):
        is_line = question.name == _KINDS["line"] or question.name == CELLS
        if not is_line or len(question.numbers[0]) < _LONG or reading.numbers != question.numbers:
            continue
        border = np.concatenate([question.drawing[0], question.drawing[-1]])
        for degrees in _DEGREES:
            turned = Image.fromarray(question.drawing).rotate(
                degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=int(np.median(border))
            )
            yield Question(TURNED, np.asarray(turned), question.numbers)


def score(questions: list[Question], readings: list[Reading], reader: str) -> list[dict[str, object]]:
    """Return a row for each set."""
    right: dict[str, list[bool]] = {}
    for question, reading in zip(questions, readings, strict=True):
        right.setdefault(question.name, []).extend(_compare(question, reading))
    return [_make_row(name, found, reader) for name, found in right.items()]


def score_acceptance(questions: list[Question], readings: list[Reading]) -> list[dict[str, object]]:
    """Return how many of the right lines are accepted, and how many of the wrong ones are not."""
    accepted_right: list[bool] = []
    refused_wrong: list[bool] = []
    for question, reading in zip(questions, readings, strict=True):
        if question.is_scattered:
            continue
        for number, accepted in zip(reading.numbers, reading.accepted, strict=True):
            if number in question.numbers:
                accepted_right.append(accepted)
            else:
                refused_wrong.append(not accepted)
    rows = {"right lines that are accepted": accepted_right, "wrong lines that are not accepted": refused_wrong}
    return [_make_row(name, found, "this project") for name, found in rows.items()]


def _compare(question: Question, reading: Reading) -> list[bool]:
    if question.is_scattered:
        expected, found = Counter(question.numbers[0]), Counter("".join(reading.numbers))
        return [not expected - found and (found - expected).total() <= _MOST_STRANGERS]
    if question.is_by_line:
        return [number in reading.numbers for number in question.numbers]
    return [question.numbers == reading.numbers]


def _make_row(name: str, right: list[bool], reader: str) -> dict[str, object]:
    percent = round(100 * sum(right) / len(right), 2) if right else 0.0
    model = load_networks().version if reader == "this project" else ""
    return {
        "row": name,
        "reader": reader,
        "num": len(right),
        "num_right": sum(right),
        "right_percent": percent,
        "model": model,
    }


def read_all(read: Callable[[NDArray[np.uint8]], Reading], questions: list[Question]) -> list[Reading]:
    """Read all pictures, two at a time."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        return list(pool.map(read, [one.drawing for one in questions], chunksize=4))


def measure(training: bool, peers: bool) -> list[dict[str, object]]:
    """Read all sets."""
    questions = list(list_questions(training))
    rows = []
    for name, read in READERS.items():
        is_own = name == "this project"
        if not is_own and not (peers and _is_installed(name)):
            continue
        # The many pictures of one line would take the others an hour.
        asked = questions if is_own else [one for one in questions if one.name not in _OWN]
        readings = read_all(read, asked)
        rows += score(asked, readings, name)
        if is_own:
            rows += score_acceptance(questions, readings)
            if turned := list(turn_right_lines(questions, readings)):
                rows += score(turned, read_all(read, turned), name)
        print(f"{name}: {np.median([one.seconds for one in readings]):.3f} s a picture (median)")
    return rows


def _is_installed(name: str) -> bool:
    if name == "Tesseract":
        return which("tesseract") is not None
    try:
        _load_rapidocr()
    except ImportError:
        return False
    return True


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description="Measure the reading of pages.")
    parser.add_argument("--training", action="store_true", help="of training digits, to choose by; writes nothing")
    parser.add_argument("--peers", action="store_true", help="read with Tesseract and RapidOCR, too")
    arguments = parser.parse_args()
    rows = measure(arguments.training, arguments.peers)
    if not arguments.training:
        write_rows(RESULTS, rows)
    for row in rows:
        counts = f"{row['num_right']:>5} of {row['num']:>5}  {row['right_percent']:6.2f} %"
        print(f"{row['row']:75} {row['reader']:13} {counts}")


if __name__ == "__main__":
    main()
