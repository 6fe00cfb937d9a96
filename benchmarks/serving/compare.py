"""The service beside the systems that people would pick instead: `python -m benchmarks.serving.compare`.

`--ours` measures this service alone, beside its limit, and prints what percentage of the limit it reaches.

Every contender runs in an environment of its own, one worker, pinned to core 0, with the network of models/digits.h5;
wrk sends row_data.json from core 1. Two workers share both cores with wrk: of them only the processor time counts.
Environments are made below benchmarks/.venvs the first time, which takes some minutes. Prints tables in Markdown: all
servers; and the paths that take pictures, with graphs for 8-bit integers and for floats. The other servers run the
graph that the service takes by itself on this processor.
"""

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from PIL import Image

from benchmarks import ROOT
from benchmarks.serving.line_up import (
    BYTES,
    CHOSEN,
    CONNECTIONS,
    FLOOR,
    OURS,
    PEERS,
    PICTURES,
    PRECISIONS,
    RAW,
    TWO_WORKERS,
    Contender,
)
from digits.data.images import MAX_PIXEL, SIZE
from digits.inference.precision import VARIABLE

VENVS = ROOT / "benchmarks" / ".venvs"
CONTENDERS = ROOT / "benchmarks/serving/contenders"
SECONDS = 3
PICTURE_SECONDS = 10  # A page takes some hundred times as long as a digit.
ROUNDS = 3
NUM_OURS = 6
"""So many of the contenders are the floor and this service."""

START_LIMIT_SECONDS = 60


def find_python(contender: Contender) -> Path:
    """Return the interpreter of the contender's environment, made first where it is missing."""
    if contender.venv is None:
        return Path(sys.executable)
    python = VENVS / contender.venv / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *contender.packages], check=True)
    return python


def write_requests(folder: Path) -> None:
    """Write the one image in each of the forms that contenders take."""
    row = json.loads((ROOT / "row_data.json").read_text())
    pixels = [row[f"pixel{index}"] for index in range(784)]
    tensor = {"name": "pixels", "shape": [1, 784], "datatype": "UINT8", "data": pixels}
    (folder / "row.json").write_bytes((ROOT / "row_data.json").read_bytes())
    (folder / "tensor.json").write_text(json.dumps({"inputs": [tensor]}))
    (folder / "row.bin").write_bytes(bytes(pixels))
    (folder / "thousand.bin").write_bytes(bytes(pixels) * 1000)
    ink = Image.frombytes("L", (SIZE, SIZE), bytes(MAX_PIXEL - pixel for pixel in pixels))
    ink.resize((10 * SIZE, 10 * SIZE), Image.Resampling.BICUBIC).save(folder / "digit.png")
    (folder / "page.webp").write_bytes((ROOT / "web_service/app/static/sample.webp").read_bytes())


def write_mlserver_settings(folder: Path, port: int) -> None:
    """MLServer reads its settings from a folder."""
    settings = {"host": "127.0.0.1", "http_port": port, "grpc_port": port + 1, "metrics_port": port + 2}
    (folder / "settings.json").write_text(json.dumps({**settings, "parallel_workers": 0, "debug": False}))
    model = {"name": "digits", "implementation": "mlserver_app.Digits"}
    (folder / "model-settings.json").write_text(json.dumps(model))


@contextmanager
def running(contender: Contender, folder: Path) -> Iterator[tuple[psutil.Process, str, float]]:
    """Run a contender on its cores until the block ends; gives process, address and seconds to the first answer."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    write_mlserver_settings(folder, port)
    values = {"port": port, "folder": folder}
    command = [str(find_python(contender)), *(part.format(**values) for part in contender.command)]
    is_service = "--app-dir" in contender.command
    places = f"{ROOT}{os.pathsep}{CONTENDERS}"
    environment = {**os.environ, "PYTHONPATH": places, "TF_CPP_MIN_LOG_LEVEL": "3", **contender.environment}
    started = time.perf_counter()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            ["taskset", "-c", contender.cores, *command],
            cwd=ROOT if is_service or "keras_app:app" in command else CONTENDERS,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}{contender.path}"
        wait_for_answer(process, url, (folder / contender.body).read_bytes(), contender.content_type)
        yield psutil.Process(process.pid), url, time.perf_counter() - started
    finally:
        # Some contenders' workers lead sessions of their own.
        for one in list_family(process.pid):
            with suppress(psutil.NoSuchProcess):
                one.kill()
        process.wait()


def list_family(pid: int) -> list[psutil.Process]:
    """Return a process and all that it started."""
    with suppress(psutil.NoSuchProcess):
        first = psutil.Process(pid)
        return [*first.children(recursive=True), first]
    return []


def sum_cpu_seconds(pid: int) -> float:
    """Return the processor time that a contender has taken, workers included."""
    return sum(sum(one.cpu_times()[:2]) for one in list_family(pid))


def wait_for_answer(process: subprocess.Popen[bytes], url: str, body: bytes, content_type: str) -> None:
    """Ask until the answer is 200."""
    end = time.monotonic() + START_LIMIT_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            request = urllib.request.Request(url, body, {"Content-Type": content_type})
            with urllib.request.urlopen(request, timeout=20):
                return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError("does not start")


def load(url: str, body: Path, content_type: str, connections: int, seconds: int = SECONDS) -> dict[str, float]:
    """Let wrk ask from core 1; returns requests/s and, in ms, p50 and p99."""
    command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--timeout", "60s", "--latency"]
    printed = subprocess.run(
        [*command, "-s", str(ROOT / "benchmarks/serving/post.lua"), url],
        env={**os.environ, "BODY": str(body), "CONTENT_TYPE": content_type},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    if "Non-2xx" in printed or "Socket errors" in printed:
        print(f"<!-- {url} {connections}: {printed.splitlines()[-4:]} -->", file=sys.stderr)
    num_requests = int(re.search(r"(\d+) requests in", printed)[1])
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", printed)[1])
    found = {name: re.search(rf"{name}%\s+([\d.]+)(us|ms|s)\b", printed) for name in ("50", "99")}
    scale = {"us": 0.001, "ms": 1, "s": 1000}
    return {"rate": rate, "requests": num_requests} | {
        f"p{name}": float(match[1]) * scale[match[2]] for name, match in found.items()
    }


def measure_runtime(precision: str) -> dict[str, float]:
    """Return ONNX Runtime's own processor time for one image, and for a thousand, on core 0, in µs."""
    script = """
import json, time, timeit, numpy as np
from pathlib import Path
from digits.inference.classifier import load_classifier
predict = load_classifier(Path("models/digits.h5")).predict
image, many = np.zeros((1, 28, 28, 1), np.float32), np.zeros((32, 28, 28, 1), np.float32)
def median(call, number):
    return sorted(timeit.repeat(call, timer=time.process_time, number=number, repeat=7))[3] / number * 1e6
thousand = median(lambda: predict(many), 10) * 1000 / 32
print(json.dumps({"one": median(lambda: predict(image), 300), "thousand": thousand}))
"""
    command = ["taskset", "-c", "0", sys.executable, "-c", script]
    environment = {**os.environ, VARIABLE: precision}
    printed = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True).stdout
    times: dict[str, float] = json.loads(printed)
    return times


def measure(contender: Contender, folder: Path) -> dict[str, float]:
    """Return what the table shows of a contender."""
    body = folder / contender.body
    with running(contender, folder) as (process, url, start_seconds):
        load(url, body, contender.content_type, 1, 1)
        found = {"start": start_seconds}
        for connections in contender.connections:
            before = sum_cpu_seconds(process.pid)
            seconds = PICTURE_SECONDS if contender in PICTURES.values() else SECONDS
            loaded = load(url, body, contender.content_type, connections, seconds)
            loaded["cpu"] = (sum_cpu_seconds(process.pid) - before) / loaded["requests"] * 1e6
            found |= {f"{name}@{connections}": value for name, value in loaded.items()}
        found["memory"] = sum(one.memory_info().rss for one in list_family(process.pid)) / 1e6
        if contender in RAW.values():
            before = sum_cpu_seconds(process.pid)
            num_batches = load(url, folder / "thousand.bin", BYTES, 1)["requests"]
            found["thousand"] = (sum_cpu_seconds(process.pid) - before) / num_batches * 1e6
    return found


def show(found: dict[str, float], name: str) -> str:
    """Return a figure of three digits, or a dash for one that was not measured."""
    if name not in found:
        return "-"
    return f"{found[name]:,.0f}" if found[name] >= 100 else f"{found[name]:.3g}"


def main() -> None:
    """Measure everyone, print the medians."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--ours", action="store_true", help="measure the floor and this service alone")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of which the medians are taken")
    arguments = parser.parse_args()
    chosen = CHOSEN[:NUM_OURS] if arguments.ours else CHOSEN
    if shutil.which("wrk") is None:
        sys.exit("error: wrk is not installed; Debian has it: apt-get install wrk")
    everyone = (*chosen, *PICTURES.values())
    rounds: dict[str, list[dict[str, float]]] = {contender.name: [] for contender in everyone}
    runtimes: dict[str, list[dict[str, float]]] = {precision: [] for precision in PRECISIONS}
    # Round after round, not one after the other: a neighbour who takes the processor for a minute disturbs one of them.
    for number in range(arguments.rounds):
        for precision in PRECISIONS:
            runtimes[precision].append(measure_runtime(precision))
        for contender in everyone:
            print(f"Round {number + 1} of {arguments.rounds}: {contender.name}", file=sys.stderr)
            rounds[contender.name] += try_to_measure(contender)
    results = {name: take_median(found) for name, found in rounds.items() if found}
    show_table(chosen, results)
    for precision in PRECISIONS:
        ours, raw = (results[of[precision].name] for of in (OURS, RAW))
        summarise(precision, results[FLOOR.name], ours, raw, take_median(runtimes[precision]))
    show_pictures(results)
    others = [results[one.name]["rate@16"] for one in PEERS if "rate@16" in results.get(one.name, {})]
    for precision, ours in OURS.items() if others else ():
        print(f"{precision}: {results[ours.name]['rate@16'] / max(others):.1f} times the best other's rows/s at 16.")
    two_workers, one_worker = results[TWO_WORKERS.name]["cpu@16"], results[OURS["int8"].name]["cpu@16"]
    print(f"\nOf two workers a core-second answers {one_worker / two_workers:.0%} of what it does of one.")
    print(f"Load average of the machine at the end: {os.getloadavg()[0]:.1f}, where the benchmark itself makes 2.")


def try_to_measure(contender: Contender) -> list[dict[str, float]]:
    """Return what was measured, or nothing, having said why."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_requests(folder)
        try:
            return [measure(contender, folder)]
        except (RuntimeError, subprocess.CalledProcessError, OSError) as error:
            print(f"Left out: {error}\n{(folder / 'log').read_text()[-1500:]}", file=sys.stderr)
            return []


def take_median(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Return the median of each figure over the rounds."""
    return {name: statistics.median(found[name] for found in rounds) for name in rounds[0]}


def show_table(chosen: Sequence[Contender], results: dict[str, dict[str, float]]) -> None:
    """Print a line a server."""
    print("| server | requests/s at 1 | at 16 | at 64 | CPU (µs) | p50 (ms) | p99 (ms) | resident (MB) | start (s) |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for contender in chosen:
        if contender.name not in results:
            print(f"| {contender.name} | left out: it could not be measured | | | | | | | |")
            continue
        found = results[contender.name]
        names = (*(f"rate@{number}" for number in CONNECTIONS), "cpu@16", "p50@16", "p99@16", "memory", "start")
        print(f"| {contender.name} | {' | '.join(show(found, name) for name in names)} |")


def show_pictures(results: dict[str, dict[str, float]]) -> None:
    """Print the processor time of a picture, with int8 and with floats."""
    print("\n| path | CPU, int8 (ms) | fp32 (ms) | int8 of fp32 (%) |")
    print("| --- | ---: | ---: | ---: |")
    for path in dict.fromkeys(path for path, _ in PICTURES):
        int8, fp32 = (results[PICTURES[path, precision].name]["cpu@1"] / 1000 for precision in PRECISIONS)
        print(f"| {path} | {int8:.2f} | {fp32:.2f} | {100 * int8 / fp32:.0f} |")


def summarise(
    precision: str, floor: dict[str, float], service: dict[str, float], raw: dict[str, float], runtime: dict[str, float]
) -> None:
    """Print what the service's figures are of what is possible."""
    limit = floor["cpu@16"] + runtime["one"]
    print(f"\n{precision}: ONNX Runtime itself takes {runtime['one']:.0f} µs for one image,")
    print(f"and {runtime['thousand'] / 1000:.0f} ms for 1,000.")
    print(f"The limit: {limit:.0f} µs a request at 16 connections, {1e6 / limit:,.0f} requests per core-second.")
    print(f"A row as JSON reaches {limit / service['cpu@16']:.0%} of it, 784 bytes {limit / raw['cpu@16']:.0%};")
    print(f"1,000 images as bytes {runtime['thousand'] / raw['thousand']:.0%} of ONNX Runtime's own throughput.")


if __name__ == "__main__":
    main()
