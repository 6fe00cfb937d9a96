"""A real server in a process of its own, on a port that the system chose."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import psutil

from tests.conftest import ROOT

STAND_INS = Path(__file__).with_name("stand_ins")
JSON = {"Content-Type": "application/json"}
TIMEOUT_SECONDS = 60


def copy_model(path: Path, provenance: Mapping[str, Any]) -> Path:
    """Copy the shipped model with another provenance, and without the acceptance network, whose thresholds it held."""
    path.write_bytes((ROOT / "models" / "digits.h5").read_bytes())
    with h5py.File(path, "a") as file:
        del file["digits/provenance"], file["digits/acceptance_graph"]
        file["digits"].pop("int8", None)
        file["digits/provenance"] = json.dumps(provenance)
    return path


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, str | None]:
        """The error, whose shape is checked wherever one is looked at."""
        assert self.headers.get_content_type() == "application/json"
        assert list(self.json) == ["error"]
        error: dict[str, str | None] = self.json["error"]
        assert list(error) == ["code", "message", "field", "hint"]
        return error


@dataclass(frozen=True)
class Server:
    process: subprocess.Popen[bytes]
    port: int
    log_path: Path

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def request(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, **options: Any
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(method, path, body, dict(headers or {}), **options)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def post(self, row: object, path: str = "/predict") -> Answer:
        return self.request("POST", path, json.dumps(row), JSON)

    def wait_for_log(self, text: str) -> None:
        """The server logs a fault after it has answered."""
        for _ in attempt():
            if text in self.log:
                return
        raise TimeoutError(self.log)

    def wait_for(self, path: str, status: int = 200) -> Answer:
        for _ in attempt():
            assert self.process.poll() is None, self.log
            with suppress(OSError, http.client.HTTPException):
                answer = self.request("GET", path)
                if answer.status == status:
                    return answer
        raise TimeoutError(self.log)


def start(
    folder: Path, target: str, environment: Mapping[str, str], options: Sequence[str] = ()
) -> tuple[subprocess.Popen[bytes], Path]:
    """Start `uvicorn` as the README does, from the repository root, with the operator's own settings put aside."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DIGITS_")}
    log_path = folder / "server.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", target, "--app-dir", "web_service", "--port", "0", *options],
            cwd=ROOT,
            env={**inherited, "PYTHONPATH": str(STAND_INS), **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    return process, log_path


@contextmanager
def serve(
    folder: Path,
    target: str = "app.predict:app",
    ready_path: str = "/readyz",
    options: Sequence[str] = (),
    **environment: str,
) -> Iterator[Server]:
    """Serve until the block ends; then ask it to end with SIGTERM, and check that it did so in order."""
    process, log_path = start(folder, target, environment, options)
    try:
        server = Server(process, _find_port(process, log_path), log_path)
        server.wait_for(ready_path)
        yield server
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_SECONDS) == 0, server.log
        assert "Application shutdown complete." in server.log
    finally:
        process.kill()
        process.wait()


def _find_port(process: subprocess.Popen[bytes], log_path: Path) -> int:
    for _ in attempt():
        log = log_path.read_text()
        if found := re.search(r"running on http://127\.0\.0\.1:(\d+)", log):
            return int(found[1])
        assert process.poll() is None, log
    raise TimeoutError(log_path.read_text())


def attempt() -> Iterator[None]:
    end = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < end:
        yield
        time.sleep(0.02)


def list_workers(server: Server) -> list[psutil.Process]:
    """Return the worker processes of a server that was started with several."""
    children = psutil.Process(server.process.pid).children()
    return [child for child in children if "multiprocessing.spawn" in " ".join(child.cmdline())]
