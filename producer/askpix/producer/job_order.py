"""What is ordered with a job's images: all of `job.json` that is known before they are read."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from askpix.producer.errors import JobError
from askpix.producer.items import Options
from askpix.producer.messages import notify_target
from askpix.producer.questions import Question
from askpix.producer.queues import check_model_name, device_kind

PART_SIZE = 256
"""Items in a part, unless a job says otherwise."""

MAX_PART_SIZE = 100_000

MAX_QUEUED = 100_000
"""Parts of a job that may wait in the broker at a time, at the most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """How a job's images are to be answered. `JobSpec` has these fields, too, and says what they mean.

    Raises:
        InputError: the model, `device` or `notify` cannot be called so.
        JobError: the size of the parts, or how many may wait at a time, is out of bounds.
    """

    model: str
    questions: tuple[Question, ...] | None = None
    options: Options = field(default_factory=Options)
    part_size: int = PART_SIZE
    device: str | None = None
    notify: str | None = None
    max_queued: int | None = None
    cache: bool = True

    def __post_init__(self) -> None:
        check_model_name(self.model)
        if self.notify is not None:
            notify_target(self.notify)
        if self.device is not None:
            device_kind(self.device)
        if not 1 <= self.part_size <= MAX_PART_SIZE:
            raise JobError(f"a part holds 1 to {MAX_PART_SIZE} items, not {self.part_size}")
        if self.max_queued is not None and not 1 <= self.max_queued <= MAX_QUEUED:
            raise JobError(f"1 to {MAX_QUEUED} parts of a job can wait at a time, not {self.max_queued}")

    def fingerprint_header(self) -> bytes:
        """Returns what the job's fingerprint begins with, before its items."""
        # Without what was not given: a setting that a later version adds does not make another job of it.
        asked = None if self.questions is None else [one.model_dump(exclude_defaults=True) for one in self.questions]
        parts = {"format": 1, "model": self.model, "questions": asked, "part_size": self.part_size}
        parts["options"] = self.options.model_dump(exclude_defaults=True)
        return json.dumps(parts, sort_keys=True).encode()
