"""What a worker counts of its own work, where it is known. Metrics read it; nothing here knows of them.

An observation is one addition under a lock of its own, so that the work that is counted does not feel it: all of an
item's together take 7.5 microseconds (`make bench-metrics`), where what an item costs beside the model is up to 1,000.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from askpix.producer.rows import Row
from askpix.worker.codes import item_code, refusal

STAGE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
ITEM_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
PART_SECONDS = (0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0)
BATCH_SIZES = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 40.0, 64.0)

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """How values are spread, as of a moment."""

    bounds: Sequence[float]
    """Upper ends, themselves included, of all classes but the last."""

    counts: Sequence[int]
    """Of the values in each class; there is one more than there are bounds."""

    total: float
    """Sum of all values."""


class Tally:
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

    def read(self) -> Spread:
        with self._lock:
            return Spread(self._bounds, tuple(self._counts), self._total)


class LabelledTally:
    """A tally for each set of labels that there was a value of."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._tallies: dict[Labels, Tally] = {}

    def of(self, *labels: str) -> Tally:
        # `setdefault` is atomic: two threads get the same one.
        return self._tallies.get(labels) or self._tallies.setdefault(labels, Tally(self._bounds))

    def read(self) -> dict[Labels, Spread]:
        return {labels: tally.read() for labels, tally in list(self._tallies.items())}


class Counts:
    """Counts by labels. Any thread may add."""

    def __init__(self) -> None:
        self._counts: Counter[Labels] = Counter()
        self._lock = threading.Lock()

    def add(self, *labels: str, by: int = 1) -> None:
        with self._lock:
            self._counts[labels] += by

    def read(self) -> dict[Labels, int]:
        with self._lock:
            return dict(self._counts)


class Level:
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


class StageTally:
    """How long the batches of one stage of an engine take, and how large they are."""

    __slots__ = ("seconds", "sizes")

    def __init__(self) -> None:
        self.seconds = Tally(STAGE_SECONDS)
        self.sizes = Tally(BATCH_SIZES)

    def add(self, seconds: float, size: int) -> None:
        self.seconds.add(seconds)
        self.sizes.add(size)


class Tallies:
    """What one worker has done since it began, its engines apart. No label is anything that a message, an item or an
    image says: there are as many as there are codes, models and devices."""

    def __init__(self) -> None:
        self.items = Counts()
        """By model, device, source (`part` or `ask`), status and error code, which is empty where there is none."""
        self.answers = Counts()
        """Of items, by model, device and kind."""
        self.item_seconds = LabelledTally(ITEM_SECONDS)
        """From taking an item to its last answer; by model, device and source."""
        self.part_seconds = LabelledTally(PART_SECONDS)
        """From taking a part to its result being written; by model and device."""
        self.parts = Counts()
        """Parts that were taken, by how that ended."""
        self.taken_over = Counts()
        """Parts that a worker had begun and not ended when this one took them; without labels."""
        self.losses = Counts()
        """How often this worker found a job's messages lost, and queued them again; without labels."""
        self.refused = Counts()
        """Messages that were refused, by reason."""
        self.fetch_seconds = Tally(STAGE_SECONDS)
        self.decode_seconds = Tally(STAGE_SECONDS)
        self.write_seconds = Tally(STAGE_SECONDS)
        """Of results."""
        self.loading = Level()
        """Images that are being fetched or decoded."""

    def made(self, rows: Sequence[Row], source: str) -> None:
        """Counts rows that this worker has made, each once."""
        for row in rows:
            own = (row.model, row.device)
            self.items.add(*own, source, row.status.value, item_code(row.error_code) if row.error_code else "")
            self.item_seconds.of(*own, source).add(row.seconds)
            for answer in row.answers:
                self.answers.add(*own, str(answer.kind))

    def refuse(self, reason: str) -> None:
        """Counts a message that was refused."""
        self.refused.add(refusal(reason))
