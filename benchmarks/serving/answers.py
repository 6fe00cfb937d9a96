"""Compare what the services of two checkouts answer.

Usage:
    python -m benchmarks.serving.answers path/to/a/checkout .

Both services run in this environment. Each is sent every test digit, alone and in batches, and, where `../shared` lies
beside the repository, every drawing and picture in it. Prints for each kind how many answers differ in their bytes, how
many in more than rounding, and by how much numbers differ at most. Exits with 1 if any answer differs in its bytes.
"""

import argparse
import http.client
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import local
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import ROOT
from benchmarks.reading.drawing_sets import PEN_DIGITS, Drawing, draw_strokes, read_pen_strokes
from benchmarks.reading.lines import CHEQUES, load_cheques
from benchmarks.reading.rejection import PEN_LETTERS
from digits.data.dataset import read_labelled_images
from digits.data.images import PIXEL_NAMES

PICTURES = ROOT.parent / "shared" / "pictures"
ROUNDING = 1e-4
_PEN = 0.1  # Of the canvas's height.
_START_LIMIT_SECONDS = 60
_IMAGES_IN_BATCH = 500
_CLIENTS = 4


@dataclass(frozen=True)
class Question:
    """One request."""

    kind: str
    path: str
    content_type: str
    body: bytes


@dataclass
class Differences:
    """Between the answers to one kind of question."""

    num_asked: int = 0
    num_bytes: int = 0
    num_beyond_rounding: int = 0
    largest: float = 0.0
    examples: list[tuple[bytes, bytes]] = field(default_factory=list)


def list_questions() -> Iterator[Question]:
    """Yield every request, always in the same order."""
    digits = read_labelled_images(ROOT / "data" / "test.csv.gz").images.reshape(-1, len(PIXEL_NAMES))
    for pixels in digits:
        row = json.dumps(dict(zip(PIXEL_NAMES, pixels.tolist(), strict=True))).encode()
        yield Question("test digits as JSON", "/predict", "application/json", row)
    for start in range(0, len(digits), _IMAGES_IN_BATCH):
        batch = digits[start : start + _IMAGES_IN_BATCH].tobytes()
        yield Question("test digits in batches", "/predict/batch", "application/octet-stream", batch)
    for kind, path in (("pen digits", PEN_DIGITS), ("pen letters", PEN_LETTERS)):
        for strokes in read_pen_strokes(path)[0] if path.exists() else []:
            yield Question(kind, "/predict/image", "image/png", _encode(draw_strokes(strokes, _PEN)))
    for drawing, _ in load_cheques() if CHEQUES.exists() else []:
        yield Question("cheque amounts", "/read", "image/png", _encode(drawing))
    for picture in sorted(path for path in PICTURES.glob("*/*") if path.is_file()):
        for path in ("/predict/image", "/read"):
            yield Question(f"pictures to {path}", path, "image/png", picture.read_bytes())


def _encode(drawing: Drawing) -> bytes:
    png = io.BytesIO()
    Image.fromarray(drawing).save(png, "PNG", compress_level=1)
    return png.getvalue()


@contextmanager
def serve(checkout: Path) -> Iterator[int]:
    """Serve a checkout with its own models, and yield the port."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DIGITS_")}
    options = ["app.predict:app", "--app-dir", "web_service", "--port", "0", "--no-access-log"]
    with tempfile.TemporaryDirectory() as folder, Path(folder, "log").open("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", *options],
            cwd=checkout,
            env={**environment, "PYTHONPATH": str(checkout.resolve())},
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
        try:
            yield _wait_until_ready(process, Path(folder, "log"))
        finally:
            process.terminate()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> int:
    end = time.monotonic() + _START_LIMIT_SECONDS
    while time.monotonic() < end and process.poll() is None:
        if found := re.search(r"running on http://127\.0\.0\.1:(\d+)", log.read_text()):
            connection = http.client.HTTPConnection("127.0.0.1", int(found[1]))
            connection.request("GET", "/readyz")
            if connection.getresponse().status == http.client.OK:
                return int(found[1])
        time.sleep(0.1)
    raise RuntimeError(f"The service did not start: {log.read_text()}")


def ask(port: int) -> Iterator[tuple[str, bytes]]:
    """Ask every question, and yield its kind with the status and the body of the answer."""
    kept = local()

    def ask_one(question: Question) -> tuple[str, bytes]:
        if not hasattr(kept, "connection"):
            kept.connection = http.client.HTTPConnection("127.0.0.1", port)
        kept.connection.request("POST", question.path, question.body, {"Content-Type": question.content_type})
        response = kept.connection.getresponse()
        return question.kind, f"{response.status} ".encode() + response.read()

    with ThreadPoolExecutor(_CLIENTS) as pool:
        yield from pool.map(ask_one, list_questions())


def compare(one: list[tuple[str, bytes]], other: list[tuple[str, bytes]]) -> dict[str, Differences]:
    """Compare the answers of two services, by kind."""
    found: dict[str, Differences] = {}
    for (kind, answer), (_, counterpart) in zip(one, other, strict=True):
        differences = found.setdefault(kind, Differences())
        differences.num_asked += 1
        if answer == counterpart:
            continue
        differences.num_bytes += 1
        largest = measure_difference(*(json.loads(text.partition(b" ")[2]) for text in (answer, counterpart)))
        if largest > ROUNDING:
            differences.num_beyond_rounding += 1
            differences.examples.append((answer, counterpart))
        differences.largest = max(differences.largest, largest)
    return found


def measure_difference(one: Any, other: Any) -> float:
    """Return by how much the numbers of two JSON values differ at most; infinity if anything else does."""
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other)
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return max((measure_difference(*pair) for pair in zip(one, other, strict=True)), default=0.0)
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return max((measure_difference(one[name], other[name]) for name in one), default=0.0)
    return 0.0 if one == other else float(np.inf)


def main() -> None:
    """Ask both services and print what differs."""
    parser = argparse.ArgumentParser(description="Compare what the services of two checkouts answer.")
    parser.add_argument("checkouts", type=Path, nargs=2)
    answers = []
    for checkout in parser.parse_args().checkouts:
        with serve(checkout) as port:
            answers.append(list(ask(port)))
    found = compare(*answers)
    print("| of | answers | other bytes | beyond rounding | largest difference |\n| --- | ---: | ---: | ---: | ---: |")
    for kind, one in found.items():
        print(f"| {kind} | {one.num_asked:,} | {one.num_bytes:,} | {one.num_beyond_rounding:,} | {one.largest:.2g} |")
    for kind, one in found.items():
        for answer, counterpart in one.examples[:3]:
            print(f"{kind}:\n  {answer[:300]!r}\n  {counterpart[:300]!r}")
    sys.exit(any(one.num_bytes for one in found.values()))


if __name__ == "__main__":
    main()
