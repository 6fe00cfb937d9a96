"""Rows per second and peak memory of bulk scoring, beside what a person would write.

python -m benchmarks.scoring.compare

Environments with Ray and with Spark are made below benchmarks/.venvs the first time (1.9 GB); Spark needs Java 17 or
newer, and is left out where there is none.

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
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks import ROOT
from benchmarks.results import write_rows
from benchmarks.scoring.make_rows import write_csv, write_parquet, write_pictures

RESULTS = Path("benchmarks/scoring/scoring.csv")
VENVS = ROOT / "benchmarks" / ".venvs"
SERVICE = "web_service/requirements.txt"
RAY = (SERVICE, "digits/scoring/requirements-ray.txt")
SPARK = (SERVICE, "digits/scoring/requirements.txt", "benchmarks/scoring/requirements-spark.txt")
NUM_CORES = {"one core": 1, "two cores": 2}
_SAMPLE_SECONDS = 0.1
_ENVIRONMENT = {
    "PYTHONPATH": str(ROOT),
    "OMP_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "-1",
}
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
    with tempfile.TemporaryFile("w+") as log:
        started, peak = time.perf_counter(), 0
        process = subprocess.Popen(
            list(map(str, command)), env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=log
        )
        while process.poll() is None:
            peak = max(peak, sum(list_memory(process.pid)))
            time.sleep(_SAMPLE_SECONDS)
        seconds = time.perf_counter() - started
        if process.returncode:
            log.seek(0)
            sys.exit(f"error: {command} failed:\n{log.read()}")
    return Measurement(seconds, peak / 1e6)


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


def prepare(name: str, requirements: Sequence[str]) -> Path:
    """Return the interpreter of an environment with these requirements."""
    folder = VENVS / name
    python, ready = folder / "bin" / "python", folder / ".ready"
    if not ready.exists():
        venv.create(folder, with_pip=True)
        named = [argument for path in requirements for argument in ("-r", path)]
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *named], check=True)
        ready.touch()
    return python


def list_contenders() -> dict[str, list[str | Path]]:
    """Return the command of each contender, to which input and output are added."""
    score, ray = ("-m", "digits.scoring.run"), prepare("scoring-ray", RAY)
    contenders: dict[str, list[str | Path]] = {}
    for cores, num in NUM_CORES.items():
        contenders[f"local, {cores}"] = [sys.executable, *score, "--workers", str(num)]
    for cores, num in NUM_CORES.items():
        contenders[f"Ray, {cores}"] = [ray, *score, "--engine", "ray", "--workers", str(num)]
    if shutil.which("java"):
        spark = prepare("scoring-spark", SPARK)
        for cores, num in NUM_CORES.items():
            contenders[f"Spark, {cores}"] = [spark, "benchmarks/scoring/spark_udf.py", "--cores", str(num)]
    else:
        print("Spark is left out: there is no java (apt-get install openjdk-17-jre-headless).", flush=True)
    contenders["pandas and Keras predict"] = [sys.executable, "-c", KERAS]
    return contenders


def compare(arguments: argparse.Namespace, folder: Path) -> list[dict[str, object]]:
    """Measure every contender on every form of input."""
    results: list[dict[str, object]] = []
    contenders = list_contenders()
    forms = {
        "Parquet": ("rows.parquet", write_parquet, arguments.rows),
        "CSV": ("rows.csv", write_csv, arguments.rows),
        "pictures": ("pictures", write_pictures, arguments.pictures),
    }
    for form, (name, write, num_rows) in forms.items():
        (folder / "one").mkdir(exist_ok=True)
        write(folder / "one" / name, 1)
        write(folder / name, num_rows)
        for contender, command in contenders.items():
            if form == "pictures" and "Keras" in contender:
                continue
            start, whole = (
                measure([*command, source, _empty(folder / "output")], _ENVIRONMENT)
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
    for cores, num in NUM_CORES.items():
        results.append(_measure_runtime(folder / "rows.parquet", cores, num))
        print(*results[-1].values(), sep=" | ", flush=True)
    return results


def _measure_runtime(path: Path, cores: str, num: int) -> dict[str, object]:
    """Measure the networks alone, in as many processes at once as there are cores, by their processor time."""
    command = [sys.executable, "-c", RUNTIME, path]
    environment = os.environ | _ENVIRONMENT
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(num)]
    rows, seconds, rate = 0, 0.0, 0.0
    for process in running:
        printed, _ = process.communicate()
        if process.returncode:
            sys.exit(f"error: {command} failed.")
        pairs = [line.split() for line in printed.splitlines()]
        of_process = sum(float(one) for _, one in pairs)
        rows += sum(int(one) for one, _ in pairs)
        seconds += of_process
        rate += sum(int(one) for one, _ in pairs) / of_process
    return {
        "input": "arrays",
        "contender": f"ONNX Runtime itself, {cores} (CPU time)",
        "rows": rows,
        "start_seconds": "",
        "seconds": f"{seconds:.1f}",
        "rows_per_second": f"{rate:.0f}",
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
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--pictures", type=int, default=4_000)
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_rows(arguments.output, compare(arguments, Path(folder)))


if __name__ == "__main__":
    main()
