"""Families of metrics, as prometheus_client writes them, from what a worker has counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry

from askpix.worker.instruments import HistogramSnapshot, Labels

Values = Mapping[Labels, float]


class Families(list[Metric]):
    """Families of one exposition, in order. All are there from the start, also those without a value yet."""

    def counter(self, name: str, about: str, labels: Sequence[str], values: Values) -> None:
        family = CounterMetricFamily(name, about, labels=labels)
        for own, value in sorted(values.items()):
            family.add_metric(own, value)
        self.append(family)

    def gauge(self, name: str, about: str, labels: Sequence[str], values: Values) -> None:
        family = GaugeMetricFamily(name, about, labels=labels)
        for own, value in sorted(values.items()):
            family.add_metric(own, value)
        self.append(family)

    def histogram(
        self, name: str, about: str, labels: Sequence[str], snapshots: Mapping[Labels, HistogramSnapshot]
    ) -> None:
        family = HistogramMetricFamily(name, about, labels=labels)
        for own, snapshot in sorted(snapshots.items()):
            family.add_metric(own, _buckets(snapshot), snapshot.total)
        self.append(family)


class _Fixed(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def text(families: Iterable[Metric]) -> bytes:
    """Returns an exposition in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Fixed(families))
    return generate_latest(registry)


def _buckets(snapshot: HistogramSnapshot) -> list[tuple[str, float]]:
    found, below = [], 0
    for bound, count in zip((*snapshot.bounds, float("inf")), snapshot.counts, strict=True):
        below += count
        found.append(("+Inf" if bound == float("inf") else repr(float(bound)), float(below)))
    return found
