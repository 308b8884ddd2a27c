"""What a server measures of itself, for Prometheus; with several workers every scrape is the sum over all of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

#: Where the workers of one server share their counts; read by prometheus_client when it is first imported.
MULTIPROCESS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

_SECONDS = (0.001, 0.002, 0.004, 0.008, 0.012, 0.02, 0.035, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_COMMON_METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"})


#: A gauge that is read at the time of a scrape: its help text, and its labels and values.
Fact = tuple[str, Sequence[tuple[Mapping[str, str], float]]]
#: Such gauges by name, the same from every worker.
Facts = Callable[[], Mapping[str, Fact]]


class Instruments:
    """The counters and histograms of one app."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._registry = registry
        self._calls = Counter("aisle_http_requests", "Calls answered", ["method", "route", "status"], registry=registry)
        self._call_seconds = Histogram(
            "aisle_http_request_seconds", "Time per call", ["route"], registry=registry, buckets=_SECONDS
        )
        self._events = Counter("aisle_events", "Events received over HTTP", ["outcome"], registry=registry)
        self._recommendations = Counter(
            "aisle_recommendations", "Recommendation answers given", ["placement"], registry=registry
        )
        self._empty = Counter(
            "aisle_recommendations_empty", "Recommendation answers without an item", ["placement"], registry=registry
        )
        self._stage_seconds = Histogram(
            "aisle_stage_seconds", "Time per stage of the pipeline", ["stage"], registry=registry, buckets=_SECONDS
        )
        self._degraded = Counter("aisle_degraded", "Stages that fell back", ["stage"], registry=registry)
        self._limited = Counter(
            "aisle_rate_limited", "Calls answered 429, by who called too often", ["calls", "by"], registry=registry
        )
        self._served_lost = Counter(
            "aisle_served_lost", "Answers that could not be noted in the served log", registry=registry
        )

    def observe_call(self, method: str, route: str, status: int, seconds: float) -> None:
        """Note one answered call."""
        method = method if method in _COMMON_METHODS else "other"
        self._calls.labels(method, route, str(status)).inc()
        self._call_seconds.labels(route).observe(seconds)

    def count_events(self, *, accepted: int, duplicates: int, rejected: int) -> None:
        """Note what became of the events of one call."""
        for outcome, number in (("accepted", accepted), ("duplicate", duplicates), ("rejected", rejected)):
            if number:
                self._events.labels(outcome).inc(number)

    def observe_answer(
        self, placement: str, *, num_items: int, degraded: list[str], stage_ms: Mapping[str, float]
    ) -> None:
        """Note one recommendation: how its stages went, and which of them fell back."""
        self._recommendations.labels(placement).inc()
        if not num_items:
            self._empty.labels(placement).inc()
        for stage, milliseconds in stage_ms.items():
            self._stage_seconds.labels(stage).observe(milliseconds / 1000)
        for entry in degraded:
            self._degraded.labels(entry.partition(":")[0]).inc()

    def count_limited(self, calls: str, by: str) -> None:
        """Note a call that was refused because its address or its key called too often."""
        self._limited.labels(calls, by).inc()

    def count_served_lost(self, number: int) -> None:
        """Note answers that are missing from the served log."""
        self._served_lost.inc(number)

    def exposition(self, facts: Facts) -> bytes:
        """Everything in Prometheus' text format."""
        registry = self._registry
        if os.environ.get(MULTIPROCESS_VARIABLE):
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        present = CollectorRegistry()
        present.register(_FactsCollector(facts))
        return generate_latest(registry) + generate_latest(present)


class _FactsCollector:
    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def collect(self) -> Iterator[Metric]:
        for name, (help_text, samples) in self._facts().items():
            gauge = GaugeMetricFamily(name, help_text, labels=list(samples[0][0]))
            for labels, value in samples:
                gauge.add_metric(list(labels.values()), value)
            yield gauge
