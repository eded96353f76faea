"""Reads the values of single keys: what is no text, list or number where one belongs is told, and left out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from askpix.producer.questions import MAX_CHOICES, MAX_CONDITIONS, MAX_MAPPED
from askpix.producer.sheets.mistakes import Mistakes
from askpix.producer.sheets.nodes import Form, Listed, Mapped, Node, Scalar
from askpix.producer.shown import shown_value
from askpix.producer.text_limits import MAX_TEXT

_PERCENT = re.compile(r"\s*(\d+(?:[.,]\d+)?)\s*%\s*")
_NOT_FINITE = re.compile(r"\.(inf|nan)$")
_SPLIT = re.compile(r"\s*[,;|/]\s*")
_CONDITION = re.compile(r"\s*([^\s=:]+)\s*(?:==?|:|\bis\b|\bin\b)\s*(.+)")
_CURLY = {"\u201c": "\u201d", "\u2018": "\u2019", "\u201e": "\u201c"}
_YES = {"yes", "on", "y", "1", "ja"}
_NO = {"no", "off", "n", "0", "nein"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """A text of a list or mapping, and where it stands."""

    text: str
    node: Scalar


def text_of(node: Node, key: str, told: Mistakes) -> str | None:
    """Returns a text as it is written; None, where it is none."""
    if isinstance(node, Listed):
        first = node.items[0] if node.items else None
        shown = first.text if isinstance(first, Scalar) else "…"
        told.tell(node, f"{key} is one text, not a list: write {key}: {shown}")
        return None
    if isinstance(node, Mapped):
        told.tell(node, f"{key} is a text: {_braced(node, key)}")
        return None
    if node.glued is not None:
        line, glued = node.glued
        told.tell(line, f"a space is missing after the colon: write {glued}: with a space after it")
        return None
    return _sound(node, key, told)


def _braced(node: Mapped, key: str) -> str:
    if len(node.entries) == 1:
        (name, value) = node.entries[0]
        if isinstance(value, Scalar) and value.form is Form.NULL and not value.text:
            return f'put what has braces in quotes: {key}: "{{{name.text}}}"'
    return "put it in quotes"


def _sound(node: Scalar, key: str, told: Mistakes) -> str | None:
    text = node.text
    if node.form is Form.NULL and text:
        told.tell(node, f"{text} stands for nothing in YAML: put it in quotes, if the word is meant")
    elif not text.strip():
        told.tell(node, f"{key} is empty: write a text there, or leave it out")
    elif len(text) > MAX_TEXT:
        told.tell(node, f"{key} has {len(text):,} characters; at most {MAX_TEXT:,} are taken: shorten it")
    elif any(unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t" for character in text):
        told.tell(node, f"{key} has a control character in it: delete it")
    elif node.plain and _CURLY.get(text[0]) == text[-1] and len(text) > 1:
        told.tell(node, f'curly quotes would become part of the text: write "{text[1:-1]}"')
    else:
        return text
    return None


def word_of(node: Node, key: str, told: Mistakes) -> Word | None:
    """Returns a text with its place."""
    text = text_of(node, key, told)
    return None if text is None else Word(text=text, node=node) if isinstance(node, Scalar) else None


def choices_of(node: Node, told: Mistakes) -> tuple[Word, ...] | None:
    """Returns choices, at least two and all different."""
    if not isinstance(node, Listed):
        told.tell(node, _no_list(node, "choices"))
        return None
    if not node.items:
        told.tell(node, "choices is empty: list two or more, or leave it out for an answer in the model's own words")
        return None
    words = [word_of(item, "a choice", told) for item in node.items]
    found = [word for word in words if word is not None]
    first: dict[str, Word] = {}
    for word in found:
        if word.text in first:
            told.tell(
                word.node,
                f"the choice {shown_value(word.text)} is there twice, first in line {first[word.text].node.line}: "
                "leave one out",
            )
        first.setdefault(word.text, word)
    if len(node.items) == 1 and found:
        told.tell(
            node,
            f"{shown_value(found[0].text)} is the only choice, so it would be every answer: add others, "
            "or ask for yes or no",
        )
        return None
    if len(node.items) > MAX_CHOICES:
        told.tell(node, f"there are {len(node.items):,} choices; at most {MAX_CHOICES:,} are taken: split the question")
        return None
    return tuple(found) if len(found) == len(node.items) == len(first) else None


def _no_list(node: Node, key: str) -> str:
    if isinstance(node, Scalar) and node.text.strip():
        if node.plain and re.match(r"-\S", node.text):
            return f"{key} is a list: put a space after each dash"
        return f"{key} is a list: write {key}: [{', '.join(each for each in _SPLIT.split(node.text.strip()) if each)}]"
    if isinstance(node, Mapped) and all(is_nothing(value) for _, value in node.entries):
        return f"{key} is a list, in square brackets: write {key}: [{', '.join(name.text for name, _ in node.entries)}]"
    if isinstance(node, Mapped):
        names = ", ".join(name.text for name, _ in node.entries)
        return f"{key} is a list: write {key}: [{names}], and what results say instead under map"
    return f"{key} is empty: list two or more, such as {key}: [red, blue], or leave it out"


def is_nothing(node: Node) -> bool:
    return isinstance(node, Scalar) and node.form is Form.NULL


def flag_of(node: Node, key: str, told: Mistakes) -> bool | None:
    """Returns whether it is true."""
    if isinstance(node, Scalar) and node.form is Form.BOOL:
        return node.text.lower() == "true"
    word = node.text.strip().lower() if isinstance(node, Scalar) else ""
    meant = "true" if word in _YES | {"true"} else "false" if word in _NO | {"false"} else "true or false"
    told.tell(node, f"{key} is true or false, without quotes: write {key}: {meant}")
    return None


def below_of(node: Node, told: Mistakes) -> float | None:
    """Returns a confidence over 0, at most 1."""
    written = node.text if isinstance(node, Scalar) else ""
    value: float | None = None
    if percent := _PERCENT.fullmatch(written):
        value = float(percent[1].replace(",", ".")) / 100
        told.tell(node, f"below is a confidence from 0 to 1: {_instead(value)}")
        return None
    number = number_of(node)
    if number is None:
        comma = re.fullmatch(r"\s*0?,(\d+)\s*", written)
        quoted = re.fullmatch(r"\s*(\d*\.?\d+)\s*", written)
        meant = f"0.{comma[1]}" if comma else quoted[1] if quoted else "0.4"
        told.tell(node, f"below is a number from 0 to 1, with a point and without quotes: write below: {meant}")
        return None
    if 0 < number <= 1:
        return number
    instead = _instead(number / 100) if 1 < number <= 100 else "write below: 0.4, or leave it out with its then"
    told.tell(node, f"below is a confidence over 0 and up to 1: {instead}")
    return None


def _instead(value: float) -> str:
    return f"write below: {value:g}" if 0 < value <= 1 else "write below: 0.4, or leave it out with its then"


def number_of(node: Node) -> float | None:
    """Returns a number that is written as one."""
    if not isinstance(node, Scalar) or node.form not in (Form.INT, Form.FLOAT):
        return None
    number = _float(node.text)
    return None if isinstance(number, str) else number


def pairs_of(node: Node, key: str, example: str, told: Mistakes) -> tuple[tuple[Word, Node], ...] | None:
    """Returns the entries of a mapping, none of which comes twice."""
    if not isinstance(node, Mapped):
        told.tell(node, f"{key} has names with values: write {key}: {example}")
        return None
    if not node.entries:
        told.tell(node, f"{key} is empty: write {key}: {example}, or leave it out")
        return None
    before = len(told)
    found = []
    for name, value in unique(node, key, told).values():
        if is_nothing(value) and name.plain and (glued := re.fullmatch(r"([^:]+):([^:]+)", name.text)):
            told.tell(name, f"a space is missing after the colon: write {glued[1]}: {glued[2]}")
        elif (word := word_of(name, f"a word of {key}", told)) is not None:
            found.append((word, value))
    return None if len(told) > before else tuple(found)


def unique(node: Mapped, key: str, told: Mistakes) -> dict[str, tuple[Scalar, Node]]:
    """Returns the entries of a mapping by their names; of a name that comes twice, the first."""
    first: dict[str, tuple[Scalar, Node]] = {}
    for name, value in node.entries:
        if name.text in first:
            within = f"{key}: " if key else ""
            line = first[name.text][0].line
            told.tell(name, f"{within}{shown_value(name.text)} is there twice, first in line {line}: leave one out")
        first.setdefault(name.text, (name, value))
    return first


def map_of(node: Node, told: Mistakes) -> tuple[tuple[Word, str], ...] | None:
    """Returns the model's words with the terms that results have for them."""
    pairs = pairs_of(node, "map", "{gray: grey, wooden: wood}", told)
    if pairs is None:
        return None
    if len(pairs) > MAX_MAPPED:
        told.tell(node, f"map has {len(pairs):,} words; at most {MAX_MAPPED:,} are taken")
        return None
    terms = [(word, text_of(value, f"the term for {shown_value(word.text)}", told)) for word, value in pairs]
    found = tuple((word, term) for word, term in terms if term is not None)
    return found if len(found) == len(terms) else None


def when_of(node: Node, told: Mistakes) -> tuple[tuple[Word, tuple[Word, ...]], ...] | None:
    """Returns conditions: names of attributes, each with the terms of which its answer is to be one."""
    if isinstance(node, Scalar) and (found := _CONDITION.fullmatch(node.text)):
        told.tell(node, f"a condition is written in braces: when: {{{found[1]}: {found[2].strip()}}}")
        return None
    if isinstance(node, Listed) and node.items and all(isinstance(item, Mapped) for item in node.items):
        told.tell(node, "when is no list: leave the dashes out; of several conditions, all are to be so")
        return None
    pairs = pairs_of(node, "when", "{kind: shirt}", told)
    if pairs is None:
        return None
    if len(pairs) > MAX_CONDITIONS:
        told.tell(node, f"when has {len(pairs)} conditions; at most {MAX_CONDITIONS} are taken: leave some out")
        return None
    conditions = tuple((name, terms) for name, value in pairs if (terms := _terms_of(name, value, told)))
    return conditions if len(conditions) == len(pairs) else None


def _terms_of(name: Word, node: Node, told: Mistakes) -> tuple[Word, ...] | None:
    items = node.items if isinstance(node, Listed) else (node,)
    if not items or is_nothing(node):
        told.tell(node, f"when names no answer of {shown_value(name.text)}: write when: {{{name.text}: shirt}}")
        return None
    words = [word_of(item, "an answer in when", told) for item in items]
    found = tuple(word for word in words if word is not None)
    return found if len(found) == len(words) else None


def plain_of(node: Node) -> Any:
    """Returns what JSON would have for it: words without quotes may be numbers, true, false and null."""
    if isinstance(node, Listed):
        return [plain_of(item) for item in node.items]
    if isinstance(node, Mapped):
        return {name.text: plain_of(value) for name, value in node.entries}
    return _PLAIN[node.form](node.text)


def _integer(text: str) -> int | float | str:
    # 0x10 and 0o20 are numbers too; 010 is ten.
    for form in (partial(int, base=0), int, float):
        try:
            number: int | float = form(text)
        except ValueError:
            continue
        return number
    return text


def _float(text: str) -> float | str:
    try:
        return float(_NOT_FINITE.sub(r"\1", text.lower()))
    except ValueError:
        return text


_PLAIN: dict[Form, Callable[[str], Any]] = {
    Form.TEXT: str,
    Form.NULL: lambda _: None,
    Form.BOOL: lambda text: text.lower() == "true",
    Form.INT: _integer,
    Form.FLOAT: _float,
}
