"""One attribute of a sheet: its keys, and what they say of each other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from askpix.producer.braces import asks_of_choice
from askpix.producer.questions import SEPARATOR, Question, possible_terms
from askpix.producer.sheets.calibrations import calibration_of
from askpix.producer.sheets.fields import (
    Word,
    below_of,
    choices_of,
    flag_of,
    map_of,
    text_of,
    unique,
    when_of,
    word_of,
)
from askpix.producer.sheets.json_schemas import schema_of
from askpix.producer.sheets.keys import KEYS, OTHER_NAMES
from askpix.producer.sheets.mistakes import Mistakes
from askpix.producer.sheets.nodes import Form, Listed, Mapped, Node, Scalar
from askpix.producer.shown import shown_value
from askpix.producer.words import listed

_GLUED = re.compile(rf"({'|'.join(KEYS)}):(?=\S)(.*)", re.DOTALL)
_NEARLY = re.compile(r"\{+\s*choices?\s*\}+", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Attribute:
    """What a sheet says of one attribute, as far as it is right."""

    node: Node
    values: Mapping[str, Any]
    """By key: texts as Word, choices as a tuple of them, `map` and `when` as pairs, the rest as they are."""

    broken: frozenset[str] = frozenset()
    """Keys that are there and of which nothing can be told."""

    question: Question | None = None
    """None, where there is any mistake."""

    def word(self, key: str) -> Word | None:
        found = self.values.get(key)
        return found if isinstance(found, Word) else None

    @property
    def title(self) -> Word | None:
        """What the answer is called; None, where that cannot be told."""
        return None if "name" in self.broken else self.word("name") or self.word("text")

    @property
    def terms(self) -> tuple[str, ...] | None:
        """The answers that there can be; None, where it may be any text, or cannot be told."""
        if self.broken & {"choices", "map", "then", "match"}:
            return None
        choices, then = self.values.get("choices"), self.word("then")
        return possible_terms(
            choices=None if choices is None else [choice.text for choice in choices],
            words={word.text: term for word, term in self.values.get("map", ())},
            then=None if then is None else then.text,
            match=bool(self.values.get("match")),
        )


def attribute_of(node: Node, told: Mistakes) -> Attribute | None:
    """Returns an item of a sheet; None, where it is no attribute at all."""
    if isinstance(node, Listed):
        told.tell(node, "an item is a question, or keys such as text and name, not a list: leave one dash out")
        return None
    if isinstance(node, Scalar):
        return _asked(node, told)
    values, broken = _values(node, told)
    attribute = Attribute(node=node, values=values, broken=frozenset(broken))
    before = len(told)
    _check(attribute, {name.text: name for name, _ in node.entries}, told)
    if broken or len(told) > before or "text" not in values:
        return attribute
    question = _question(attribute, node, told)
    return Attribute(node=node, values=values, question=question)


def _asked(node: Scalar, told: Mistakes) -> Attribute | None:
    """Returns an item that is a text alone."""
    if node.form is Form.NULL and not node.text:
        told.tell(node, "this item is empty: write a question there, or leave the dash out")
        return None
    if node.plain and (found := _GLUED.fullmatch(node.text)):
        told.tell(node, f"a space is missing after the colon: write {found[1]}: {found[2]}")
        return None
    word = word_of(node, "a question", told)
    if word is None:
        return None
    attribute = Attribute(node=node, values={"text": word})
    before = len(told)
    _check(attribute, {}, told)
    return (
        attribute if len(told) > before else Attribute(node=node, values=attribute.values, question=Question(word.text))
    )


def _values(node: Mapped, told: Mistakes) -> tuple[dict[str, Any], set[str]]:
    """Returns the values of the keys that are known and right, and the keys whose values are not."""
    values: dict[str, Any] = {}
    broken = set[str]()
    meant = set[str]()
    for key, (name, value) in unique(node, "", told).items():
        if key not in KEYS:
            meant.add(_unknown(name, value, told))
            continue
        found = _value(key, value, told)
        if found is None:
            broken.add(key)
        else:
            values[key] = found
    if "text" not in values and "text" not in broken | meant:
        told.tell(node, 'this attribute asks nothing: add its question, such as text: "what is it?"')
    # What was meant by a key that there is not may be what another key needs.
    return values, broken | (meant - {""})


def _unknown(name: Scalar, value: Node, told: Mistakes) -> str:
    """Tells of a key that there is not; returns the one that is meant, or an empty text."""
    word = name.text.casefold().replace(" ", "_").replace("-", "_")
    near = OTHER_NAMES.get(word) or told.nearest(word, KEYS)
    if near is not None:
        told.tell(name, f"there is no key {shown_value(name.text)}: write {near}")
    elif isinstance(value, Mapped):
        told.tell(
            name, f"there is no key {shown_value(name.text)}: if that is a name, write name: {name.text}, text: …"
        )
    else:
        told.tell(name, f"there is no key {shown_value(name.text)}; there are {', '.join(KEYS)}")
    return near or ""


def _value(key: str, node: Node, told: Mistakes) -> Any:
    match key:
        case "text" | "name" | "then" | "after":
            return word_of(node, key, told)
        case "choices":
            return choices_of(node, told)
        case "multiple" | "match":
            return flag_of(node, key, told)
        case "below":
            return below_of(node, told)
        case "map":
            return map_of(node, told)
        case "when":
            return when_of(node, told)
        case "calibration":
            return calibration_of(node, told)
        case "json_schema":
            return schema_of(node, told)
        case _:
            return text_of(node, key, told)


def _check(attribute: Attribute, names: Mapping[str, Scalar], told: Mistakes) -> None:
    """Tells what the keys of one attribute say against each other."""
    for check in (_several, _unsure, _of_choices):
        check(attribute, names, told)


def _several(attribute: Attribute, names: Mapping[str, Scalar], told: Mistakes) -> None:
    text = attribute.word("text")
    if "multiple" in attribute.broken:
        return
    if not attribute.values.get("multiple"):
        if text is not None and asks_of_choice(text.text):
            told.tell(
                text.node,
                "{choice} stands for each of several choices: add multiple: true"
                + ("" if "choices" in names else " and choices")
                + ", or ask without it",
            )
        return
    where = names["multiple"]
    if "choices" not in names and "choices" not in attribute.broken:
        told.tell(where, "multiple needs choices, of which any number may be so: add choices: [star, heart]")
    if text is not None and not asks_of_choice(text.text):
        if nearly := _NEARLY.search(text.text):
            told.tell(text.node, f"of each choice it is asked by {{choice}}: write that for {nearly[0]}")
        else:
            told.tell(
                text.node,
                "with multiple, the text asks of each choice, for yes or no: put {choice} in it, such as "
                'text: "is there a {choice} on it?"',
            )
    for node, term in _all_terms(attribute):
        if SEPARATOR.strip() in term:
            told.tell(
                node, f"with multiple, commas stand between the terms of an answer: write {shown_value(term)} without"
            )


def _all_terms(attribute: Attribute) -> list[tuple[Scalar, str]]:
    then = attribute.word("then")
    words = [*attribute.values.get("choices", ()), *([] if then is None else [then])]
    return [(word.node, word.text) for word in words] + [
        (word.node, term) for word, term in attribute.values.get("map", ())
    ]


def _unsure(attribute: Attribute, names: Mapping[str, Scalar], told: Mistakes) -> None:
    if "below" in names and "then" not in names and "then" not in attribute.broken:
        told.tell(names["below"], "below needs then, the answer of less confidence: add then: unknown")
    if "then" in names and "below" not in names and "below" not in attribute.broken:
        told.tell(names["then"], "then needs below, the confidence under which it is the answer: add below: 0.4")
    if attribute.values.get("match"):
        for key in ("choices", "below", "then", "map", "json_schema"):
            if key in names:
                told.tell(names[key], f"{key} does not go with match, which scores a text: leave one of them out")
    elif "json_schema" in names and "choices" in names:
        told.tell(names["json_schema"], "json_schema does not go with choices: leave one of them out")


def _of_choices(attribute: Attribute, names: Mapping[str, Scalar], told: Mistakes) -> None:
    if "choices" not in names:
        if "calibration" in names and "choices" not in attribute.broken:
            told.tell(names["calibration"], "calibration is for choices: leave it out, or add choices")
        _check_capitals(attribute, told)
        return
    choices = attribute.values.get("choices")
    if choices is None:
        return
    known = [word.text for word in choices]
    calibration = attribute.values.get("calibration")
    if calibration is not None and calibration.whole_at is not None and not attribute.values.get("multiple"):
        told.tell(calibration.whole_at, "whole is for answers of which each choice is judged: leave it out")
    shifts = getattr(calibration, "shifts", ())
    for key, words in (("map", [word for word, _ in attribute.values.get("map", ())]), ("calibration", shifts)):
        for word in words:
            if word.text not in known:
                near = told.nearest(word.text, known)
                instead = f"write {near}" if near else f"the choices are {listed(known, quoted=True)}"
                told.tell(word.node, f"{key} names {shown_value(word.text)}, which is none of the choices: {instead}")


def _check_capitals(attribute: Attribute, told: Mistakes) -> None:
    """Tells of words that a model's own answers cannot tell apart, as their capitals do not count."""
    first: dict[str, tuple[Word, str]] = {}
    for word, term in attribute.values.get("map", ()):
        other, meant = first.setdefault(word.text.casefold(), (word, term))
        if meant != term:
            told.tell(
                word.node,
                f"map: {shown_value(word.text)} and {shown_value(other.text)} in line {other.node.line} are one word, "
                "as capitals do not count in open answers: leave one out",
            )


def _question(attribute: Attribute, node: Mapped, told: Mistakes) -> Question | None:
    lines = {name.text: name.line for name, _ in node.entries}
    try:
        return Question.model_validate({key: _given(key, value) for key, value in attribute.values.items()})
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_context=False):
            place = str(problem["loc"][0]) if problem["loc"] else ""
            text = problem["msg"].removeprefix("Value error, ")
            told.tell(lines.get(place, node.line), f"{place}: {text}" if place else text)
    return None


def _given(key: str, value: Any) -> Any:
    """Returns a value as a question takes it."""
    match key:
        case "choices":
            return tuple(word.text for word in value)
        case "map":
            return {word.text: term for word, term in value}
        case "when":
            return {word.text: tuple(term.text for term in terms) for word, terms in value}
        case "calibration":
            return value.as_given()
        case _:
            return value.text if isinstance(value, Word) else value
