"""What a job is: `job.json`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from askpix.producer.errors import InputError
from askpix.producer.items import Options
from askpix.producer.job_order import MAX_PART_SIZE, MAX_QUEUED
from askpix.producer.questions import Question
from askpix.producer.queues import ModelName, device_kind


class JobSpec(BaseModel):
    """job.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    created_at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    model: ModelName
    questions: tuple[Question, ...] | None
    """Asked of every item that has no questions of its own; None stands for captioning."""

    options: Options
    items: Annotated[int, Field(ge=1)]
    parts: Annotated[int, Field(ge=1, le=1_000_000)]
    part_size: Annotated[int, Field(ge=1, le=MAX_PART_SIZE)]
    fingerprint: str
    """Of the input, the questions, the options and the model's name: the same job has the same one."""

    device: str | None = None
    """The kind of device that is to answer; None stands for any."""

    notify: str | None = None
    """The Celery task, as TASK or TASK@QUEUE, that is sent when all is answered."""

    max_queued: Annotated[int, Field(ge=1, le=MAX_QUEUED)] | None = None
    """Parts that may wait in the broker at a time; None stands for what whoever queues them is set to."""

    cache: bool = True
    """Whether answers that were given before may be given again, and are kept. It makes no other job of it."""

    def items_of(self, part: int) -> int:
        """Returns how many items a part has: all but the last have as many; 0 where there is no such part."""
        return max(0, min(self.part_size, self.items - part * self.part_size))

    @field_validator("device")
    @classmethod
    def _known_kind(cls, device: str | None) -> str | None:
        try:
            if device is not None:
                device_kind(device)
        except InputError as error:
            raise ValueError(str(error)) from None
        return device
