"""What is asked: items, questions and generation options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from askpix.producer.errors import InputError
from askpix.producer.generation import Generation

MAX_TEXT = 2_000
"""Characters that a question, a choice or a prompt may have."""

MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""What a model may be called: its name is part of queue names. `check_model_name` says more."""

DEVICE_KINDS = ("cpu", "gpu", "npu", "auto")
"""Kinds of devices, as queues are called by them."""

_QUEUE_ENDINGS = frozenset({"ask", *DEVICE_KINDS})
"""A queue is called `<model>`, `<model>.cpu`, `<model>.ask` and so on."""

_Text = Annotated[str, StringConstraints(max_length=MAX_TEXT)]


class Question(BaseModel):
    """A text asked of an image; with `choices`, the answer is the likeliest of them.

    With `match`, the text is a description, and the answer how well it fits the image.

    `name` is what the answer is called in results; without one, it is called by the question's text.
    An empty text is kept, so that a row of a list that holds one fails alone, with its own error.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: _Text
    name: _Text | None = None
    choices: Annotated[tuple[_Text, ...], Field(min_length=2, max_length=1_000)] | None = None
    match: bool = False

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
        return self

    @classmethod
    def parse(cls, value: object) -> Question:
        """Returns the question that a cell holds: a text, or an object with `text`, `name`, `choices` and `match`.

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
            f"a question is a text or an object with text, name, choices and match, not {_shortened(value)}"
        )


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
