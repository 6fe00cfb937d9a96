"""The engine `ray` on a real cluster: a head and two workers, each in processes of its own, on loopback."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from digits.data.dataset import LabelledImages
from tests.conftest import ROOT
from tests.digits.scoring.scored import read_answers, read_faults, read_manifest, write_csv

ray = pytest.importorskip("ray", reason="ray is not installed: pip install -r digits/scoring/requirements-ray.txt")

COMMAND = [sys.executable, "-m", "digits.scoring.run"]
# A worker has room for the actors of the other one.
CORES = 2
RAY = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"]
ENVIRONMENT = os.environ | {
    "PYTHONPATH": str(ROOT),
    # As on a real cluster, only those who know the token get in.
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
    "RAY_DISABLE_IMPORT_WARNING": "1",
    # A worker that is gone is missed after two seconds instead of half a minute.
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "500",
    "RAY_health_check_failure_threshold": "4",
}


def find_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(folder: Path, *options: str) -> subprocess.Popen[bytes]:
    """Start a node whose processes make a group, and wait until it says that it runs."""
    memory = ["--object-store-memory", str(150 * 2**20), "--memory", str(2**30)]
    path = folder / f"{len(list(folder.iterdir()))}.log"
    with path.open("wb") as log:
        command = [*RAY, "--node-ip-address", "127.0.0.1", *options, *memory]
        node = subprocess.Popen(command, env=ENVIRONMENT, stdout=log, stderr=log, start_new_session=True)
    while "Ray runtime started" not in path.read_text():
        if node.poll() is not None:
            raise RuntimeError(path.read_text())
        time.sleep(0.1)
    return node


def list_processes(node: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return a node's process and all below it: its raylet, agents and actors."""
    try:
        process = psutil.Process(node.pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def kill(node: subprocess.Popen[bytes]) -> None:
    for process in list_processes(node):
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    node.wait()


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """The address of a cluster, and its two workers. The head itself does no work."""
    folder = tmp_path_factory.mktemp("ray")
    address = f"127.0.0.1:{find_port()}"
    nodes: list[subprocess.Popen[bytes]] = []
    try:
        port = address.partition(":")[2]
        nodes.append(start(folder, "--head", f"--port={port}", "--num-cpus=0", "--include-dashboard=false"))
        nodes += [start(folder, f"--address={address}", f"--num-cpus={CORES}") for _ in range(2)]
        yield address, nodes[1:]
    finally:
        for node in reversed(nodes):
            kill(node)


@pytest.mark.slow
def test_run_on_ray_with_a_machine_killed_answers_what_the_local_engine_does(
    cluster: tuple[str, list[subprocess.Popen[bytes]]], tmp_path: Path, small_digits: LabelledImages
) -> None:
    address, workers = cluster
    rows = tmp_path / "rows"
    rows.mkdir()
    for index in range(4):
        write_csv(rows / f"{index}.csv", np.roll(np.tile(small_digits.images, (20, 1, 1)), index, axis=2))
    with (rows / "3.csv").open("a") as file:
        file.write("1,2\n")
    arguments = ["--rows-per-part", "100", "--workers", "2"]
    subprocess.run([*COMMAND, rows, tmp_path / "local", *arguments], cwd=ROOT, check=True)
    process = subprocess.Popen(
        [*COMMAND, rows, tmp_path / "ray", *arguments, "--engine", "ray", "--address", address],
        cwd=ROOT,
        env=ENVIRONMENT,
    )
    while len(list((tmp_path / "ray").glob("part-*"))) < 5:
        assert process.poll() is None, "the run ended before a machine could be killed"
        time.sleep(0.05)
    kill(find_worker_with_an_actor(workers))
    assert len(list((tmp_path / "ray").glob("part-*"))) < 161
    assert process.wait() == 0
    assert read_answers(tmp_path / "ray").equals(read_answers(tmp_path / "local"))
    assert read_faults(tmp_path / "ray") == read_faults(tmp_path / "local")
    assert read_manifest(tmp_path / "ray")["counts"] == {"answers": 16_000, "errors": 1, "parts": 161}


def find_worker_with_an_actor(workers: list[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    for worker in workers:
        if any("MapWorker" in describe(process) for process in list_processes(worker)):
            return worker
    raise AssertionError("no actor is at work")


def describe(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # Also what has ended and was not waited for.
        return ""
