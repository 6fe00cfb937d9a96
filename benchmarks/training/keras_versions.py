"""Load the shipped .h5 files with older versions of Keras, each in an environment of its own.

Usage:
    python -m benchmarks.training.keras_versions

Environments are made below benchmarks/.venvs the first time: Keras with JAX, the smallest backend that convolves. Each
version reads a hundred test digits, and lines of them, with both files. The CSV beside this module says by how much its
probabilities differ from those of the serving graph.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks import ROOT
from benchmarks.networks import LINES, SHIPPED, load_networks
from benchmarks.results import write_rows
from digits.data.dataset import read_images
from digits.data.images import make_batch
from digits.preprocessing.line_image import frame_digits, make_line_batch

VERSIONS = ("3.3.3", "3.6.0", "3.10.0", "3.12.0", "3.13.2", "3.14.1")
OUTPUT = Path(__file__).with_name("keras_versions.csv")
VENVS = ROOT / "benchmarks" / ".venvs"
NUM_DIGITS = 100
# Keras 3.3 imports packaging, which it does not require.
PACKAGES = ("jax==0.10.2", "h5py==3.16.0", "packaging")
# It imports nothing of this project, as a person would who has the file alone.
READ = """
import json, sys
import keras, numpy as np
batches = np.load(sys.argv[1])
networks = {name: keras.saving.load_model(path) for name, path in json.loads(sys.argv[2]).items()}
np.savez(sys.argv[1], **{name: network.predict(batches[name], verbose=0) for name, network in networks.items()})
"""


def prepare(version: str) -> Path:
    """Return the interpreter of an environment with this Keras."""
    folder = VENVS / f"keras-{version}"
    python, ready = folder / "bin" / "python", folder / ".ready"
    if not ready.exists():
        venv.create(folder, with_pip=True)
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"keras=={version}", *PACKAGES]
        subprocess.run([python, *install], check=True)
        ready.touch()
    return python


def measure(version: str) -> dict[str, float]:
    """Return for each file by how much this Keras's probabilities differ from the serving graph's."""
    networks = load_networks()
    images = read_images(ROOT / "data" / "test.csv.gz")[:NUM_DIGITS]
    batches = {SHIPPED: make_batch(images), LINES: make_line_batch(frame_digits(images))}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "batches.npz")
        np.savez(path, **{file.stem: batch for file, batch in batches.items()})
        command = [prepare(version), "-c", READ, path, json.dumps({file.stem: str(file) for file in batches})]
        environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
        subprocess.run(command, check=True, env=environment, stderr=sys.stderr)
        answers = np.load(path)
        expected = {
            SHIPPED: networks.classifier.predict(batches[SHIPPED]),
            LINES: networks.line_reader.compute(batches[LINES]),
        }
        return {file.name: float(np.abs(answers[file.stem] - expected[file]).max()) for file in batches}


def main() -> None:
    """Try each version, print and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("versions", nargs="*", default=VERSIONS)
    rows = []
    for version in parser.parse_args().versions:
        for name, difference in measure(version).items():
            rows.append({"date": f"{datetime.now(UTC):%Y-%m-%d}", "keras": version, "file": name})
            rows[-1]["largest_difference"] = f"{difference:.1e}"
            print(*rows[-1].values(), flush=True)
    write_rows(OUTPUT, rows)


if __name__ == "__main__":
    main()
