"""The messages between producers and workers: one JSON object each, validated where it arrives."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from askpix.producer.errors import InputError, MessageError
from askpix.producer.items import MAX_IMAGE, MAX_IMAGES, Options, Turn, shown_in
from askpix.producer.questions import Question, check_order
from askpix.producer.shown import first_problem
from askpix.producer.sparse import Sparse

PART_TASK = "askpix.part"
ASK_TASK = "askpix.ask"

QUEUED_HEADER = "askpix_queued"
"""Header of a message: when it was put on its queue, in seconds since 1970 by its sender's clock."""

_MOMENTS = (1_577_836_800.0, 86_400.0)
"""The first of 2020, before which none was queued; and how far a clock may be ahead of another."""

MAX_ASKED = 1_000
"""What an ask may have a model weigh: its questions, or where they have choices, these; of each that is judged by
itself, yes and no. It overtakes everything."""

MAX_TURNS = 20
"""That an ask may have behind it."""

MAX_ROUND = 999

_TASK = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,199}")


def _question(value: object) -> Question:
    try:
        return value if isinstance(value, Question) else Question.parse(value)
    except InputError as error:
        raise ValueError(str(error)) from None


def _bounded_turns(value: object) -> object:
    # Before any of them is looked at, and in words.
    if isinstance(value, list | tuple) and len(value) > MAX_TURNS:
        raise ValueError(f"it has {len(value):,} turns; {MAX_TURNS} are taken")
    return value


_Questions = Annotated[tuple[Annotated[Question, BeforeValidator(_question)], ...], Field(max_length=100)]
_History = Annotated[tuple[Turn, ...], BeforeValidator(_bounded_turns)]
_Uri = Annotated[str, Field(min_length=1, max_length=2_000)]


class _Message(Sparse):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Returns the message that a task was sent.

        Raises:
            MessageError: it is not one.
        """
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            raise MessageError(f"this is no {cls.task()} message of version 1: {first_problem(error)}") from None

    @classmethod
    def task(cls) -> str:
        """Returns the name of the Celery task that takes such messages."""
        raise NotImplementedError


class PartMessage(_Message):
    """`askpix.part`: answer one part of a job. Everything else is in the job folder."""

    v: Literal[1] = 1
    job: _Uri
    """URI of the job folder."""

    part: Annotated[int, Field(ge=0, lt=1_000_000)]
    round: Annotated[int, Field(ge=0, le=MAX_ROUND)] = 0
    """Retry round; 0 is the first reading of the input."""

    @classmethod
    def task(cls) -> str:
        return PART_TASK


class AskMessage(_Message):
    """`askpix.ask`: answer one image now. The result row is the task's result."""

    # Lists and texts are what JSON has for tuples and questions.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)

    added: ClassVar[frozenset[str]] = frozenset({"cache", "stream"})

    v: Literal[1] = 1
    model: Annotated[str, Field(strict=True, min_length=1, max_length=100)]
    image: Annotated[str, Field(strict=True, min_length=1, max_length=MAX_IMAGE)] | None = None
    """A URL, an S3 URI, a data URI, or a path that the worker may read. None where the history shows an image, and no
    other one is shown."""

    questions: _Questions | None = None
    """Texts, or objects with text, name and choices. None, or an empty list, asks for a caption."""

    history: _History | None = None
    """What was asked before, and answered, in order: each question comes after it.

    An image stands in front of the question with which it was shown; where the history shows none, `image` in front of
    the first question."""

    options: Options = Options()
    output: _Uri | None = None
    """Where the result row is also written, as JSON."""

    cache: bool = True
    """Whether an answer that was given before may be given again, and is kept."""

    stream: bool = False
    """Whether the answer is told while it is generated, to whoever reads it; see `producer.streaming`."""

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.history and not self.questions:
            raise ValueError("a history needs a question after it")
        _check_images(self.images)
        if self.stream and len(self.questions or ()) > 1:
            raise ValueError("of several questions no answer can be streamed: ask them one by one")
        if sum(map(_weighed, self.questions or ())) > MAX_ASKED:
            raise ValueError(f"an ask may have {MAX_ASKED:,} choices in all: send several, or submit a job")
        try:
            check_order(self.questions or ())
        except InputError as error:
            raise ValueError(str(error)) from None
        return self

    @property
    def images(self) -> tuple[str, ...]:
        """All that are shown, in order."""
        return (*shown_in(self.history or ()), *(() if self.image is None else (self.image,)))

    @classmethod
    def task(cls) -> str:
        return ASK_TASK


def _weighed(question: Question) -> int:
    return len(question.choices or "1") * (2 if question.multiple else 1)


def _check_images(images: Sequence[str]) -> None:
    if not images:
        raise ValueError("it shows no image: give one, or a history that shows one")
    if len(images) > MAX_IMAGES:
        raise ValueError(f"it shows {len(images)} images; {MAX_IMAGES} are taken")
    if sum(map(len, images)) > MAX_IMAGE:
        raise ValueError(f"its images' references come to more than {MAX_IMAGE:,} characters together")


def queued_at(value: object, now: float) -> float | None:
    """Returns the moment that a message says it was queued at; None where that is none.

    Args:
        now: in seconds since 1970.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    earliest, ahead = _MOMENTS
    return float(value) if earliest <= value <= now + ahead else None


def notify_target(value: str) -> tuple[str, str]:
    """Returns the task and the queue that `TASK` or `TASK@QUEUE` names; the queue is Celery's default one.

    Raises:
        InputError: it names none.
    """
    task, _, queue = value.partition("@")
    queue = queue or "celery"
    if not (_TASK.fullmatch(task) and _TASK.fullmatch(queue)):
        raise InputError(f"{value[:100]!r} names no Celery task: write TASK or TASK@QUEUE")
    if task.startswith(("askpix.", "celery.")):
        raise InputError(f"{task} cannot be sent at a job's end: name a task of your own")
    return task, queue
