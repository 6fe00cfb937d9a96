"""Two instances behind HAProxy, under load, replaced one after the other.

`python -m tests.service.rolling [times]` is the long form, with new connections and with kept ones; test_rolling.py has
a short one. HAProxy is told to try nothing twice, so every request that a replacement costs is seen. An instance gets
SIGTERM without a warning: there is no preStop, and DIGITS_DRAIN_SECONDS alone keeps requests from failing.

HAProxy hands on requests, or, as a Network Load Balancer does, connections as they are. Then a client's kept connection
is the instance's own.
"""

import http.client
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path

from tests.service.server import JSON, ROOT, TIMEOUT_SECONDS, attempt

# The proxy asks every 100 ms, so it knows long before the instance stops listening.
DRAIN_SECONDS = "1"
NUM_CLIENTS = 4
MODES = ("http", "tcp")
CONFIGURATION = """
defaults
  mode {mode}
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout check 10s
  retries 0
frontend watch
  mode http
  bind 127.0.0.1:{watch}
  monitor-uri /both
  monitor fail if {{ nbsrv(instances) lt 2 }}
frontend entrance
  bind 127.0.0.1:{entrance}
  default_backend instances
backend instances
  balance roundrobin
  option httpchk GET /readyz
  default-server inter 100ms fall 1 rise 1
  server first 127.0.0.1:{ports[0]} check
  server second 127.0.0.1:{ports[1]} check
"""


def find_ports(number: int) -> list[int]:
    """Return ports that are free now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def start_instance(port: int, folder: Path, drain_seconds: str) -> subprocess.Popen[bytes]:
    """Start one instance and wait until it is ready."""
    command = [sys.executable, "-m", "uvicorn", "app.predict:app", "--app-dir", "web_service", "--port", str(port)]
    with (folder / f"{port}.log").open("ab") as log:
        instance = subprocess.Popen(
            ["env", f"DIGITS_DRAIN_SECONDS={drain_seconds}", *command], cwd=ROOT, stdout=log, stderr=log
        )
    wait_for_status(port, 200)
    return instance


def wait_for_status(port: int, status: int, path: str = "/readyz") -> None:
    """Wait until the path answers this."""
    for _ in attempt():
        if ask(port, "GET", path) == status:
            return
    raise TimeoutError(f"port {port} never answered {status}")


def ask(port: int, method: str, path: str, body: bytes | None = None) -> int | str:
    """Return the status, or what went wrong, on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        return ask_on(connection, method, path, body)
    finally:
        connection.close()


def ask_on(connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None) -> int | str:
    """Return the status, or what went wrong; the connection is kept if the server keeps it."""
    try:
        connection.request(method, path, body, JSON)
        response = connection.getresponse()
        content = response.read()
        is_right = path != "/predict" or b'"digit":1,' in content
        return response.status if is_right else f"{response.status} {content.decode()}"
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return repr(error)


@contextmanager
def asking(port: int, is_kept: bool = False) -> Iterator[Counter[int | str]]:
    """Ask for a digit over and over, until the block ends; counts the answers.

    Args:
        port: The proxy's.
        is_kept: Each client asks on one connection as long as it is kept, not on a new one each time.
    """
    body, answers, is_over = (ROOT / "row_data.json").read_bytes(), Counter[int | str](), threading.Event()

    def ask_on_and_on() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
        while not is_over.is_set():
            answers[ask_on(connection, "POST", "/predict", body)] += 1
            if not is_kept:
                connection.close()
        connection.close()

    with ThreadPoolExecutor(NUM_CLIENTS) as pool:
        clients = [pool.submit(ask_on_and_on) for _ in range(NUM_CLIENTS)]
        try:
            yield answers
        finally:
            is_over.set()
    for client in clients:
        client.result()


def replace_all(
    times: int, folder: Path, is_kept: bool = False, mode: str = "http", drain_seconds: str = DRAIN_SECONDS
) -> Counter[int | str]:
    """Replace both instances, one after the other, so many times; return the answers by status or failure.

    Args:
        times: How often.
        folder: For what HAProxy and the instances read and write.
        is_kept: Each client asks on one connection as long as it is kept.
        mode: HAProxy's, one of `MODES`.
        drain_seconds: DIGITS_DRAIN_SECONDS of the instances, all that is set.
    """
    watch, entrance, *ports = find_ports(4)
    configuration = folder / "haproxy.cfg"
    configuration.write_text(CONFIGURATION.format(mode=mode, watch=watch, entrance=entrance, ports=ports))
    with ExitStack() as stack:
        instances = {port: start_instance(port, folder, drain_seconds) for port in ports}
        stack.callback(lambda: [one.kill() for one in instances.values()])
        proxy = subprocess.Popen(["haproxy", "-f", str(configuration)], stderr=(folder / "haproxy.log").open("w"))
        stack.callback(proxy.kill)
        wait_for_status(watch, 200, "/both")
        with asking(entrance, is_kept) as answers:
            for port in ports * times:
                instances[port].send_signal(signal.SIGTERM)
                if instances[port].wait(TIMEOUT_SECONDS) != 0:
                    raise RuntimeError((folder / f"{port}.log").read_text())
                instances[port] = start_instance(port, folder, drain_seconds)
                # The proxy must have seen the new one before the other goes.
                wait_for_status(watch, 200, "/both")
        return answers


if __name__ == "__main__":
    failed = False
    for kept, balanced in product((False, True), MODES):
        with tempfile.TemporaryDirectory() as name:
            counted = replace_all(int(sys.argv[1]) if len(sys.argv) > 1 else 5, Path(name), kept, balanced)
        print(f"{balanced}, {'kept connections' if kept else 'a connection a request'}: {dict(counted)}", flush=True)
        failed |= set(counted) != {200}
    sys.exit(failed)
