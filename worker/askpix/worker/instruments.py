"""Counters, gauges and histograms that any thread may add to, in the words of Prometheus. They know nothing of what is
counted.

An observation is one addition under a lock of its own, so that the work that is counted does not feel it: all of an
item's together take 7.3 microseconds (`make bench-metrics`), where what an item costs beside the model is up to 1,000.
"""

from __future__ import annotations

import collections
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

STAGE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
BATCH_SIZES = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 40.0, 64.0)

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HistogramSnapshot:
    """How values are distributed, as of a moment."""

    bounds: Sequence[float]
    """Upper ends, themselves included, of all classes but the last."""

    counts: Sequence[int]
    """Of the values in each class; there is one more than there are bounds."""

    total: float
    """Sum of all values."""


class Histogram:
    """Counts values by their size. Any thread may add."""

    __slots__ = ("_bounds", "_counts", "_lock", "_total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0
        self._lock = threading.Lock()

    def add(self, value: float) -> None:
        place = bisect_left(self._bounds, value)
        with self._lock:
            self._counts[place] += 1
            self._total += value

    @contextmanager
    def timing(self) -> Iterator[None]:
        """Adds the seconds that a block takes, however it ends."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.add(time.perf_counter() - began)

    def read(self) -> HistogramSnapshot:
        with self._lock:
            return HistogramSnapshot(self._bounds, tuple(self._counts), self._total)


class LabelledHistogram:
    """A histogram for each set of labels that there was a value of."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._histograms: dict[Labels, Histogram] = {}

    def of(self, *labels: str) -> Histogram:
        # `setdefault` is atomic: two threads get the same one.
        return self._histograms.get(labels) or self._histograms.setdefault(labels, Histogram(self._bounds))

    def read(self) -> dict[Labels, HistogramSnapshot]:
        return {labels: histogram.read() for labels, histogram in list(self._histograms.items())}


class Counter:
    """Counts by labels. Any thread may add."""

    def __init__(self) -> None:
        self._counts: collections.Counter[Labels] = collections.Counter()
        self._lock = threading.Lock()

    def add(self, *labels: str, by: int = 1) -> None:
        with self._lock:
            self._counts[labels] += by

    def read(self) -> dict[Labels, int]:
        with self._lock:
            return dict(self._counts)


class Gauge:
    """How many of something there are at a time."""

    def __init__(self) -> None:
        self._count = 0
        self._lock = threading.Lock()

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Counts one as long as a block lasts."""
        with self._lock:
            self._count += 1
        try:
            yield
        finally:
            with self._lock:
                self._count -= 1

    def read(self) -> int:
        return self._count


class StageHistograms:
    """How long the batches of one stage of an engine take, and how large they are."""

    __slots__ = ("seconds", "sizes")

    def __init__(self) -> None:
        self.seconds = Histogram(STAGE_SECONDS)
        self.sizes = Histogram(BATCH_SIZES)

    def add(self, seconds: float, size: int) -> None:
        self.seconds.add(seconds)
        self.sizes.add(size)
