"""What a worker counts of its own work, where it is known. Metrics read it; nothing here knows of them."""

from __future__ import annotations

from collections.abc import Sequence

from askpix.producer.rows import Row
from askpix.worker.error_codes import item_code, refusal
from askpix.worker.instruments import STAGE_SECONDS, Counter, Gauge, Histogram, LabelledHistogram

ITEM_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
PART_SECONDS = (0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0)


class Tallies:
    """What one worker has done since it began, its engines apart. No label is anything that a message, an item or an
    image says: there are as many as there are codes, models and devices."""

    def __init__(self) -> None:
        self.items = Counter()
        """By model, device, source (`part` or `ask`), status and error code, which is empty where there is none."""
        self.answers = Counter()
        """Of items, by model, device and kind."""
        self.lookups = Counter()
        """Answers that were looked up, by whether they were there: `hit` or `miss`."""
        self.item_seconds = LabelledHistogram(ITEM_SECONDS)
        """From taking an item to its last answer; by model, device and source."""
        self.part_seconds = LabelledHistogram(PART_SECONDS)
        """From taking a part to its result being written; by model and device."""
        self.parts = Counter()
        """Parts that were taken, by how that ended."""
        self.taken_over = Counter()
        """How often this worker took a part that others had begun and not ended, at any time before; without labels."""
        self.losses = Counter()
        """How often this worker found a job's messages lost, and queued them again; without labels."""
        self.refused = Counter()
        """Messages that were refused, by reason."""
        self.fetch_seconds = Histogram(STAGE_SECONDS)
        self.decode_seconds = Histogram(STAGE_SECONDS)
        self.write_seconds = Histogram(STAGE_SECONDS)
        """Of results."""
        self.loading = Gauge()
        """Images that are being fetched or decoded."""

    def made(self, rows: Sequence[Row], source: str) -> None:
        """Counts rows that this worker has made, each once."""
        for row in rows:
            own = (row.model, row.device)
            self.items.add(*own, source, row.status.value, item_code(row.error_code) if row.error_code else "")
            self.item_seconds.of(*own, source).add(row.seconds)
            for answer in row.answers:
                self.answers.add(*own, str(answer.kind))
                if answer.cached is not None:
                    self.lookups.add("hit" if answer.cached else "miss")

    def refuse(self, reason: str) -> None:
        """Counts a message that was refused."""
        self.refused.add(refusal(reason))
