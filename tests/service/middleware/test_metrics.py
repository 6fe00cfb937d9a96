import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from digits.data.images import PIXEL_NAMES
from tests.service.server import JSON, Server, attempt, copy_model, list_workers, serve

RAW = {"Content-Type": "application/octet-stream"}
STATISTICS = {"mean_ink": 33.3, "centre_row": 13.5, "centre_column": 13.25, "confidence": 0.99}

Samples = dict[tuple[str, ...], float]


@pytest.fixture(scope="module")
def metered_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service of this module's own, whose model knows what it was trained on."""
    folder = tmp_path_factory.mktemp("metered")
    path = copy_model(folder / "digits.h5", {"input_statistics": STATISTICS})
    with serve(folder, DIGITS_MODEL_PATH=str(path)) as running:
        yield running


def read(server: Server) -> Samples:
    """Return `{(name, label value, ...): value}`, the labels sorted by name."""
    answer = server.request("GET", "/metrics")
    assert answer.status == 200, server.log
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(answer.body.decode())
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


def difference(before: Samples, after: Samples) -> Samples:
    """Return what grew, without what `/metrics` itself adds."""
    grown = {name: value - before.get(name, 0) for name, value in after.items()}
    return {name: value for name, value in grown.items() if value and "/metrics" not in name}


def test_metrics_count_requests_by_route_and_status(metered_server: Server, row: dict[str, Any]) -> None:
    before = read(metered_server)
    metered_server.post(row)
    metered_server.post({})
    metered_server.request("GET", "/healthz")
    grown = difference(before, read(metered_server))
    requests = {name[1:]: value for name, value in grown.items() if name[0] == "digits_http_requests_total"}
    assert requests == {("POST", "/predict", "200"): 1, ("POST", "/predict", "422"): 1, ("GET", "/healthz", "200"): 1}
    assert grown["digits_http_request_duration_seconds_count", "/predict"] == 2


def test_metrics_do_not_grow_with_what_clients_make_up(metered_server: Server) -> None:
    before = read(metered_server)
    for number in range(20):
        metered_server.request("GET", f"/made-up-{number}")
        metered_server.request("PROPFIND", f"/made-up-{number}")
    grown = difference(before, read(metered_server))
    requests = {name[1:]: value for name, value in grown.items() if name[0] == "digits_http_requests_total"}
    assert requests == {("other", "other", "404"): 40}


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"{", "invalid_json"), (b"{}", "missing_pixel"), (b"[]", "not_an_object")],
)
def test_metrics_count_refusals_by_code(metered_server: Server, body: bytes, code: str) -> None:
    before = read(metered_server)
    metered_server.request("POST", "/predict", body, JSON)
    grown = difference(before, read(metered_server))
    assert grown["digits_rejected_requests_total", code] == 1


def test_metrics_count_digits_confidences_and_batches(metered_server: Server, row: dict[str, Any]) -> None:
    before = read(metered_server)
    image = bytes(row[name] for name in PIXEL_NAMES)
    predictions = [metered_server.post(row).json]
    predictions += metered_server.request("POST", "/predict/batch", image * 20, RAW).json["predictions"]
    grown = difference(before, read(metered_server))
    assert grown["digits_predictions_total", "1"] == 21
    assert grown["digits_prediction_confidence_count",] == 21
    assert grown["digits_prediction_confidence_sum",] == pytest.approx(sum(one["confidence"] for one in predictions))
    assert (grown["digits_batch_images_count",], grown["digits_batch_images_sum",]) == (2, 21)
    assert grown["digits_batch_images_bucket", "20.0"] == 2
    assert grown["digits_batch_images_bucket", "10.0"] == 1


def test_metrics_split_a_predictions_time(metered_server: Server, row: dict[str, Any]) -> None:
    before = read(metered_server)
    metered_server.post(row)
    grown = difference(before, read(metered_server))
    phases = {phase: grown["digits_prediction_phase_seconds_sum", phase] for phase in ("parse", "inference", "rest")}
    assert all(seconds > 0 for seconds in phases.values())
    assert sum(phases.values()) == pytest.approx(grown["digits_http_request_duration_seconds_sum", "/predict"])


def test_metrics_measure_ink_and_centre_of_mass(metered_server: Server) -> None:
    before = read(metered_server)
    image = bytearray(784)
    image[5 * 28 + 20] = 100
    image[7 * 28 + 20] = 100
    metered_server.request("POST", "/predict/batch", bytes(image) + bytes(784), RAW)
    grown = difference(before, read(metered_server))
    assert grown["digits_input_mean_ink_sum",] == pytest.approx(200 / 784)
    assert grown["digits_input_mean_ink_count",] == 2
    # A blank image has no centre.
    assert (grown["digits_input_centre_row_sum",], grown["digits_input_centre_row_count",]) == (6, 1)
    assert (grown["digits_input_centre_column_sum",], grown["digits_input_centre_column_count",]) == (20, 1)


def test_metrics_tell_what_the_model_was_trained_on(metered_server: Server) -> None:
    samples = read(metered_server)
    assert {name: samples[f"digits_training_{name}",] for name in STATISTICS} == STATISTICS
    model = metered_server.request("GET", "/model").json["model"]
    assert samples["digits_model_info", model] == 1


def test_metrics_of_a_model_that_tells_nothing_have_no_training_statistics(tmp_path: Path) -> None:
    path = copy_model(tmp_path / "digits.h5", {"input_statistics": {"mean_ink": "much"}})
    with serve(tmp_path, DIGITS_MODEL_PATH=str(path)) as server:
        assert not [name for name in read(server) if name[0].startswith("digits_training_")]


def test_metrics_count_themselves_in_flight(metered_server: Server) -> None:
    assert read(metered_server)["digits_http_requests_in_flight",] == 1


def test_metrics_count_faults(faulty_server: Server, row: dict[str, Any]) -> None:
    before = read(faulty_server)
    faulty_server.post(row)
    grown = difference(before, read(faulty_server))
    assert grown["digits_http_requests_total", "POST", "/predict", "500"] == 1
    assert grown["digits_rejected_requests_total", "internal_error"] == 1


def test_metrics_know_the_process(metered_server: Server) -> None:
    assert 0 < read(metered_server)["process_resident_memory_bytes",] < 150e6


def count_predictions(samples: Samples) -> float:
    return sum(value for name, value in samples.items() if name[0] == "digits_predictions_total")


def test_metrics_of_two_workers_are_told_by_each_of_them(tmp_path: Path, row: dict[str, Any]) -> None:
    num_requests = 100
    options = ("--workers", "2", "--timeout-worker-healthcheck", "60")
    with serve(tmp_path, options=options, TMPDIR=str(tmp_path)) as server:
        next(None for _ in attempt() if server.log.count("is ready:") == 2)
        # Each worker answers half of them, while the other is held.
        for held in list_workers(server):
            held.suspend()
            for _ in range(num_requests // 2):
                assert server.post(row).status == 200
            held.resume()
        # A worker writes down what it has read within half a second.
        samples = next(found for _ in attempt() if count_predictions(found := read(server)) == num_requests)
        assert samples["digits_http_requests_total", "POST", "/predict", "200"] == num_requests
        assert samples["digits_http_request_duration_seconds_count", "/predict"] == num_requests
        assert samples["digits_input_mean_ink_count",] == num_requests
        assert samples["digits_http_requests_in_flight",] == 1
        assert samples["digits_model_info", server.request("GET", "/model").json["model"]] == 1


def test_metrics_of_a_killed_worker_stay_but_for_what_it_had_in_flight(tmp_path: Path, row: dict[str, Any]) -> None:
    with serve(tmp_path, options=("--workers", "2"), TMPDIR=str(tmp_path)) as server:
        next(None for _ in attempt() if server.log.count("is ready:") == 2)
        with ExitStack() as stack:
            # Connections are shared out among the workers, so that each has one of these in flight.
            head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n"
            for _ in range(8):
                stack.enter_context(socket.create_connection(("127.0.0.1", server.port))).sendall(head)
            next(None for _ in attempt() if read(server)["digits_http_requests_in_flight",] == 9)
            server.post(row)
            for worker in list_workers(server):
                worker.kill()
            next(None for _ in attempt() if server.log.count("is ready:") == 4)
        samples = next(found for _ in attempt() if (found := read(server))["digits_http_requests_in_flight",] == 1)
        assert samples["digits_http_requests_total", "POST", "/predict", "200"] == 1


def test_metrics_are_answered_while_a_worker_makes_its_files(tmp_path: Path, row: dict[str, Any]) -> None:
    with serve(tmp_path, PROMETHEUS_MULTIPROC_DIR=str(tmp_path)) as server:
        server.post(row)
        # This is what a worker leaves between opening a file and giving it its size.
        (tmp_path / "counter_1.db").touch()
        assert read(server)["digits_http_requests_total", "POST", "/predict", "200"] == 1


def test_metrics_folder_of_a_server_that_has_ended_is_removed(tmp_path: Path) -> None:
    for _ in range(2):
        with serve(tmp_path, options=("--workers", "2"), TMPDIR=str(tmp_path)) as server:
            next(None for _ in attempt() if server.log.count("is ready:") == 2)
            (folder,) = tmp_path.glob("digits-metrics-*")
            assert f"-{server.process.pid}-" in folder.name


def test_metrics_of_one_worker_need_no_folder(tmp_path: Path) -> None:
    with serve(tmp_path, TMPDIR=str(tmp_path)) as server:
        read(server)
        assert not list(tmp_path.glob("digits-metrics-*"))


def test_metrics_folder_of_the_operator_is_taken(tmp_path: Path, row: dict[str, Any]) -> None:
    folder = tmp_path / "operator" / "metrics"
    with serve(tmp_path, PROMETHEUS_MULTIPROC_DIR=str(folder)) as server:
        server.post(row)
        assert read(server)["digits_http_requests_total", "POST", "/predict", "200"] == 1
    assert list(folder.glob("counter_*.db"))
