"""The messages between producers and workers: one JSON object each, validated where it arrives."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from askpix.producer.errors import MessageError
from askpix.producer.items import first_problem

PART_TASK = "askpix.part"


class PartMessage(BaseModel):
    """`askpix.part`: answer one part of a job. Everything else is in the job folder."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    v: Literal[1] = 1
    job: Annotated[str, Field(min_length=1, max_length=2_000)]
    """URI of the job folder."""

    part: Annotated[int, Field(ge=0, lt=1_000_000)]
    round: Annotated[int, Field(ge=0, le=0)] = 0
    """Retry round; 0 is the first reading of the input."""

    @classmethod
    def parse(cls, value: Any) -> PartMessage:
        """Returns the message that a task was sent.

        Raises:
            MessageError: it is not one.
        """
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            raise MessageError(f"this is no {PART_TASK} message of version 1: {first_problem(error)}") from None
