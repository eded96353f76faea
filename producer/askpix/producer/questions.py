"""A question, and what becomes of its answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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

MAX_TEXT = 2_000
"""Characters that a question, a choice or a prompt may have."""

MAX_SCHEMA = 20_000
"""Characters that a JSON schema may have."""

_ADDED = frozenset({"json_schema", "after"})
"""Fields of questions that jobs of before do not have: they must not become others by it."""

_Text = Annotated[str, StringConstraints(max_length=MAX_TEXT)]


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
            raise InputError(f"the question {shown_value(value)} is not valid: {first_problem(error)}") from None
        raise InputError(
            f"a question is a text or an object with {', '.join(cls.model_fields)}, not {shown_value(value)}"
        )


def check_order(questions: Sequence[Question]) -> None:
    """Raises InputError where a question comes after another that is not asked before it."""
    before = set[str]()
    for question in questions:
        if question.after is not None and question.after not in before:
            raise InputError(
                f"the question {shown_value(question.text)} comes after {shown_value(question.after)}, "
                "but no question before it has that name"
            )
        before.add(question.name or question.text)


def first_problem(error: ValidationError) -> str:
    """Returns the first thing that pydantic found, in one line."""
    problem = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    text = problem["msg"].removeprefix("Value error, ")
    return f"{place}: {text}" if place else text


def shown_value(value: object) -> str:
    """Returns a value as Python writes it, cut to 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
