"""Keep a real server busy with requests of every kind, good and bad, and report whether it went wrong, and its memory.

    python -m benchmarks.serving.soak                   ten minutes
    python -m benchmarks.serving.soak --seconds 60

A failure is a status of 500 or any other that is not meant, a connection that is cut, a known digit that is read
wrong, an answer later than promised, or a traceback in the log. A request that is refused because others are served
first (429, or 503 with a code and `Retry-After`) is no failure, and is counted apart. A failure ends it with 1, and so
does memory that grows by more than 5 % from the end of the first minute to the end.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPException
from io import BytesIO
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from benchmarks import ROOT
from benchmarks.serving.attack import ALLOCATOR
from digits.synthesis.sample_page import LINES
from tests.service.server import JSON, Answer, Server, serve  # Beside the tests, which start it in the same way.

NUM_CLIENTS = 4
MOST_GROWTH = 0.05
MOST_SECONDS = {"/predict/batch": 10.0, "/predict/image": 10.0, "/read": 10.0}
"""By then an answer is promised: `DIGITS_MAX_WAIT_SECONDS` and as long again for computing it."""

MOST_SECONDS_ELSEWHERE = 5.0
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
_BYTES = {"Content-Type": "application/octet-stream"}
_MEANT = frozenset({200, 400, 404, 413, 415, 422})


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        expected: What the answer must hold, if it is 200; nothing for a request whose digits are not known.
    """

    method: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    expected: dict[str, object] = field(default_factory=dict)


@dataclass
class Tally:
    """What the clients saw.

    Attributes:
        statuses: How often each status came.
        refusals: How often each code of an honest refusal came.
        failures: How often each kind of failure came.
        seconds: For each route how long each answer took, refusals left out.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, request: Request, answer: Answer, seconds: float) -> None:
        """Count an answer."""
        self.statuses[answer.status] += 1
        if answer.status in (429, 503) and (code := find_refusal(answer)) is not None:
            self.refusals[code] += 1
        else:
            self.seconds[request.path].append(seconds)
            if answer.status not in _MEANT:
                self.failures[f"{answer.status} of {request.path}"] += 1
            elif request.expected and not is_right(request, answer):
                self.failures[f"wrong digits of {request.path}"] += 1
        if seconds > MOST_SECONDS.get(request.path, MOST_SECONDS_ELSEWHERE):
            self.failures[f"late answer of {request.path}"] += 1


def find_refusal(answer: Answer) -> str | None:
    """Return the code of an honest refusal, which says how long to wait; None if it is none."""
    wait = answer.headers["retry-after"] or ""
    return str(answer.error["code"]) if wait.isdecimal() and int(wait) >= 1 else None


def is_right(request: Request, answer: Answer) -> bool:
    """Return whether the answer holds the digits that the request shows."""
    return answer.status == 200 and request.expected.items() <= answer.json.items()


def make_picture(rng: random.Random, num_lines: int, num_digits: int) -> bytes:
    """Return a sheet with lines of row_data.json's 1s, of any size and format."""
    row = json.loads((ROOT / "row_data.json").read_text())
    digit = 255 - np.array(list(row.values()), np.uint8).reshape(28, 28)
    sheet = np.pad(np.tile(digit, (num_lines, num_digits)), 28, constant_values=255)
    scale = rng.choice([1, 4, 12])
    file = BytesIO()
    Image.fromarray(np.kron(sheet, np.ones((scale, scale), np.uint8))).save(file, rng.choice(_FORMATS))
    return file.getvalue()


def make_page(rng: random.Random) -> Request:
    """Return a page for /read: the sample page, or a sheet of up to five lines."""
    if rng.random() < 0.2:
        sample = (ROOT / "web_service/app/static/sample.webp").read_bytes()
        return Request("POST", "/read", sample, _BYTES, {"number": "\n".join(line[-1] for line in LINES)})
    num_lines, num_digits = rng.randint(1, 5), rng.randint(1, 4)
    number = "\n".join(["1" * num_digits] * num_lines)
    return Request("POST", "/read", make_picture(rng, num_lines, num_digits), _BYTES, {"number": number})


def damage(body: bytes, rng: random.Random) -> bytes:
    """Return the body with bytes changed, and perhaps cut off."""
    damaged = bytearray(body)
    for _ in range(rng.randint(1, 5)):
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    return bytes(damaged[: rng.randrange(len(damaged))] if rng.random() < 0.5 else damaged)


def make_request(rng: random.Random) -> Request:
    """Return a request; one in four is damaged."""
    one = {"digit": 1}
    kinds: list[Callable[[], Request]] = [
        lambda: Request("POST", "/predict", (ROOT / "row_data.json").read_bytes(), JSON, one),
        lambda: Request("POST", "/predict/batch", make_batch(rng), JSON),
        lambda: Request("POST", "/predict/batch", rng.randbytes(784 * rng.choice([1, 5, 40, 400])), _BYTES),
        lambda: Request("POST", "/predict/image", make_picture(rng, 1, 1), _BYTES, one),
        lambda: make_page(rng),
        lambda: Request("GET", rng.choice(["/metrics", "/model", "/", "/openapi.json", f"/{rng.randrange(10**9)}"])),
    ]
    request = rng.choice(kinds)()
    if request.body and rng.random() < 0.25:
        return Request(request.method, request.path, damage(request.body, rng), request.headers)
    return request


def make_batch(rng: random.Random) -> bytes:
    """Return up to eight images of noise as JSON."""
    return json.dumps({"images": [list(rng.randbytes(784)) for _ in range(rng.randint(1, 8))]}).encode()


def keep_asking(server: Server, seed: int, is_over: Callable[[], bool]) -> Tally:
    """Ask, one request after the other, and count the answers."""
    rng = random.Random(seed)
    tally = Tally()
    while not is_over():
        request = make_request(rng)
        started = time.monotonic()
        try:
            answer = server.request(request.method, request.path, request.body, request.headers)
        except (OSError, HTTPException) as error:
            tally.failures[f"{type(error).__name__} of {request.path}"] += 1
        else:
            tally.add(request, answer, time.monotonic() - started)
    return tally


def join(tallies: Sequence[Tally]) -> Tally:
    """Return what all clients saw together."""
    together = Tally()
    for tally in tallies:
        together.statuses += tally.statuses
        together.refusals += tally.refusals
        together.failures += tally.failures
        for path, seconds in tally.seconds.items():
            route = path if not path[1:].isdecimal() else "an unknown path"
            together.seconds[route] += seconds
    return together


def read_memory(server: Server) -> float:
    """Return the resident memory in MiB."""
    return float(psutil.Process(server.process.pid).memory_info().rss / 2**20)


def describe(tally: Tally, start: float, held: Sequence[float]) -> str:
    """Return the report in Markdown; the memory is that at the start, after one minute, and each minute after it."""
    lines = [
        f"requests: {tally.statuses.total():,}, by status: {dict(sorted(tally.statuses.items()))}",
        f"failures: {tally.failures.total():,} {dict(tally.failures) or ''}",
        f"honest refusals: {tally.refusals.total():,} {dict(tally.refusals) or ''}",
        f"resident: {start:.1f} MiB at the start, {held[0]:.1f} after a minute, {held[-1]:.1f} at the end",
        "\n| route | answers | p50, ms | p99, ms | longest, ms |\n| --- | ---: | ---: | ---: | ---: |",
    ]
    for route, seconds in sorted(tally.seconds.items()):
        times = (f"{1000 * np.percentile(seconds, share):,.0f}" for share in (50, 99, 100))
        lines.append(f"| {route} | {len(seconds):,} | {' | '.join(times)} |")
    return "\n".join(lines)


def soak(seconds: float) -> bool:
    """Return whether memory stayed flat and nothing failed."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(Path(folder), **ALLOCATOR) as server,
        ThreadPoolExecutor(NUM_CLIENTS) as clients,
    ):
        start, begin = read_memory(server), time.monotonic()
        end = begin + seconds
        asking = [
            clients.submit(keep_asking, server, seed, lambda: time.monotonic() >= end) for seed in range(NUM_CLIENTS)
        ]
        held: list[float] = []
        while not held or time.monotonic() < end:
            time.sleep(max(min(begin + 60 * (len(held) + 1), end) - time.monotonic(), 0))
            held.append(read_memory(server))
            print(f"after {time.monotonic() - begin:.0f} s: {held[-1]:.1f} MiB", file=sys.stderr, flush=True)
        tally = join([one.result() for one in asking])
        if num_tracebacks := server.log.count("Traceback"):
            tally.failures["traceback in the log"] = num_tracebacks
        print(describe(tally, start, held))
        return held[-1] / held[0] - 1 <= MOST_GROWTH and not tally.failures.total()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600)
    sys.exit(0 if soak(parser.parse_args().seconds) else 1)
