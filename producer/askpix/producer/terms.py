"""What the answers to a question may be called, and what a person meant who wrote one of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from askpix.producer.cells import NOTHING, comparable, unguarded
from askpix.producer.errors import InputError
from askpix.producer.questions import NO, SEPARATOR, YES, Question
from askpix.producer.storage import shortened
from askpix.producer.words import listed, nearest

_OTHERWISE = re.compile(r"\s*[;|/\n]\s*")
"""What people put between terms, where a comma belongs."""

_Nearest = Callable[[str, Iterable[str]], str | None]
"""Finds the word that somebody has meant."""

_NONE = (NOTHING, "none")
"""What says that none of several terms is so, where no term is called that: tables have the first."""


def terms_of(question: Question) -> list[str]:
    """Returns the terms of a question's choices, each once, in their order."""
    words = question.map or {}
    return list(dict.fromkeys(words.get(choice, choice) for choice in question.choices or ()))


def joined(terms: Iterable[str]) -> str:
    """Returns an answer of several terms, as results have it."""
    return SEPARATOR.join(terms)


def split(text: str) -> list[str]:
    """Returns the terms of an answer that may have any number of them, of which results have this text."""
    return text.split(SEPARATOR) if text else []


def split_loosely(text: str) -> list[str]:
    """Returns the terms of such an answer that a person has written, with or without spaces."""
    return [term for term in map(str.strip, text.split(SEPARATOR.strip())) if term]


def understood(question: Question | None, text: str, meant: _Nearest = nearest) -> str:
    """Returns an answer in the question's own terms, which a person has written, perhaps in a spreadsheet.

    Choices may be named by the shop's terms or by the model's words, in capitals or not. Several are separated by
    commas; `[]` or `none` stands for none of them, and is returned as an empty text. What stands for all that is not
    sure stands alone.

    Args:
        question: None stands for a caption.
        meant: finds the term that is told where it is none; of long tables, not for each line.

    Raises:
        InputError: it is none of the question's terms; says which it may be.
    """
    if question is None:
        return unguarded(text)
    if question.json_schema is not None:
        return _json(unguarded(text))
    if question.match:
        return _one_of(_words((YES, NO), (), None), text, meant)
    if not question.choices:
        return unguarded(text)
    known = _words(question.choices, tuple((question.map or {}).items()), question.then)
    is_then = question.then is not None and comparable(text).casefold() == comparable(question.then).casefold()
    if is_then or not question.multiple:
        return _one_of(known, text, meant)
    return _any_of(question, known, text, meant)


def _any_of(question: Question, known: _Words, text: str, meant: _Nearest) -> str:
    word = comparable(text).casefold()
    if word in _NONE and word not in known.folded:
        return ""
    if _is_list_otherwise(known, text):
        several = joined(part for part in _OTHERWISE.split(comparable(text)) if part)
        raise InputError(f"{shortened(repr(text))} is none of its terms; commas stand between several: {several[:200]}")
    said = {_one_of(known, part, meant) for part in split_loosely(text)}
    if not said:
        raise InputError(f"{shortened(repr(text))} has no term in it: write {NOTHING} where none of them is so")
    terms = terms_of(question)
    if apart := said.difference(terms):
        alone = apart.pop()
        if said != {alone}:
            raise InputError(f"{shortened(repr(text))} has {shortened(repr(alone))} beside others: that stands alone")
        return alone
    # In the order of the choices, as the model's answers are.
    return joined(term for term in terms if term in said)


class _Words(NamedTuple):
    """The term that each word stands for: a term for itself, a choice for its term, and `then`."""

    exact: Mapping[str, str]
    folded: Mapping[str, str]
    """By words as they are compared."""


@lru_cache(maxsize=32)
def _words(choices: tuple[str, ...], pairs: tuple[tuple[str, str], ...], then: str | None) -> _Words:
    """Returns what may be written; kept, as tables have many lines and a question many choices."""
    terms = dict(pairs)
    known = {choice: terms.get(choice, choice) for choice in choices}
    known |= {term: term for term in known.values()}
    if then is not None:
        known = {then: then, **known}
    return _Words(known, {comparable(each).casefold(): term for each, term in reversed(known.items())})


def _is_list_otherwise(known: _Words, text: str) -> bool:
    """Returns whether a text is of several terms, and what stands between them is no comma."""
    words = known.folded
    parts = [part.casefold() for part in _OTHERWISE.split(comparable(text)) if part]
    return len(parts) > 1 and comparable(text).casefold() not in words and all(part in words for part in parts)


def _one_of(known: _Words, text: str, meant: _Nearest) -> str:
    if text in known.exact:
        return known.exact[text]
    word = comparable(text)
    term = known.folded.get(word.casefold())
    if term is None:
        said = shortened(repr(word))
        if (near := meant(word, known.exact)) is not None:
            raise InputError(f"{said} is none of its terms: is it {shortened(repr(known.exact[near]))}?")
        raise InputError(f"{said} is none of its terms, which are {listed(list(dict.fromkeys(known.exact.values())))}")
    return term


def _json(text: str) -> str:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        raise InputError(f"{shortened(repr(text))} is no JSON, of which its answers are") from None
    return text
