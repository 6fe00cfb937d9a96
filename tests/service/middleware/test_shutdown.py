import json
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from tests.service.server import ROOT, Server, attempt, list_workers, serve


def test_after_sigterm_it_is_not_ready_and_serves_until_told_again(tmp_path: Path, row: dict[str, Any]) -> None:
    with serve(tmp_path, DIGITS_DRAIN_SECONDS="600") as server:
        server.process.send_signal(signal.SIGTERM)
        answer = server.wait_for("/readyz", 503)
        assert (answer.error["code"], answer.headers["retry-after"]) == ("shutting_down", "1")
        assert server.request("GET", "/healthcheck").status == 503
        assert server.request("GET", "/healthz").status == 200
        # On a new connection, and the client is told not to keep it.
        answer = server.post(row)
        assert (answer.status, answer.json["digit"], answer.headers["connection"]) == (200, 1, "close")
        # `serve` tells it again, waits, and expects exit code 0.


def test_after_the_drain_period_it_ends_by_itself(tmp_path: Path) -> None:
    with serve(tmp_path, DIGITS_DRAIN_SECONDS="0.2") as server:
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
        assert "no longer ready, still serving for 0.2 s." in server.log


def test_a_request_in_flight_at_sigterm_is_answered(tmp_path: Path, row: dict[str, Any]) -> None:
    body = json.dumps(row).encode()
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    with serve(tmp_path) as server, socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head % len(body) + body[:-1])
        assert server.request("GET", "/healthz").status == 200
        server.process.send_signal(signal.SIGTERM)
        server.wait_for_log("Waiting for connections to close")
        connection.sendall(body[-1:])
        answer = connection.recv(4096)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in answer


def test_before_sigterm_a_connection_is_kept(server: Server, row: dict[str, Any]) -> None:
    assert "connection" not in server.post(row).headers


def test_a_killed_worker_is_replaced_and_costs_only_its_own_requests(tmp_path: Path, row: dict[str, Any]) -> None:
    num_clients = 4
    with serve(tmp_path, options=("--workers", "2")) as server:
        next(None for _ in attempt() if server.log.count("is ready:") == 2)
        victim, other = list_workers(server)
        with asking_on_and_on(server, row, num_clients) as lost:
            victim.kill()
            # The new one's start is in the log, too.
            next(None for _ in attempt() if server.log.count("is ready:") == 3)
        workers = list_workers(server)
        assert len(workers) == 2
        assert other in workers
        # A client has one request in flight at a time.
        assert len(lost) <= num_clients


@pytest.mark.slow
def test_a_worker_that_cannot_load_its_model_leaves_the_others_alone_and_is_tried_again(
    tmp_path: Path, row: dict[str, Any]
) -> None:
    path, shipped = tmp_path / "digits.h5", (ROOT / "models" / "digits.h5").read_bytes()
    path.write_bytes(shipped)
    with serve(tmp_path, options=("--workers", "2"), DIGITS_MODEL_PATH=str(path)) as server:
        next(None for _ in attempt() if server.log.count("is ready:") == 2)
        # Written aside and renamed, because a worker may have the file open.
        (tmp_path / "broken.h5").write_bytes(shipped[:1000])
        (tmp_path / "broken.h5").replace(path)
        victim, other = list_workers(server)
        victim.kill()
        next(None for _ in attempt() if server.log.count("Cannot serve.") >= 2)
        assert other in list_workers(server)
        assert server.post(row).json["digit"] == 1
        path.write_bytes(shipped)
        next(None for _ in attempt() if server.log.count("is ready:") == 3)
        assert len(list_workers(server)) == 2


@contextmanager
def asking_on_and_on(server: Server, row: dict[str, Any], num_clients: int) -> Iterator[list[Exception]]:
    """Ask for a digit, over and over, until the block ends; returns what went wrong."""
    lost: list[Exception] = []
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.is_set():
            try:
                assert server.post(row).json["digit"] == 1
            except (OSError, HTTPException) as error:
                lost.append(error)

    with ThreadPoolExecutor(num_clients) as pool:
        asking = [pool.submit(ask) for _ in range(num_clients)]
        try:
            yield lost
        finally:
            is_over.set()
    for client in asking:
        client.result()
