"""What is asked: items, questions and generation options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from askpix.producer.errors import InputError

MAX_TEXT = 2_000
"""Characters that a question, a choice or a prompt may have."""

MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""What a model may be called: its name is part of queue names."""

_Text = Annotated[str, StringConstraints(max_length=MAX_TEXT)]


class Question(BaseModel):
    """A text asked of an image; with `choices`, the answer is the likeliest of them.

    `name` is what the answer is called in results; without one, it is called by the question's text.
    An empty text is kept, so that a row of a list that holds one fails alone, with its own error.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: _Text
    name: _Text | None = None
    choices: Annotated[tuple[_Text, ...], Field(min_length=2, max_length=1_000)] | None = None

    def __init__(self, text: str | None = None, **values: Any) -> None:
        super().__init__(**({} if text is None else {"text": text}), **values)

    @field_validator("choices")
    @classmethod
    def _distinct(cls, choices: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if choices and (len(set(choices)) < len(choices) or not all(choice.strip() for choice in choices)):
            raise ValueError("choices must be distinct and not empty")
        return choices

    @classmethod
    def parse(cls, value: object) -> Question:
        """Returns the question that a list's cell holds: a text, or an object with `text`, `name` and `choices`.

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
        raise InputError(f"a question is a text or an object with text, name and choices, not {_shortened(value)}")


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


class Options(BaseModel):
    """How answers are generated. Decoding is greedy."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_new_tokens: Annotated[int, Field(ge=1, le=512)] = 20
    """The longest an answer may be, in tokens, beside the prompt."""

    prompt: _Text | None = None
    """A text that captions begin with and carry on from. Questions do without."""


def first_problem(error: ValidationError) -> str:
    """Returns the first thing that pydantic found, in one line."""
    problem = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    text = problem["msg"].removeprefix("Value error, ")
    return f"{place}: {text}" if place else text


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
