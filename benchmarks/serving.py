"""The service beside the systems that people would pick instead: `python benchmarks/serving.py`.

Every contender runs in an environment of its own, one worker, pinned to core 0, with the network of models/digits.h5;
wrk sends row_data.json from core 1. Environments are made below benchmarks/.venvs the first time, which takes some
minutes. Prints a table in Markdown.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
VENVS = ROOT / "benchmarks" / ".venvs"
CONTENDERS = ROOT / "benchmarks" / "contenders"
CONNECTIONS = (1, 16, 64)
SECONDS = 4
START_LIMIT_SECONDS = 60
RUNTIME = ("h5py==3.14.0", "onnxruntime==1.32.0", "orjson==3.13.0")
UVICORN = ("-m", "uvicorn", "--port", "{port}", "--log-level", "warning", "--no-access-log")
JSON, BYTES = "application/json", "application/octet-stream"


@dataclass(frozen=True)
class Contender:
    """How one server is installed, started and asked."""

    name: str
    command: tuple[str, ...]
    venv: str | None = None
    packages: tuple[str, ...] = ()
    path: str = "/predict"
    body: str = "row.json"
    content_type: str = JSON
    environment: dict[str, str] = field(default_factory=dict)


SERVICE = (*UVICORN, "app.predict:app", "--app-dir", "web_service")
KERAS = (
    "tensorflow==2.21.0",
    "keras==3.15.1",
    "fastapi==0.165.0",
    "uvicorn==0.54.0",
    "httptools==0.9.0",
    "uvloop==0.23.0",
)
MLSERVER = ("-m", "mlserver", "start", "{folder}")
CHOSEN = (
    Contender("the floor: reads the body, answers a constant", (*UVICORN, "floor:app")),
    Contender("**this service**", SERVICE),
    Contender(
        "this service, the image as 784 bytes", SERVICE, path="/predict/batch", body="row.bin", content_type=BYTES
    ),
    Contender("LitServe 0.2.19", ("lit.py", "{port}"), "litserve", ("litserve==0.2.19", *RUNTIME)),
    Contender(
        "BentoML 1.4.39",
        ("-m", "bentoml", "serve", "bento:Digits", "--host", "127.0.0.1", "--port", "{port}"),
        "bentoml",
        ("bentoml==1.4.39", *RUNTIME),
    ),
    Contender(
        "MLServer 1.7.1 (V2 tensor)",
        MLSERVER,
        "mlserver",
        ("mlserver==1.7.1", *RUNTIME),
        path="/v2/models/digits/infer",
        body="tensor.json",
    ),
    Contender("Ray Serve 2.60.0", ("ray_app.py", "{port}"), "ray", ("ray[serve]==2.60.0", *RUNTIME)),
    Contender("FastAPI and Keras, `model.predict`", (*UVICORN, "keras_app:app"), "keras", (*KERAS, "h5py==3.14.0")),
    Contender(
        "the same, loading the .h5 in every request",
        (*UVICORN, "keras_app:app"),
        "keras",
        (*KERAS, "h5py==3.14.0"),
        environment={"TUTORIAL": "1"},
    ),
)


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


def write_mlserver_settings(folder: Path, port: int) -> None:
    """MLServer reads its settings from a folder."""
    settings = {"host": "127.0.0.1", "http_port": port, "grpc_port": port + 1, "metrics_port": port + 2}
    (folder / "settings.json").write_text(json.dumps({**settings, "parallel_workers": 0, "debug": False}))
    model = {"name": "digits", "implementation": "mlserver_app.Digits"}
    (folder / "model-settings.json").write_text(json.dumps(model))


@contextmanager
def running(contender: Contender, folder: Path) -> Iterator[tuple[psutil.Process, str, float]]:
    """Run a contender on core 0 until the block ends; gives process, address and seconds to the first answer."""
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
            ["taskset", "-c", "0", *command],
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
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


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
        [*command, "-s", str(ROOT / "benchmarks" / "post.lua"), url],
        env={**os.environ, "BODY": str(body), "CONTENT_TYPE": content_type},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    if "Non-2xx" in printed or "Socket errors" in printed:
        print(f"<!-- {url} {connections}: {printed.splitlines()[-4:]} -->", file=sys.stderr)
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", printed)[1])
    found = {name: re.search(rf"{name}%\s+([\d.]+)(us|ms|s)\b", printed) for name in ("50", "99")}
    scale = {"us": 0.001, "ms": 1, "s": 1000}
    return {"rate": rate} | {f"p{name}": float(match[1]) * scale[match[2]] for name, match in found.items()}


def measure_runtime() -> dict[str, float]:
    """Return ONNX Runtime's own time for one image, and for a thousand, on core 0, in µs."""
    script = """
import json, sys, timeit, numpy as np
from pathlib import Path
from digits.classifier import load_classifier
predict = load_classifier(Path("models/digits.h5")).predict
image, many = np.zeros((1, 28, 28, 1), np.float32), np.zeros((32, 28, 28, 1), np.float32)
best = lambda call, number: min(timeit.repeat(call, number=number, repeat=7)) / number * 1e6
print(json.dumps({"one": best(lambda: predict(image), 300), "thousand": best(lambda: predict(many), 10) * 1000 / 32}))
"""
    command = ["taskset", "-c", "0", sys.executable, "-c", script]
    times: dict[str, float] = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
    return times


def measure(contender: Contender, folder: Path) -> dict[str, float]:
    """Return what the table shows of a contender."""
    body = folder / contender.body
    with running(contender, folder) as (process, url, start_seconds):
        load(url, body, contender.content_type, 1, 1)
        found = {"start": start_seconds}
        for connections in CONNECTIONS:
            loaded = load(url, body, contender.content_type, connections)
            found |= {f"{name}@{connections}": value for name, value in loaded.items()}
        family = [process, *process.children(recursive=True)]
        found["memory"] = sum(one.memory_info().rss for one in family) / 1e6
        if "784 bytes" in contender.name:
            found["thousand"] = load(url, folder / "thousand.bin", BYTES, 1)["rate"]
    return found


def main() -> None:
    """Measure everyone, print the table."""
    if shutil.which("wrk") is None:
        sys.exit("error: wrk is not installed; Debian has it: apt-get install wrk")
    runtime = measure_runtime()
    print("| server | requests/s at 1 | at 16 | at 64 | p50, 16 (ms) | p99, 16 (ms) | resident, MB | first answer, s |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    results: dict[str, dict[str, float]] = {}
    for contender in CHOSEN:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_requests(folder)
            try:
                found = results[contender.name] = measure(contender, folder)
            except (RuntimeError, subprocess.CalledProcessError, OSError) as error:
                print(f"| {contender.name} | left out: {error} | | | | | | |", flush=True)
                print((folder / "log").read_text()[-1500:], file=sys.stderr)
                continue
        rates = " | ".join(f"{found[f'rate@{number}']:,.4g}" for number in CONNECTIONS)
        rest = f"{found['p50@16']:.3g} | {found['p99@16']:.3g} | {found['memory']:.0f} | {found['start']:.1f}"
        print(f"| {contender.name} | {rates} | {rest} |", flush=True)
    floor, service, raw = (results[contender.name] for contender in CHOSEN[:3])
    limit = 1 / (1 / floor["rate@16"] + runtime["one"] / 1e6)
    print(
        f"\nONNX Runtime itself: {runtime['one']:.0f} µs for one image, {runtime['thousand'] / 1000:.0f} ms for 1,000."
    )
    print(
        f"The limit at 16 connections: {limit:,.0f} requests/s. Row as JSON: {service['rate@16'] / limit:.0%} of it; "
    )
    print(f"784 bytes: {raw['rate@16'] / limit:.0%}. 1,000 images as bytes: {raw['thousand']:.2f} batches/s, ")
    print(f"{raw['thousand'] * runtime['thousand'] / 1e6:.0%} of ONNX Runtime's own.")


if __name__ == "__main__":
    main()
