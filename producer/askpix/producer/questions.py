"""A question, and what becomes of its answer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from askpix.producer.braces import asks_of_choice
from askpix.producer.calibration import Calibration
from askpix.producer.errors import InputError
from askpix.producer.shown import first_problem, shown_value
from askpix.producer.sparse import Sparse
from askpix.producer.text_limits import Text

MAX_SCHEMA = 20_000
"""Characters that a JSON schema may have."""

MAX_CONDITIONS = 20
"""That a question may depend on."""

MAX_CHOICES = 1_000
"""That a question may have, and terms that a condition may name."""

MAX_MAPPED = 10_000
"""Words of a model that a map may name."""

CAPTION = "caption"
"""What the answer is called where nothing is asked."""

YES, NO = "yes", "no"
"""How it is said whether a text fits, or a choice is so."""

SEPARATOR = ", "
"""Between the terms of an answer that may have several."""

ATTRIBUTES = frozenset({"multiple", "when", "below", "then", "map", "calibration"})
"""Fields of questions that are written only where they are used: workers of before refuse what they do not know."""

_ADDED = frozenset({"json_schema", "after", *ATTRIBUTES})
"""Fields of questions that jobs of before do not have: they must not become others by it."""


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


def _from_text(value: object) -> object:
    """Returns what a cell of a table holds as JSON text; other values as they are."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise ValueError("it is neither an object nor one as JSON text") from None


def _conditions(value: object) -> object:
    """Returns conditions in which a single text stands for a list of one."""
    value = _from_text(value)
    if not isinstance(value, Mapping):
        return value
    return {name: (terms,) if isinstance(terms, str) else terms for name, terms in value.items()}


_Terms = Annotated[tuple[Text, ...], Field(min_length=1, max_length=MAX_CHOICES)]
_When = Annotated[Mapping[Text, _Terms], BeforeValidator(_conditions), Field(min_length=1, max_length=MAX_CONDITIONS)]
_Map = Annotated[Mapping[Text, Text], BeforeValidator(_from_text), Field(min_length=1, max_length=MAX_MAPPED)]
_Calibration = Annotated[Calibration, BeforeValidator(_from_text)]


class Question(Sparse):
    """A text asked of an image; with `choices`, the answer is the likeliest of them.

    With `match`, the text is a description, and the answer how well it fits the image. With `json_schema`, the
    answer is JSON that keeps to that schema. With `after`, the model is told an earlier question of that name, and what
    it answered, before this one.

    `{column}` in a text stands for what the list has there for the image; `{{` and `}}` stand for braces.

    `name` is what the answer is called in results; without one, it is called by the question's text.
    An empty text is kept, so that a row of a list that holds one fails alone, with its own error.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    added: ClassVar[frozenset[str]] = ATTRIBUTES

    text: Text
    """What is asked; with `match`, a description."""

    name: Text | None = None
    """What the answer is called in results; None stands for the text."""

    choices: Annotated[tuple[Text, ...], Field(min_length=2, max_length=MAX_CHOICES)] | None = None
    """The answers that there are, all different; None where the model answers in its own words."""

    match: bool = False
    """Whether the answer is how well the text fits."""

    json_schema: _Schema | None = None
    """That the answer keeps to: as JSON text, however it was given."""

    after: Text | None = None
    """The name of the earlier question that the model is told before this one, with its answer."""

    multiple: bool = False
    """Whether any number of the choices may be so: each is judged by itself, by the text with `{choice}` in it, which
    asks for yes or no."""

    when: _When | None = None
    """Asked only where earlier questions, by their names, were answered by one of these terms each."""

    below: Annotated[float, Field(gt=0, le=1)] | None = None
    """The confidence under which the answer is `then` instead."""

    then: Text | None = None
    """The answer that stands for all that is not sure enough."""

    map: _Map | None = None
    """What results say for a model's words: for choices, or for open answers, however these are capitalised."""

    calibration: _Calibration | None = None
    """What makes the model's probabilities of the choices those with which it is right."""

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

    @model_validator(mode="after")
    def _several(self) -> Self:
        if not self.multiple:
            return self
        if not self.choices:
            raise ValueError("multiple needs choices, of which any number may be so")
        if not asks_of_choice(self.text):
            raise ValueError(
                "multiple needs {choice} in the text, which is asked of each choice, such as "
                "'is there a {choice} on it?'"
            )
        terms = [*self.choices, *(self.map or {}).values(), self.then or ""]
        if apart := [term for term in terms if SEPARATOR.strip() in term]:
            raise ValueError(f"with multiple, terms are joined by commas, so none may have one: {apart[0]!r}")
        return self

    @model_validator(mode="after")
    def _of_choices(self) -> Self:
        if (self.below is None) != (self.then is None):
            raise ValueError("below and then go together: below: 0.4 and then: unknown")
        if self.match and (self.below is not None or self.map is not None):
            raise ValueError("below and map do not go with match")
        if self.calibration is not None and not self.choices:
            raise ValueError("calibration is for choices")
        if self.calibration is not None and self.calibration.whole is not None and not self.multiple:
            raise ValueError("calibration: whole is for multiple")
        _check_capitals(() if self.choices else (self.map or {}).items())
        known = set(self.choices or ())
        for field, words in (("map", self.map or {}), ("calibration", getattr(self.calibration, "shifts", {}))):
            if known and (odd := [word for word in words if word not in known]):
                raise ValueError(f"{field} names {odd[0]!r}, which is none of the choices")
        return self

    @property
    def title(self) -> str:
        """What the answer is called in results."""
        return self.name or self.text

    @property
    def is_scored(self) -> bool:
        """Whether a model weighs texts that are given, rather than writing one."""
        return self.match or self.choices is not None

    @property
    def is_judged(self) -> bool:
        """Whether results may say something else than the model does."""
        return self.multiple or self.below is not None or self.map is not None or self.calibration is not None

    def to_record(self) -> dict[str, Any]:
        """Returns the question as a table holds it; what later versions added only where it is there."""
        added = self.model_dump(mode="json", include=set(_ADDED), exclude_defaults=True)
        record = self.model_dump(exclude=set(_ADDED))
        flat = {
            name: json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value
            for name, value in added.items()
        }
        return {**record, **flat}

    @property
    def terms(self) -> tuple[str, ...] | None:
        """The answers that there can be; None, where it may be any text."""
        return possible_terms(choices=self.choices, words=self.map or {}, then=self.then, match=self.match)

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
                # A table has nothing where an object would not have the field.
                return cls.model_validate({name: held for name, held in value.items() if held is not None})
        except ValidationError as error:
            raise InputError(f"the question {shown_value(value)} is not valid: {first_problem(error)}") from None
        raise InputError(
            f"a question is a text or an object with {', '.join(cls.model_fields)}, not {shown_value(value)}"
        )


def title_of(question: Question | None) -> str:
    """Returns what the answer is called in results; None stands for a caption."""
    return CAPTION if question is None else question.title


def _check_capitals(words: Iterable[tuple[str, str]]) -> None:
    """Raises ValueError where open answers cannot tell words of a map apart, as their capitals do not count."""
    first: dict[str, tuple[str, str]] = {}
    for word, term in words:
        other, meant = first.setdefault(word.casefold(), (word, term))
        if meant != term:
            raise ValueError(
                f"map has {shown_value(other)} and {shown_value(word)}, which are one word, as capitals do not count "
                "in open answers: leave one out"
            )


def possible_terms(
    *, choices: Sequence[str] | None, words: Mapping[str, str], then: str | None, match: bool
) -> tuple[str, ...] | None:
    """Returns the answers that there can be to a question; None, where it may be any text. Of several that may be so
    at once, each by itself."""
    if match:
        return (YES, NO)
    if choices is None:
        return None
    return tuple(
        dict.fromkeys([*(words.get(choice, choice) for choice in choices), *(() if then is None else (then,))])
    )


def check_order(questions: Sequence[Question]) -> None:
    """Raises InputError where a question comes after, or depends on, another that is not asked before it, or depends
    on an answer that this one cannot have. Of several that are called alike, the first is meant."""
    before: dict[str, Question] = {}
    for question in questions:
        named = (question.after, "comes after"), *((name, "depends on") for name in question.when or ())
        for name, how in named:
            if name is not None and name not in before:
                raise InputError(
                    f"the question {shown_value(question.text)} {how} {shown_value(name)}, "
                    "but no question before it has that name"
                )
        for name, terms in (question.when or {}).items():
            possible = before[name].terms
            if odd := [term for term in terms if possible is not None and term not in possible]:
                raise InputError(
                    f"the question {shown_value(question.text)} depends on {shown_value(name)} being "
                    f"{shown_value(odd[0])}, which it never is: it can be {', '.join(possible or ())[:200]}"
                )
        before.setdefault(question.title, question)
