"""Keep a real server busy with requests of every kind, good and bad, and report what memory it holds.

    python -m benchmarks.serving.soak --minutes 10

It prints the resident memory once a minute, and ends with the growth from the end of the first minute to the last. A
fault of the service, a 5xx, a connection that is cut or a growth of more than 5 % ends it with 1.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from benchmarks import ROOT
from tests.service.server import JSON, Server, serve  # Beside the tests, which start it in the same way.

NUM_CLIENTS = 4
MOST_GROWTH = 0.05
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
_BYTES = {"Content-Type": "application/octet-stream"}
Request = tuple[str, str, bytes, dict[str, str]]


def make_picture(rng: random.Random) -> bytes:
    """Return a sheet with one to four of row_data.json's 1s, of any size and format."""
    row = json.loads((ROOT / "row_data.json").read_text())
    digit = 255 - np.array(list(row.values()), np.uint8).reshape(28, 28)
    scale = rng.choice([1, 4, 12, 30])
    line = np.hstack([digit] * rng.randint(1, 4))
    file = BytesIO()
    Image.fromarray(np.kron(line, np.ones((scale, scale), np.uint8))).save(file, rng.choice(_FORMATS))
    return file.getvalue()


def damage(body: bytes, rng: random.Random) -> bytes:
    """Return the body with bytes changed, and perhaps cut off."""
    damaged = bytearray(body)
    for _ in range(rng.randint(1, 5)):
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    return bytes(damaged[: rng.randrange(len(damaged))] if rng.random() < 0.5 else damaged)


def make_request(rng: random.Random) -> Request:
    """Return method, path, body and headers; one in four is damaged."""
    pixels = rng.randbytes(784 * rng.choice([1, 5, 40, 400]))
    row = (ROOT / "row_data.json").read_bytes()
    images = json.dumps({"images": [list(rng.randbytes(784)) for _ in range(rng.randint(1, 8))]}).encode()
    method, path, body, headers = rng.choice(
        [
            ("POST", "/predict", row, JSON),
            ("POST", "/predict/batch", images, JSON),
            ("POST", "/predict/batch", pixels, _BYTES),
            ("POST", "/predict/image", make_picture(rng), _BYTES),
            ("POST", "/read", make_picture(rng), _BYTES),
            ("GET", rng.choice(["/metrics", "/model", "/", f"/{rng.randrange(10**9)}"]), b"", {}),
        ]
    )
    return method, path, damage(body, rng) if body and rng.random() < 0.25 else body, headers


def keep_asking(server: Server, seed: int, is_over: Callable[[], bool]) -> Counter[int]:
    """Ask, one request after the other, and count the answers by status."""
    rng = random.Random(seed)
    counts: Counter[int] = Counter()
    while not is_over():
        counts[server.request(*make_request(rng)).status] += 1
    return counts


def read_memory(server: Server) -> float:
    """Return the resident memory in MiB."""
    return float(psutil.Process(server.process.pid).memory_info().rss / 2**20)


def soak(minutes: int) -> bool:
    """Return whether memory stayed flat and no request met a fault."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(Path(folder)) as server,
        ThreadPoolExecutor(NUM_CLIENTS) as clients,
    ):
        print(f"idle: {read_memory(server):.1f} MiB", flush=True)
        end = time.monotonic() + 60 * minutes
        asking = [
            clients.submit(keep_asking, server, seed, lambda: time.monotonic() >= end) for seed in range(NUM_CLIENTS)
        ]
        held = []
        for minute in range(1, minutes + 1):
            time.sleep(max(end - 60 * (minutes - minute) - time.monotonic(), 0))
            held.append(read_memory(server))
            print(f"after {minute} min: {held[-1]:.1f} MiB", flush=True)
        counts: Counter[int] = sum((one.result() for one in asking), Counter())
        growth = held[-1] / held[0] - 1
        print(f"{counts.total():,} requests, by status: {dict(sorted(counts.items()))}; growth {growth:+.1%}")
        return growth <= MOST_GROWTH and max(counts) < 500 and "Traceback" not in server.log


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=int, default=10)
    sys.exit(0 if soak(parser.parse_args().minutes) else 1)
