"""What `/metrics` tells Prometheus of requests, predictions, and how the images differ from those of training.

Each worker process counts for itself.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, get_args

import numpy as np
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from app.errors.refusals import ErrorCode
from app.middleware.tallies import Distribution, Mean
from app.prediction.reading import Reading
from digits.data.images import NUM_CLASSES
from digits.inference.artifact import Artifact
from digits.inference.input_statistics import measure_ink
from digits.inference.rejection import Reason

_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_IMAGES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_CONFIDENCES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
# Many are counted in the time of one: what numpy takes for a call, not for the numbers, is what would be felt.
_READINGS_AT_ONCE = 256
_IMAGES_AT_ONCE = 1_000
PHASES = ("parse", "inference", "rest")
# The measures of an image that are held against those of training, with the names in the artifact's provenance.
MEASURES = {
    "mean_ink": "Mean pixel, 0-255",
    "centre_row": "Row of the centre of mass, 0-27",
    "centre_column": "Column of the centre of mass, 0-27",
}


class Metrics(Collector):
    """The counts of one process."""

    def __init__(self) -> None:
        self.num_in_flight = 0
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._rejections = Counter(dict.fromkeys(get_args(ErrorCode), 0))
        self._request_seconds: dict[str, Distribution] = {}
        self._phase_seconds = {phase: Distribution(*_SECONDS) for phase in PHASES}
        self._batch_images = Distribution(*_IMAGES)
        self._digits = np.zeros(NUM_CLASSES, np.int64)
        self._reasons: Counter[Reason | None] = Counter()
        self._uncounted: list[tuple[Reading, float]] = []
        self._num_uncounted_images = 0
        self._confidences = Distribution(*_CONFIDENCES)
        self._measures = {name: Mean() for name in MEASURES}
        self._artifact: Artifact | None = None
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)

    def write(self, artifact: Artifact) -> bytes:
        """Return everything in Prometheus's text format, with what is known of the model."""
        self._artifact = artifact
        return generate_latest(self._registry)

    def count_request(self, route: str, method: str, status: int, code: str | None, seconds: float) -> None:
        """Count a request that ended; `code` is of the error that it was answered with."""
        self._requests[route, method, status] += 1
        if route not in self._request_seconds:
            self._request_seconds[route] = Distribution(*_SECONDS)
        self._request_seconds[route].add(seconds)
        if code is not None:
            self._rejections[code] += 1

    def count_reading(self, reading: Reading, seconds: float) -> None:
        """Count what was read of a request's images, and of which parts its time was made."""
        self._uncounted.append((reading, seconds))
        self._num_uncounted_images += len(reading.probabilities)
        if len(self._uncounted) >= _READINGS_AT_ONCE or self._num_uncounted_images >= _IMAGES_AT_ONCE:
            self._count_readings()

    def _count_readings(self) -> None:
        if not self._uncounted:
            return
        readings, seconds = zip(*self._uncounted, strict=True)
        self._uncounted.clear()
        self._num_uncounted_images = 0
        times = np.array([(one.parse_seconds, one.inference_seconds, 0) for one in readings])
        times[:, 2] = np.maximum(0, seconds - times.sum(axis=1))
        for distribution, column in zip(self._phase_seconds.values(), times.T, strict=True):
            distribution.add_all(column)
        self._batch_images.add_all(np.array([float(len(one.probabilities)) for one in readings]))
        probabilities = np.concatenate([one.probabilities for one in readings])
        self._confidences.add_all(probabilities.max(axis=1))
        self._digits += np.bincount(probabilities.argmax(axis=1), minlength=NUM_CLASSES)
        self._reasons.update(chain.from_iterable(one.reasons for one in readings))
        measured = measure_ink(np.concatenate([one.moments for one in readings]))
        for mean, values in zip(self._measures.values(), measured, strict=True):
            mean.add_all(values)

    def collect(self) -> Iterator[Metric]:
        """Yield the counts as prometheus_client wants them."""
        self._count_readings()
        yield from self._collect_requests()
        yield from self._collect_predictions()
        yield from self._collect_measures()
        if self._artifact is not None:
            yield InfoMetricFamily("digits_model", "The model that answers.", {"version": self._artifact.version})
            yield from _collect_training(self._artifact.provenance)

    def _collect_requests(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "digits_http_requests", "Requests answered.", labels=("route", "method", "status")
        )
        for (route, method, status), count in self._requests.items():
            requests.add_metric((route, method, str(status)), count)
        yield requests
        yield GaugeMetricFamily("digits_http_requests_in_flight", "Requests not yet answered.", self.num_in_flight)
        rejections = CounterMetricFamily("digits_rejected_requests", "Requests refused, by error.", labels=("code",))
        for code, count in self._rejections.items():
            rejections.add_metric((code,), count)
        yield rejections
        yield _make_histogram(
            "digits_http_request_duration_seconds", "Time from headers to answer.", "route", self._request_seconds
        )

    def _collect_predictions(self) -> Iterator[Metric]:
        phases = self._phase_seconds
        yield _make_histogram("digits_prediction_phase_seconds", "Where a prediction's time goes.", "phase", phases)
        yield _make_histogram("digits_batch_images", "Images in a request.", None, {"": self._batch_images})
        digits = CounterMetricFamily("digits_predictions", "Images read, by digit.", labels=("digit",))
        for digit, count in enumerate(self._digits.tolist()):
            digits.add_metric((str(digit),), count)
        yield digits
        unaccepted = CounterMetricFamily(
            "digits_unaccepted_images", "Images read that do not look like a digit, by reason.", labels=("reason",)
        )
        for reason in get_args(Reason):
            unaccepted.add_metric((reason,), self._reasons[reason])
        yield unaccepted
        confidences = {"": self._confidences}
        yield _make_histogram(
            "digits_prediction_confidence",
            "The most probable digit's; from /predict/image and /read, not calibrated.",
            None,
            confidences,
        )

    def _collect_measures(self) -> Iterator[Metric]:
        for name, mean in self._measures.items():
            yield SummaryMetricFamily(f"digits_input_{name}", f"{MEASURES[name]}.", mean.count, mean.total)


def get_metrics(app: FastAPI) -> Metrics:
    """Return the metrics of an application."""
    metrics: Metrics = app.state.metrics
    return metrics


def _collect_training(provenance: Mapping[str, Any]) -> Iterator[Metric]:
    statistics = provenance.get("input_statistics")
    for name in (*MEASURES, "confidence"):
        value = statistics.get(name) if isinstance(statistics, Mapping) else None
        if isinstance(value, int | float):
            meaning = f"{MEASURES.get(name, 'Mean confidence')}, of the training digits."
            yield GaugeMetricFamily(f"digits_training_{name}", meaning, value)


def _make_histogram(
    name: str, meaning: str, label: str | None, distributions: Mapping[str, Distribution]
) -> HistogramMetricFamily:
    histogram = HistogramMetricFamily(name, meaning, labels=(label,) if label else ())
    for value, distribution in distributions.items():
        histogram.add_metric((value,) if label else (), distribution.list_buckets(), distribution.total)
    return histogram
