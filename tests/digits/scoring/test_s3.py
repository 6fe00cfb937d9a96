"""Rows and scores in a bucket: the command against a server that speaks S3, on loopback."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from pyarrow.fs import FileSelector, S3FileSystem

from digits.data.dataset import LabelledImages
from tests.conftest import ROOT
from tests.digits.scoring.scored import read_answers, write_csv

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("moto", "flask_cors")),
        reason="moto is not installed: pip install -r tests/digits/scoring/requirements.txt",
    ),
]
ENVIRONMENT = os.environ | {
    "PYTHONPATH": str(ROOT),
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_EC2_METADATA_DISABLED": "true",
}
NUM_FILES, ROWS_A_FILE = 3, 1_000


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of a running server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [sys.executable, "-m", "moto.server", "--port", address.partition(":")[2]]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not answers(address):
            assert server.poll() is None, "the server ended"
            time.sleep(0.05)
        yield address
    finally:
        server.terminate()
        server.wait()


def answers(address: str) -> bool:
    host, _, port = address.partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


@pytest.fixture(scope="module")
def bucket(address: str) -> S3FileSystem:
    """The server's buckets, of which there is one, `bucket`, with the rows that local files hold, too."""
    filesystem = S3FileSystem(
        access_key="test", secret_key="test", endpoint_override=address, scheme="http", allow_bucket_creation=True
    )
    filesystem.create_dir("bucket")
    return filesystem


@pytest.fixture(scope="module")
def rows(bucket: S3FileSystem, small_digits: LabelledImages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of rows, the same as bucket/rows."""
    folder = tmp_path_factory.mktemp("s3") / "rows"
    folder.mkdir()
    for index in range(NUM_FILES):
        images = np.roll(np.tile(small_digits.images, (ROWS_A_FILE // len(small_digits), 1, 1)), index, axis=2)
        path = write_csv(folder / f"{index}.csv", images)
        with bucket.open_output_stream(f"bucket/rows/{index}.csv") as file:
            file.write(path.read_bytes())
    return folder


def build_command(source: object, output: object, *options: str) -> list[object]:
    command = [sys.executable, "-m", "digits.scoring.run", source, output, "--workers", "2", "--rows-per-part", "50"]
    return [*command, *options]


def build_url(address: str, path: str) -> str:
    return f"s3://bucket/{path}?endpoint_override={address}&scheme=http"


def list_parts(bucket: S3FileSystem, folder: str) -> dict[str, object]:
    """Return when each part was written."""
    found = bucket.get_file_info(FileSelector(f"bucket/{folder}", allow_not_found=True))
    return {one.base_name: one.mtime for one in found if one.base_name.startswith("part-")}


def read_parts(bucket: S3FileSystem, folder: str) -> pyarrow.Table:
    paths = [f"bucket/{folder}/{name}" for name in sorted(list_parts(bucket, folder))]
    return pyarrow.concat_tables([pyarrow.parquet.read_table(path, filesystem=bucket) for path in paths]).sort_by("id")


def test_killed_run_in_a_bucket_goes_on_and_answers_what_local_files_do(
    address: str, bucket: S3FileSystem, rows: Path, tmp_path: Path
) -> None:
    subprocess.run(build_command(rows, tmp_path / "scores"), cwd=ROOT, env=ENVIRONMENT, check=True)
    command = build_command(build_url(address, "rows"), build_url(address, "scores"))
    process = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, start_new_session=True)
    while len(list_parts(bucket, "scores")) < 3:
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = list_parts(bucket, "scores")
    assert len(before) < NUM_FILES * ROWS_A_FILE // 50
    subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, check=True)
    assert list_parts(bucket, "scores").items() >= before.items()
    assert read_parts(bucket, "scores").equals(read_answers(tmp_path / "scores"))


def test_output_of_another_input_in_a_bucket_is_refused(address: str, bucket: S3FileSystem, rows: Path) -> None:
    source, output = build_url(address, "rows/0.csv"), build_url(address, "other")
    subprocess.run(build_command(source, output), cwd=ROOT, env=ENVIRONMENT, check=True)
    with bucket.open_output_stream("bucket/rows/0.csv") as file:
        file.write((rows / "1.csv").read_bytes())
    done = subprocess.run(
        build_command(source, output), cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "received the output of a run with other input" in done.stderr
