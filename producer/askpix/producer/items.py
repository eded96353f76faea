"""What is asked: items, questions and generation options."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from askpix.producer.errors import InputError
from askpix.producer.generation import Generation

MAX_TEXT = 2_000
"""Characters that a question, a choice or a prompt may have."""

MAX_ANSWER = 20_000
"""Characters that an answer may have which a model is told again."""

MAX_IMAGE = 28_000_000
"""Characters that an ask's image references may have together: a data URI of the largest file that workers take."""

MAX_IMAGES = 8
"""That an ask may show, each time that one is shown."""

MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""What a model may be called: its name is part of queue names. `check_model_name` says more."""

DEVICE_KINDS = ("cpu", "gpu", "npu", "auto", "hetero", "multi")
"""Kinds of devices, as queues are called by them; the last three stand for several devices."""

_ADDED = frozenset({"json_schema", "after"})
"""Fields of questions that jobs of before do not have: they must not become others by it."""

_QUEUE_ENDINGS = frozenset({"ask", *DEVICE_KINDS})
"""A queue is called `<model>`, `<model>.cpu`, `<model>.ask` and so on."""

MAX_SCHEMA = 20_000
"""Characters that a JSON schema may have."""

_Text = Annotated[str, StringConstraints(max_length=MAX_TEXT)]
_Reference = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=MAX_IMAGE)]


def _schema_text(value: object) -> object:
    """Returns a JSON schema as a text; one that is a text already in the same spelling for the same schema."""
    if value is None:
        return None
    try:
        schema = json.loads(value) if isinstance(value, str) else value
        text = json.dumps(schema, ensure_ascii=False, allow_nan=False)
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"json_schema is not JSON: {str(error)[:100]}") from None
    if not isinstance(schema, dict):
        raise ValueError("json_schema must be an object, such as {type: object, properties: ...}")
    if len(text) > MAX_SCHEMA:
        raise ValueError(f"json_schema has {len(text):,} characters; at most {MAX_SCHEMA:,} are taken")
    return text


_Schema = Annotated[str, BeforeValidator(_schema_text)]


class Question(BaseModel):
    """A text asked of an image; with `choices`, the answer is the likeliest of them.

    With `match`, the text is a description, and the answer how well it fits the image. With `json_schema`, the
    answer is JSON that keeps to that schema. With `after`, the model is told an earlier question of that name, and what
    it answered, before this one.

    `{column}` in a text stands for what the list has there for the image; `{{` and `}}` stand for braces.

    `name` is what the answer is called in results; without one, it is called by the question's text.
    An empty text is kept, so that a row of a list that holds one fails alone, with its own error.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: _Text
    name: _Text | None = None
    choices: Annotated[tuple[_Text, ...], Field(min_length=2, max_length=1_000)] | None = None
    match: bool = False
    json_schema: _Schema | None = None
    """As JSON text, however it was given."""

    after: _Text | None = None

    def __init__(self, text: str | None = None, **values: Any) -> None:
        super().__init__(**({} if text is None else {"text": text}), **values)

    @field_validator("choices")
    @classmethod
    def _distinct(cls, choices: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if choices and (len(set(choices)) < len(choices) or not all(choice.strip() for choice in choices)):
            raise ValueError("choices must be distinct and not empty")
        return choices

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.match and self.choices:
            raise ValueError("choices and match do not go together: ask for each text's match by itself")
        if self.json_schema is not None and (self.match or self.choices):
            raise ValueError("json_schema goes with neither choices nor match")
        return self

    def to_record(self) -> dict[str, Any]:
        """Returns the question as plain values; what later versions added to questions only where it is there."""
        record = self.model_dump()
        return {name: value for name, value in record.items() if value is not None or name not in _ADDED}

    @classmethod
    def parse(cls, value: object) -> Question:
        """Returns the question that a cell holds: a text, or an object with `text`, `name`, `choices` and so on.

        Raises:
            InputError: it is neither.
        """
        try:
            if isinstance(value, str):
                return cls(value)
            if isinstance(value, Mapping):
                return cls.model_validate(dict(value))
        except ValidationError as error:
            raise InputError(f"the question {_shortened(value)} is not valid: {first_problem(error)}") from None
        raise InputError(
            f"a question is a text or an object with {', '.join(cls.model_fields)}, not {_shortened(value)}"
        )


@dataclass(frozen=True, slots=True)
class Turn:
    """What was asked before, and answered. Where it comes with a message, its lengths are checked."""

    __pydantic_config__ = ConfigDict(extra="forbid", revalidate_instances="always")

    question: _Text
    """An empty one stands for what a model is told where a caption is asked for."""

    answer: Annotated[str, StringConstraints(max_length=MAX_ANSWER)]
    images: tuple[_Reference, ...] = ()
    """References of the images that were shown with the question, in front of it."""


def shown_in(history: Iterable[Turn]) -> tuple[str, ...]:
    """Returns the images that a conversation has shown, in order, each as often as it was shown."""
    return tuple(image for turn in history for image in turn.images)


def check_order(questions: Sequence[Question]) -> None:
    """Raises InputError where a question comes after another that is not asked before it."""
    before = set[str]()
    for question in questions:
        if question.after is not None and question.after not in before:
            raise InputError(
                f"the question {_shortened(question.text)} comes after {_shortened(question.after)}, "
                "but no question before it has that name"
            )
        before.add(question.name or question.text)


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One image and what is asked of it."""

    image: str
    """A URL, a path or a data URI."""

    id: str | None = None
    """Unique in the job. Without one, the item is known by its image reference."""

    questions: tuple[Question, ...] | None = None
    """None stands for the job's own questions."""

    group: str | None = None
    """Which product, page or record the image belongs to, in the caller's own terms."""

    extra: Mapping[str, Any] = field(default_factory=dict)
    """The caller's other columns, carried through to the results untouched. JSON values only."""


class Options(Generation):
    """How answers are generated."""

    prompt: _Text | None = None
    """A text that captions begin with and carry on from. Questions do without."""

    system: _Text | None = None
    """What a model of the LLaVA kind is told before all else."""

    @classmethod
    def parse(cls, value: Mapping[str, Any]) -> Options:
        """Returns the options that a mapping of names to values holds; those that it lacks keep their defaults.

        Raises:
            InputError: it is no mapping, an option is not known, or its value is not one that it takes.
        """
        known = ", ".join(cls.model_fields)
        if not isinstance(value, Mapping):
            raise InputError(f"generation options are an object with {known}, not {_shortened(value)}")
        for name in value:
            if name not in cls.model_fields:
                raise InputError(f"there is no generation option {_shortened(name)}; there is {known}")
        try:
            return cls.model_validate(dict(value))
        except ValidationError as error:
            raise InputError(f"a generation option is not valid: {first_problem(error)}") from None


def check_model_name(name: str) -> str:
    """Returns a model's name, if it is one.

    Raises:
        InputError: it holds what no queue's name may, or would be taken for the queue of another model.
    """
    if not MODEL_NAME.fullmatch(name):
        raise InputError(
            f"{_shortened(name)} is no model name: use up to 100 letters, digits, '.', '_' and '-', "
            "a letter or a digit first"
        )
    model, _, ending = name.rpartition(".")
    if model and ending.lower() in _QUEUE_ENDINGS:
        raise InputError(f"a model cannot be called {name!r}: that is the name of a queue of the model {model!r}")
    return name


def first_problem(error: ValidationError) -> str:
    """Returns the first thing that pydantic found, in one line."""
    problem = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    text = problem["msg"].removeprefix("Value error, ")
    return f"{place}: {text}" if place else text


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
