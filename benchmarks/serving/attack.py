"""Attack a service of one's own, started here on the loopback address, and report what well-behaved clients notice.

    python -m benchmarks.serving.attack                 about a minute
    python -m benchmarks.serving.attack --seconds 20    longer

Each attack goes on for some seconds. Beside it one client asks for /readyz and one posts a digit to /predict, one
request after the other. An attack is held off if memory stays below the pod's limit, if both clients are answered
throughout, the former within the probe's time limit, and if no fault is logged.
"""

import argparse
import re
import socket
import struct
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import ROOT
from tests.service.server import JSON, Server, serve  # Beside the tests, which start it in the same way.

MOST_MEBIBYTES = 384
"""What a pod may hold (kube-config/gateway-deployment.yaml)."""

PROBE_SECONDS = 2.0
"""How long a readiness probe waits."""

TOO_SLOW = "readiness too slow"

ALLOCATOR = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "1048576",
    "MALLOC_TRIM_THRESHOLD_": "1048576",
}
"""As in the image."""

# With time limits that the shortest attacks pass.
ENVIRONMENT = {
    **ALLOCATOR,
    "DIGITS_WRITE_SECONDS": "1",
    "DIGITS_REQUEST_SECONDS": "2",
}
_BYTES = {"Content-Type": "application/octet-stream"}
_ROW = (ROOT / "row_data.json").read_bytes()
_POST = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
_GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"

IsOver = Callable[[], bool]
Attack = Callable[[Server, IsOver], Counter[str]]
"""Attacks until it is over, and counts the answers."""


@dataclass
class Clients:
    """What the two well-behaved clients saw.

    Attributes:
        seconds: For each path how long each answer took.
        statuses: How often each status came on each path; 0 for none.
    """

    seconds: dict[str, list[float]] = field(default_factory=lambda: {"/readyz": [], "/predict": []})
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)

    def measure_slowest(self, path: str) -> float:
        """Return the 99th percentile of the seconds."""
        return float(np.percentile(self.seconds[path], 99))


@dataclass(frozen=True)
class Outcome:
    """One row of the table."""

    name: str
    answers: Counter[str]
    mebibytes: float
    clients: Clients
    has_fault: bool

    def list_faults(self) -> list[str]:
        """Return why the attack was not held off; nothing if it was."""
        unanswered = sum(number for (_, status), number in self.clients.statuses.items() if status not in (200, 503))
        is_ready = any(path == "/readyz" and status == 200 for path, status in self.clients.statuses)
        faults = {
            f"more than {MOST_MEBIBYTES} MiB": self.mebibytes > MOST_MEBIBYTES,
            f"{unanswered} requests beside it unanswered": unanswered > 0,
            TOO_SLOW: self.clients.measure_slowest("/readyz") > PROBE_SECONDS,
            "never ready": not is_ready,
            "a fault in the log": self.has_fault,
            "answered 500": "500" in self.answers,
        }
        return [name for name, is_so in faults.items() if is_so]


def connect(server: Server) -> socket.socket:
    """Open a connection to the loopback address, and to no other."""
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def read_status(connection: socket.socket) -> str:
    """Return the status of the next answer, or how the connection ended."""
    try:
        return connection.recv(65536)[9:12].decode() or "closed"
    except OSError as error:
        return type(error).__name__


def flood(beginning: bytes, repeated: bytes, num_bytes: int = 30_000_000) -> Attack:
    """Send without end what a parser keeps, on one connection after another."""
    part = repeated * (65536 // len(repeated))

    def attack(server: Server, is_over: IsOver) -> Counter[str]:
        answers: Counter[str] = Counter()
        while not is_over():
            with connect(server) as connection, suppress(OSError):
                connection.sendall(beginning)
                for _ in range(num_bytes // len(part)):
                    connection.sendall(part)
            with connect(server) as connection, suppress(OSError):
                # Once more and little, to see the answer.
                connection.sendall(beginning + part * 2)
                answers[read_status(connection)] += 1
        return answers

    return attack


def hold(request: bytes, number: int, reads: bool = True) -> Attack:
    """Hold many connections open, each with the same bytes."""

    def attack(server: Server, is_over: IsOver) -> Counter[str]:
        answers: Counter[str] = Counter()
        with ExitStack() as stack:
            held = [stack.enter_context(connect(server)) for _ in range(number)]
            for connection in held:
                connection.setblocking(False)
                with suppress(OSError):
                    connection.send(request)
            while not is_over():
                time.sleep(0.05)
            for connection in held if reads else ():
                answers[read_status(connection)] += 1
        return answers

    return attack


def post(path: str, body: bytes, content_type: str, num_clients: int) -> Attack:
    """Post the same body from many clients, one request after the other."""

    def attack(server: Server, is_over: IsOver) -> Counter[str]:
        answers: Counter[str] = Counter()

        def ask() -> None:
            while not is_over():
                with suppress(OSError, HTTPException):
                    status = server.request("POST", path, body, {"Content-Type": content_type}).status
                    answers[str(status)] += 1

        run_together([ask] * num_clients)
        return answers

    return attack


def smuggle(server: Server, is_over: IsOver) -> Counter[str]:
    """Hide a request in the body of one that wants an upgrade, and count the answers that come for both."""
    hidden = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
    head = _POST + b"Connection: Upgrade, close\r\nUpgrade: h2c\r\nContent-Length: %d\r\n\r\n" % len(hidden)
    answers: Counter[str] = Counter()
    while not is_over():
        with connect(server) as connection:
            connection.sendall(head)
            time.sleep(0.01)
            connection.sendall(hidden)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
            answers["500" if answer.count(b"HTTP/1.1 ") != 1 else answer[9:12].decode()] += 1
    return answers


def run_together(tasks: list[Callable[[], None]]) -> None:
    """Run each task in a thread of its own, and wait for all."""
    threads = [threading.Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def fill(beginning: bytes, repeated: bytes, end: bytes, num_bytes: int = 16_000_000) -> bytes:
    """Return a body of about so many bytes."""
    return beginning + repeated * ((num_bytes - len(beginning) - len(end)) // len(repeated)) + end


def write_picture(kind: str, size: int = 28, **options: object) -> bytes:
    """Return a white picture."""
    file = BytesIO()
    Image.new("L", (size, size), 255).save(file, kind, **options)
    return file.getvalue()


def write_texts(number: int) -> bytes:
    """Return a PNG with so many pieces of text."""
    chunks = []
    for index in range(number):
        content = b"k%d\0v" % index
        chunks.append(struct.pack(">I", len(content)) + b"tEXt" + content)
        chunks.append(struct.pack(">I", zlib.crc32(b"tEXt" + content)))
    encoded = write_picture("PNG")
    return encoded[:33] + b"".join(chunks) + encoded[33:]


def write_scans(number: int) -> bytes:
    """Return a JPEG of 16 million pixels whose last scan is there so many times."""
    encoded = write_picture("JPEG", 4000, progressive=True)
    return encoded[:-2] + encoded[encoded.rfind(b"\xff\xda") : -2] * number + b"\xff\xd9"


def make_attacks() -> dict[str, Attack]:
    """Return every attack by its name: those that once got through, then those that never did."""
    comments = write_picture("JPEG").replace(b"\xff\xd8", b"\xff\xd8" + b"\xff\xfe\0\2" * 2_500_000, 1)
    noise = BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (3000, 3000), np.uint8)).save(noise, "PNG")
    bundle = b"GET /static/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n"
    return {
        "30 MB of small headers": flood(_GET, b"A:b\r\n"),
        "one header of 30 MB": flood(_GET + b"A: ", b"b"),
        "trailers without end": flood(_POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"A:b\r\n"),
        "a request in the body of an Upgrade": smuggle,
        "140 clients that never read": hold(bundle * 8, 140, reads=False),
        "14,000 requests at once on each of 20 connections": hold(b"GET / HTTP/1.1\r\n\r\n" * 14_000, 20, reads=False),
        "140 bodies that never come": hold(_POST + b"Content-Length: 11000\r\n\r\n{", 140),
        "16 MB of {} in images": post("/predict/batch", fill(b'{"images": [{}', b",{}", b"]}"), "application/json", 4),
        "8 million zeros as a tensor": post(
            "/v2/models/digits/infer",
            fill(b'{"inputs": [{"name": "pixels", "shape": [1, 784], "datatype": "UINT8", "data": [0', b",0", b"]}]}"),
            "application/json",
            4,
        ),
        "a CSV of 8 million lines": post("/predict/batch", fill(b"", b"a\n", b""), "text/csv", 4),
        "100 expensive pictures": post("/read", write_scans(90), "image/jpeg", 100),
        "PNGs of 400,000 texts": post("/predict/image", write_texts(400_000), "image/png", 8),
        "JPEGs of 2.5 million comments": post("/predict/image", comments, "image/jpeg", 8),
        "the largest pictures": post("/read", noise.getvalue(), "image/png", 8),
        "the largest batches": post("/predict/batch", bytes(784 * 1000), _BYTES["Content-Type"], 32),
        "500 connections that send nothing": hold(b"", 500, reads=False),
        "256 posts at once": post("/predict", _ROW, "application/json", 256),
        "what is no HTTP": flood(b"\x16\x03\x01", bytes(range(256)), 1_000_000),
    }


def measure(server: Server, name: str, attack: Attack, seconds: float) -> Outcome:
    """Attack for some seconds, and watch the two clients beside it."""
    process = Path(f"/proc/{server.process.pid}")
    (process / "clear_refs").write_text("5")  # The peak of memory begins anew.
    log_size, end, clients = len(server.log), time.monotonic() + seconds, Clients()
    answers: Counter[str] = Counter()

    def is_over() -> bool:
        return time.monotonic() >= end

    def watch(method: str, path: str, body: bytes | None) -> None:
        while not is_over():
            started, status = time.monotonic(), 0
            with suppress(OSError, HTTPException):
                status = server.request(method, path, body, JSON).status
            clients.seconds[path].append(time.monotonic() - started)
            clients.statuses[path, status] += 1
            time.sleep(0.02)

    run_together(
        [
            lambda: answers.update(attack(server, is_over)),
            lambda: watch("GET", "/readyz", None),
            lambda: watch("POST", "/predict", _ROW),
        ]
    )
    peak = re.search(r"VmHWM:\s+(\d+) kB", (process / "status").read_text())
    assert peak is not None
    has_fault = "Traceback" in server.log[log_size:]
    return Outcome(name, answers, int(peak[1]) / 1024, clients, has_fault)


def attack_all(seconds: float) -> list[Outcome]:
    """Run every attack on one service, one after the other."""
    outcomes = []
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder), **ENVIRONMENT) as server:
        for name, attack in make_attacks().items():
            outcomes.append(measure(server, name, attack, seconds))
            print(describe(outcomes[-1]), flush=True)
            # What is left of the attack goes before the next one.
            server.wait_for("/readyz")
            time.sleep(0.3)
    return outcomes


def describe(outcome: Outcome) -> str:
    """Return one row of the table."""
    answers = ", ".join(f"{number:,} x {status}" for status, number in sorted(outcome.answers.items())) or "-"
    times = [f"{1000 * outcome.clients.measure_slowest(path):.0f}" for path in ("/readyz", "/predict")]
    served = outcome.clients.statuses["/predict", 200] / max(len(outcome.clients.seconds["/predict"]), 1)
    verdict = "; ".join(outcome.list_faults()) or "held"
    return f"| {outcome.name} | {answers} | {outcome.mebibytes:.0f} | {' | '.join(times)} | {served:.0%} | {verdict} |"


def main() -> None:
    """Print the table; end with 1 if an attack was not held off."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.5, help="of each attack")
    print("| attack | answers | peak MiB | p99 of /readyz, ms | p99 of /predict, ms | of these served | verdict |")
    print("| --- | --- | ---: | ---: | ---: | ---: | --- |")
    outcomes = attack_all(parser.parse_args().seconds)
    sys.exit(any(outcome.list_faults() for outcome in outcomes))


if __name__ == "__main__":
    main()
