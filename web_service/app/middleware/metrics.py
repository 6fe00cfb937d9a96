"""What `/metrics` tells Prometheus of requests, predictions, and how the images differ from those of training.

Several workers count into files that they share, so that a scrape of any of them shows all of them.
"""

import asyncio
from collections import Counter as Tally
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import get_args

import numpy as np
from fastapi import FastAPI
from numpy.typing import NDArray

from app.errors.refusals import ErrorCode
from app.middleware.metrics_folder import (
    find_metrics_folder,
    list_dead_workers,
    list_filled_files,
    share_metrics_folder,
)
from app.prediction.reading import Reading
from digits.data.images import NUM_CLASSES
from digits.inference.artifact import Artifact
from digits.inference.input_statistics import measure_ink
from digits.inference.rejection import Reason

# prometheus_client looks for the folder once, when it is imported.
share_metrics_folder()
import prometheus_client  # noqa: E402
from prometheus_client import Counter, Gauge, Histogram, Summary  # noqa: E402
from prometheus_client.metrics_core import Metric  # noqa: E402
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead  # noqa: E402

METRICS_TYPE = prometheus_client.CONTENT_TYPE_LATEST
"""The content type of what `Metrics.write` returns."""

# Upper bounds of the histograms, in seconds, in images and in probability.
_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_IMAGES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_CONFIDENCES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
# Readings are counted together, because a call of numpy takes about as long for one image as for many: once this many
# images have been read, or after this many seconds.
_IMAGES_AT_ONCE = 256
_SECONDS_AT_MOST = 0.5
# The measures of an image that are compared with those of the training digits, by their names in the provenance.
_MEASURES = {
    "mean_ink": "Mean pixel, 0-255",
    "centre_row": "Row of the centre of mass, 0-27",
    "centre_column": "Column of the centre of mass, 0-27",
}


class BatchHistogram(Histogram):
    """A histogram that counts many values in one call; prometheus_client's own takes 0.7 to 2.5 µs for each value."""

    def observe_all(self, values: NDArray[np.floating]) -> None:
        """Count values, float `(n,)`."""
        counts = np.bincount(np.searchsorted(self._upper_bounds, values), minlength=len(self._upper_bounds))
        for bucket in counts.nonzero()[0]:
            self._buckets[bucket].inc(int(counts[bucket]))
        self._sum.inc(float(values.sum(dtype=np.float64)))


class BatchSummary(Summary):
    """A summary that counts many values in one call."""

    def observe_all(self, values: NDArray[np.floating]) -> None:
        """Count values, float `(n,)`."""
        self._count.inc(len(values))
        self._sum.inc(float(values.sum(dtype=np.float64)))


class _SharedFiles(MultiProcessCollector):
    """What the workers share, but for files that one has just made and not yet filled: the package cannot read them."""

    def collect(self) -> list[Metric]:
        merged: list[Metric] = list(self.merge(list_filled_files(Path(self._path))))  # type: ignore[no-untyped-call]
        return merged


class Metrics:
    """What one worker has counted.

    Attributes:
        num_in_flight: The requests that are not yet answered.
    """

    def __init__(self, artifact: Artifact) -> None:
        # Without this, every metric has an unused series `_created`.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # as the package has it
        self._registry = prometheus_client.CollectorRegistry()
        counter = partial(Counter, registry=self._registry)
        histogram = partial(BatchHistogram, registry=self._registry)
        self.num_in_flight = Gauge(
            "digits_http_requests_in_flight",
            "Requests not yet answered.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self._requests = counter("digits_http_requests", "Requests answered.", ("route", "method", "status"))
        self._durations = histogram(
            "digits_http_request_duration_seconds", "Time from headers to answer.", ("route",), buckets=_SECONDS
        )
        # To look up a label takes longer than to count.
        self._requests_by_labels: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._rejections = counter("digits_rejected_requests", "Requests refused, by error.", ("code",))
        for code in get_args(ErrorCode):
            self._rejections.labels(code)
        self._dropped_lines = counter("digits_dropped_log_lines", "Lines of the log that nobody took in time.")
        phases = histogram(
            "digits_prediction_phase_seconds", "Where a prediction's time goes.", ("phase",), buckets=_SECONDS
        )
        self._phases = [phases.labels(phase) for phase in ("parse", "inference", "rest")]
        self._batch_images = histogram("digits_batch_images", "Images in a request.", buckets=_IMAGES)
        digits = counter("digits_predictions", "Images read, by digit.", ("digit",))
        self._digits = [digits.labels(digit) for digit in range(NUM_CLASSES)]
        unaccepted = counter(
            "digits_unaccepted_images", "Images read that do not look like a digit, by reason.", ("reason",)
        )
        self._unaccepted = {reason: unaccepted.labels(reason) for reason in get_args(Reason)}
        self._confidences = histogram(
            "digits_prediction_confidence",
            "The most probable digit's; from /predict/image and /read, not calibrated.",
            buckets=_CONFIDENCES,
        )
        self._measures = [
            BatchSummary(f"digits_input_{name}", f"{meaning}.", registry=self._registry)
            for name, meaning in _MEASURES.items()
        ]
        for collector in (
            prometheus_client.ProcessCollector,
            prometheus_client.PlatformCollector,
            prometheus_client.GCCollector,
        ):
            collector(registry=self._registry)
        self._uncounted: list[tuple[Reading, float]] = []
        self._num_uncounted_images = 0
        self._describe_model(artifact)

    def write(self) -> bytes:
        """Return everything in Prometheus's text format, of all workers if they share a folder.

        Several workers tell nothing of the process itself: each of them would tell of another one.
        """
        self._count_readings()
        folder = find_metrics_folder()
        if folder is None:
            return prometheus_client.generate_latest(self._registry)
        for pid in list_dead_workers(folder):
            # Another worker may remove them at the same time.
            with suppress(FileNotFoundError):
                mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]  # as the package has it
        shared = prometheus_client.CollectorRegistry()
        shared.register(_SharedFiles(None, folder))  # type: ignore[no-untyped-call]  # as the package has it
        return prometheus_client.generate_latest(shared)

    def _describe_model(self, artifact: Artifact) -> None:
        """Tell which model answers, and what it was trained on."""
        gauge = partial(Gauge, registry=self._registry, multiprocess_mode="livemax")
        gauge("digits_model_info", "The model that answers.", ("version",)).labels(artifact.version).set(1)
        statistics = artifact.provenance.get("input_statistics")
        for name in (*_MEASURES, "confidence"):
            value = statistics.get(name) if isinstance(statistics, Mapping) else None
            if isinstance(value, int | float):
                meaning = f"{_MEASURES.get(name, 'Mean confidence')}, of the training digits."
                gauge(f"digits_training_{name}", meaning).set(value)

    def count_request(self, route: str, method: str, status: int, code: str | None, seconds: float) -> None:
        """Count a request that has ended; `code` is that of the error that it was answered with."""
        found = self._requests_by_labels.get((route, method, status))
        if found is None:
            found = self._requests.labels(route, method, status), self._durations.labels(route)
            self._requests_by_labels[route, method, status] = found
        found[0].inc()
        found[1].observe(seconds)
        if code is not None:
            self._rejections.labels(code).inc()

    def count_dropped_line(self) -> None:
        """Count a line of the log that could not be written."""
        self._dropped_lines.inc()

    def count_reading(self, reading: Reading, seconds: float) -> None:
        """Count what was read of a request's images, and the parts of the time that the request took."""
        if not self._uncounted:
            asyncio.get_running_loop().call_later(_SECONDS_AT_MOST, self._count_readings)
        self._uncounted.append((reading, seconds))
        self._num_uncounted_images += len(reading.probabilities)
        if self._num_uncounted_images >= _IMAGES_AT_ONCE:
            self._count_readings()

    def _count_readings(self) -> None:
        if not self._uncounted:
            return
        readings, seconds = zip(*self._uncounted, strict=True)
        self._uncounted.clear()
        self._num_uncounted_images = 0
        times = np.array([(one.parse_seconds, one.inference_seconds, 0) for one in readings])
        times[:, 2] = np.maximum(0, seconds - times.sum(axis=1))
        for phase, column in zip(self._phases, times.T, strict=True):
            phase.observe_all(column)
        self._batch_images.observe_all(np.array([float(len(one.probabilities)) for one in readings]))
        probabilities = np.concatenate([one.probabilities for one in readings])
        self._confidences.observe_all(probabilities.max(axis=1))
        for digit, count in Tally(probabilities.argmax(axis=1).tolist()).items():
            self._digits[digit].inc(count)
        for reason, count in Tally(chain.from_iterable(one.reasons for one in readings)).items():
            if reason is not None:
                self._unaccepted[reason].inc(count)
        measured = measure_ink(np.concatenate([one.moments for one in readings]))
        for measure, values in zip(self._measures, measured, strict=True):
            measure.observe_all(values)


def get_metrics(app: FastAPI) -> Metrics:
    """Return the metrics of an application."""
    metrics: Metrics = app.state.metrics
    return metrics
