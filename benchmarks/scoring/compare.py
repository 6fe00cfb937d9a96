"""Rows per second and peak memory of bulk scoring, beside what a person would write.

python -m benchmarks.scoring.compare --ray path/to/python-with-ray

Each contender first reads one row, which tells how long it takes to start, then the file. The rate is that of the rest
of the time. Memory is the proportional set size of all its processes together, sampled ten times a second: a page that
several share counts once.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.results import write_rows
from benchmarks.scoring.make_rows import write_csv, write_parquet, write_pictures

RESULTS = Path("benchmarks/scoring/scoring.csv")
_SAMPLE_SECONDS = 0.1
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
RUNTIME = """
import sys, time
from pathlib import Path
import pyarrow.parquet
import numpy as np
from digits.data.images import make_batch
from digits.inference.classifier import load_classifier
classifier = load_classifier(Path("models/digits.h5"))
parquet = pyarrow.parquet.ParquetFile(sys.argv[1])
for rows in parquet.iter_batches(8192):
    pixels = rows.column(0).flatten().to_numpy().reshape(-1, 784)
    batches = [make_batch(pixels[start : start + 128]) for start in range(0, len(pixels), 128)]
    started = time.process_time()
    for batch in batches:
        classifier.predict(batch)
        classifier.measure_acceptance(batch)
    print(len(pixels), time.process_time() - started)
"""
KERAS = """
import sys
import keras, numpy as np, pandas as pd
path = sys.argv[1]
if path.endswith(".csv"):
    pixels = pd.read_csv(path).to_numpy()
else:
    pixels = np.stack(pd.read_parquet(path)["pixels"])
model = keras.saving.load_model("models/digits.h5", compile=False)
probabilities = model.predict(pixels.reshape(-1, 28, 28, 1) / np.float32(255), batch_size=128, verbose=0)
pd.DataFrame({"digit": probabilities.argmax(axis=1), "confidence": probabilities.max(axis=1)}).to_csv(sys.argv[2])
"""


@dataclass(frozen=True)
class Measurement:
    """One run of a command.

    Attributes:
        seconds: From its start to its end.
        peak_mb: The most memory at one moment, in MB of 10^6 bytes.
    """

    seconds: float
    peak_mb: float


def measure(command: Sequence[str | Path], environment: Mapping[str, str]) -> Measurement:
    """Run a command and watch it."""
    started, peak = time.perf_counter(), 0
    process = subprocess.Popen(
        list(map(str, command)), env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    while process.poll() is None:
        peak = max(peak, sum(list_memory(process.pid)))
        time.sleep(_SAMPLE_SECONDS)
    if process.returncode:
        sys.exit(f"error: {command} failed:\n{process.stderr.read().decode() if process.stderr else ''}")
    return Measurement(time.perf_counter() - started, peak / 1e6)


def list_memory(pid: int) -> list[int]:
    """Return the proportional set size of a process and of each process below it, in bytes."""
    try:
        tree = [psutil.Process(pid)]
        tree += tree[0].children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    sizes = []
    for process in tree:
        try:
            sizes.append(process.memory_full_info().pss)
        except psutil.Error:
            continue
    return sizes


def list_contenders(ray: str | None) -> dict[str, list[str | Path]]:
    """Return the command of each contender, to which input and output are added."""
    score: list[str | Path] = ["-m", "digits.scoring.run"]
    contenders: dict[str, list[str | Path]] = {
        "local, one core": [sys.executable, *score, "--workers", "1"],
        "local, two cores": [sys.executable, *score, "--workers", "2"],
    }
    if ray:
        contenders["Ray, one core"] = [ray, *score, "--engine", "ray", "--workers", "1"]
        contenders["Ray, two cores"] = [ray, *score, "--engine", "ray", "--workers", "2"]
    contenders["pandas and Keras predict"] = [sys.executable, "-c", KERAS]
    return contenders


def compare(arguments: argparse.Namespace, folder: Path) -> list[dict[str, object]]:
    """Measure every contender on every form of input."""
    results = []
    forms = {
        "Parquet": ("rows.parquet", write_parquet, arguments.rows),
        "CSV": ("rows.csv", write_csv, arguments.rows),
        "pictures": ("pictures", write_pictures, arguments.pictures),
    }
    for form, (name, write, num_rows) in forms.items():
        (folder / "one").mkdir(exist_ok=True)
        write(folder / "one" / name, 1)
        write(folder / name, num_rows)
        for contender, command in list_contenders(arguments.ray).items():
            if form == "pictures" and "Keras" in contender:
                continue
            start, whole = (
                measure([*command, source, _empty(folder / "output")], _ONE_THREAD)
                for source in (folder / "one" / name, folder / name)
            )
            rate = (num_rows - 1) / max(whole.seconds - start.seconds, 1e-3)
            results.append(
                {
                    "input": form,
                    "contender": contender,
                    "rows": num_rows,
                    "start_seconds": f"{start.seconds:.1f}",
                    "seconds": f"{whole.seconds:.1f}",
                    "rows_per_second": f"{rate:.0f}",
                    "peak_mb": f"{whole.peak_mb:.0f}",
                    "load": f"{os.getloadavg()[0]:.1f}",
                }
            )
            print(*results[-1].values(), sep=" | ", flush=True)
    results.append(_measure_runtime(folder / "rows.parquet"))
    print(*results[-1].values(), sep=" | ", flush=True)
    return results


def _measure_runtime(path: Path) -> dict[str, object]:
    """Measure the networks alone on one core, by their processor time."""
    done = subprocess.run([sys.executable, "-c", RUNTIME, path], capture_output=True, text=True, check=True)
    pairs = [line.split() for line in done.stdout.splitlines()]
    rows, seconds = sum(int(one) for one, _ in pairs), sum(float(one) for _, one in pairs)
    return {
        "input": "arrays",
        "contender": "ONNX Runtime itself, one core (CPU time)",
        "rows": rows,
        "start_seconds": "",
        "seconds": f"{seconds:.1f}",
        "rows_per_second": f"{rows / seconds:.0f}",
        "peak_mb": "",
        "load": f"{os.getloadavg()[0]:.1f}",
    }


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.unlink(missing_ok=True)
    return folder


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description="Rows per second and peak memory of bulk scoring.")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--pictures", type=int, default=1_000)
    parser.add_argument("--ray", help="a Python with this project's packages and Ray; without it Ray is left out")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_rows(arguments.output, compare(arguments, Path(folder)))


if __name__ == "__main__":
    main()
