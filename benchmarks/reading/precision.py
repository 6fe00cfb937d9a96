"""Read every set with the graphs for floats and with those for 8-bit integers, in one run.

Usage:
    python -m benchmarks.reading.precision               # writes benchmarks/reading/precision.csv, an hour or so
    python -m benchmarks.reading.precision --step 10     # every tenth picture; writes nothing
    python -m benchmarks.reading.precision --only speed  # the networks' processor time; writes nothing

A network whose file has no graph for int8 reads by floats both times. `lost` are right with floats alone, `won` with
int8 alone. Nothing was chosen by these sets. Pictures and drawings lie outside of the repository, in ../shared; without
them their rows are left out.
"""

import argparse
import csv
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import ROOT
from benchmarks.networks import PAGES, SHIPPED, Networks, load_networks
from benchmarks.reading.drawing_sets import PEN_DIGITS, draw_strokes, read_pen_strokes
from benchmarks.reading.pages import PICTURES, Reading, list_questions, score
from benchmarks.reading.rejection import (
    FASHION,
    LETTERS,
    PEN,
    SHIRTS,
    TEST,
    Verdicts,
    draw_all,
    measure_auroc,
    read_fashion,
    read_letters,
    reject_images,
)
from benchmarks.results import write_rows
from digits.data.dataset import read_labelled_images
from digits.data.image_file import decode_picture
from digits.data.images import make_batch
from digits.inference.digit_reader import read_drawing
from digits.inference.onnx_session import Predict
from digits.inference.page_reader import read_page
from digits.inference.precision import Precision, Served

RESULTS = ROOT / "benchmarks/reading/precision.csv"
BOTH: tuple[Served, ...] = ("fp32", "int8")
Drawing = NDArray[np.uint8]
SHAPES: tuple[tuple[str, tuple[int, int, int]], ...] = (
    ("classifier", (1, 28, 28)),
    ("classifier", (16, 28, 28)),
    ("acceptance", (1, 28, 28)),
    ("acceptance", (16, 28, 28)),
    ("lines", (1, 32, 96)),
    ("lines", (1, 32, 224)),
    ("pages", (1, 768, 512)),
)
"""What is timed: how many at once, height and width."""
TIMED_SECONDS = 4


@dataclass(frozen=True)
class Options:
    """What is read, and with which page network."""

    step: int
    pages: Path
    only: str


def read_digit(drawing: Drawing, precision: Precision, pages: Path) -> int:
    """Read one digit as `/predict/image` does."""
    networks = load_networks(SHIPPED, precision, pages)
    return int(read_drawing(drawing, networks.classifier, networks.line_reader).probabilities.argmax())


def read_lines(drawing: Drawing, precision: Precision, pages: Path) -> Reading:
    """Read a page as `/read` does."""
    lines = read_page(drawing, load_networks(SHIPPED, precision, pages).page_reader).lines
    return Reading([line.number for line in lines], [line.accepted for line in lines])


def compare(row: str, expected: list[bool], found: list[bool]) -> dict[str, object]:
    """Return a row: what floats read right, and int8."""
    pairs = list(zip(expected, found, strict=True))
    return {
        "row": row,
        "num": len(pairs),
        "right_in_fp32": sum(expected),
        "right_in_int8": sum(found),
        "lost": sum(before and not after for before, after in pairs),
        "won": sum(after and not before for before, after in pairs),
    }


def list_drawings(options: Options) -> Iterator[tuple[str, list[Drawing], list[int]]]:
    """Yield the sets of single digits."""
    if PICTURES.exists():
        with (PICTURES / "truth.csv").open(newline="", encoding="utf-8") as file:
            pictures = list(csv.DictReader(file))
        for kind, row in (("exam", "exam digits"), ("single", "single digits from elsewhere")):
            chosen = [one for one in pictures if one["kind"] == kind][:: options.step]
            drawings = [decode_picture((PICTURES / one["picture"]).read_bytes()).luminance for one in chosen]
            yield row, drawings, [int(one["truth"]) for one in chosen]
    if PEN_DIGITS.exists():
        strokes, labels = read_pen_strokes()
        chosen_strokes = strokes[:: options.step]
        for pen in (0.06, 0.10, 0.14):
            drawings = [draw_strokes(one, pen) for one in chosen_strokes]
            yield f"pen digits, pen of {pen:.0%}", drawings, labels[:: options.step].astype(int).tolist()


def compare_rows(options: Options) -> Iterator[dict[str, object]]:
    """Read the test digits as rows, with the classifier alone."""
    digits = read_labelled_images(ROOT / "data/test.csv.gz").take(slice(None, None, options.step))
    right = []
    for precision in BOTH:
        classifier = load_networks(SHIPPED, precision, options.pages).classifier
        parts = np.array_split(make_batch(digits.images), len(digits) // 100 + 1)
        answers = np.concatenate([classifier.predict(part).argmax(axis=1) for part in parts])
        right.append((answers == digits.labels).tolist())
    yield compare("test digits as rows", *right)


def compare_drawings(options: Options) -> Iterator[dict[str, object]]:
    """Read the sets of single digits."""
    for row, drawings, labels in list_drawings(options):
        found = [read_all(read_digit, drawings, precision, options) for precision in BOTH]
        yield compare(row, *([one == label for one, label in zip(read, labels, strict=True)] for read in found))


def compare_pages(options: Options) -> Iterator[dict[str, object]]:
    """Read lines, amounts and pages."""
    questions = list(list_questions(training=False))
    for name in dict.fromkeys(one.name for one in questions):
        if name.startswith("made-up") or "test digits" in name:
            continue
        asked = [one for one in questions if one.name == name]
        asked = asked[:: options.step] if len(asked) > 100 else asked
        right = []
        for precision in BOTH:
            readings = read_all(read_lines, [one.drawing for one in asked], precision, options)
            pairs = zip(asked, readings, strict=True)
            right.append([bool(score([one], [read], "")[0]["num_right"]) for one, read in pairs])
        yield compare(name, *right)


def compare_refusals(options: Options) -> Iterator[dict[str, object]]:
    """Measure how well digits are told from what is none: the AUROC in percent, in the place of right answers."""
    if not PEN_DIGITS.exists():
        return
    images = {
        TEST: read_labelled_images(ROOT / "data/test.csv.gz").images[:: options.step],
        PEN: draw_all(read_pen_strokes()[0][:: options.step]),
        LETTERS: draw_all(read_letters()[:: options.step]),
    }
    if FASHION.is_file():
        images[SHIRTS] = read_fashion()[:: options.step]
    verdicts: list[dict[str, Verdicts]] = [
        {name: reject_images(load_networks(SHIPPED, precision, options.pages), part) for name, part in images.items()}
        for precision in BOTH
    ]
    for digits in (TEST, PEN):
        for others in [name for name in (LETTERS, SHIRTS) if name in images]:
            fp32, int8 = (f"{100 * measure_auroc(one[digits], one[others]):.3f}" for one in verdicts)
            row = compare(f"AUROC, {digits} against {others} (%)", [], [])
            yield {
                **row,
                "num": len(images[digits]) + len(images[others]),
                "right_in_fp32": fp32,
                "right_in_int8": int8,
            }
    for name in images:
        fp32, int8 = (one[name].is_accepted for one in verdicts)
        yield compare(f"accepted: {name}", fp32.tolist(), int8.tolist())


def compare_speed(options: Options) -> Iterator[dict[str, object]]:
    """Time each network on one thread, both graphs in turn: the median processor time of a call, in µs."""
    fp32, int8 = (load_networks(SHIPPED, precision, options.pages) for precision in BOTH)
    pairs: dict[str, tuple[Predict | None, Predict | None]] = {
        "classifier": (fp32.classifier.compute_probabilities, int8.classifier.compute_probabilities),
        "acceptance": (fp32.classifier.compute_acceptance, int8.classifier.compute_acceptance),
        "lines": (fp32.line_reader.compute, int8.line_reader.compute),
        "pages": (fp32.page_reader.detector.compute, int8.page_reader.detector.compute),
    }
    for name, shape in SHAPES:
        batch = np.random.default_rng(0).random((*shape, 1), np.float32)
        times = [list[float](), list[float]()]
        end = perf_counter() + TIMED_SECONDS
        while perf_counter() < end:
            for compute, found in zip(pairs[name], times, strict=True):
                if compute is not None:
                    start = process_time()
                    compute(batch)
                    found.append(process_time() - start)
        slow, fast = (float(np.median(found[3:])) * 1e6 for found in times)
        row = {"fp32_us": round(slow), "int8_us": round(fast), "times_as_fast": round(slow / fast, 2)}
        yield {"row": f"{name}, {' x '.join(map(str, shape))}", **row}


def read_all(read: Callable[..., Any], drawings: list[Drawing], precision: Served, options: Options) -> list[Any]:
    """Read all, two at a time."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        return list(pool.map(partial(read, precision=precision, pages=options.pages), drawings, chunksize=10))


def main() -> None:
    """Read the command line, compare, print and write."""
    parser = argparse.ArgumentParser(description="Compare the graphs for floats with those for 8-bit integers.")
    parser.add_argument("--step", type=int, default=1, help="take every so manyth picture; then nothing is written")
    parser.add_argument("--pages", type=Path, default=PAGES, help="the page network's file")
    parser.add_argument("--only", default="", choices=["", "speed", "rows", "drawings", "pages", "refusals"])
    options = Options(**vars(parser.parse_args()))
    networks: Networks = load_networks(SHIPPED, "int8", options.pages)
    readers = networks.classifier, networks.line_reader, networks.page_reader.detector
    version = "+".join(one.artifact.version for one in readers)
    print(", ".join(f"{one.artifact.path.name}: {one.precision}" for one in readers))
    parts = {
        "speed": compare_speed,
        "rows": compare_rows,
        "drawings": compare_drawings,
        "refusals": compare_refusals,
        "pages": compare_pages,
    }
    rows = []
    for name, make in parts.items():
        for row in make(options) if options.only in ("", name) else ():
            if name != "speed":
                rows.append({**row, "model": version})
            print("  ".join(f"{column} {value}" for column, value in row.items()), flush=True)
    if options.step == 1 and not options.only:
        write_rows(RESULTS, rows)


if __name__ == "__main__":
    main()
