import signal
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from tests.service.server import Answer, Server, attempt, serve

RAW = {"Content-Type": "application/octet-stream"}
BATCH = bytes(784 * 10)


def post_batch(server: Server) -> Answer:
    return server.request("POST", "/predict/batch", BATCH, RAW)


def test_a_turn_that_comes_too_late_answers_503_and_tells_when_to_come_back(tmp_path: Path) -> None:
    held_until = tmp_path / "go"
    environment = {"DIGITS_MAX_WAIT_SECONDS": "1", "HELD_UNTIL": str(held_until)}
    with serve(tmp_path, "blocked:app", **environment) as server, ThreadPoolExecutor(4) as pool:
        first = pool.submit(post_batch, server)
        server.wait_for_log("predicting")
        # These are let in, and wait for as long as is allowed.
        waited = [one.result() for one in [pool.submit(post_batch, server) for _ in range(3)]]
        # By now it is known that the first one takes long.
        at_once = post_batch(server)
        for answer in (*waited, at_once):
            assert (answer.status, answer.error["code"]) == (503, "wait_too_long")
            assert int(answer.headers["retry-after"]) >= 1
        assert f"in {at_once.headers['retry-after']} s" in str(at_once.error["hint"])
        held_until.touch()
        assert first.result().status == 200
        assert post_batch(server).status == 200


def test_what_cannot_be_finished_before_the_end_answers_503(tmp_path: Path) -> None:
    held_until = tmp_path / "go"
    environment = {"DIGITS_MAX_WAIT_SECONDS": "60", "HELD_UNTIL": str(held_until)}
    options = ("--timeout-graceful-shutdown", "1")
    with serve(tmp_path, "blocked:app", options=options, **environment) as server, ThreadPoolExecutor(4) as pool:
        asked: list[Future[Answer]] = [pool.submit(post_batch, server) for _ in range(4)]
        server.wait_for_log("predicting")
        in_flight = b"digits_http_requests_in_flight 5.0"
        next(None for _ in attempt() if in_flight in server.request("GET", "/metrics").body)
        server.process.send_signal(signal.SIGTERM)
        for answer in [one.result() for one in asked]:
            assert (answer.status, answer.error["code"]) == (503, "shutting_down")
            assert answer.headers["retry-after"] == "1"
        held_until.touch()
        assert server.process.wait(30) == 0
        assert "Traceback" not in server.log
        assert "No time left for 4 requests." in server.log
