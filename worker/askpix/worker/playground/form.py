"""What a person fills in, as a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from askpix.producer.errors import InputError
from askpix.producer.items import Options
from askpix.producer.questions import Question
from askpix.producer.shown import first_problem
from askpix.worker.engine.base import Ability

Form = Literal["count", "number", "flag", "text", "lines"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """One of the settings that say how texts are generated."""

    name: str
    form: Form
    """A whole number, any number, yes or no, a text, or texts on lines of their own."""

    help: str
    chat: bool = False
    """Whether only models of the LLaVA kind take it."""

    @property
    def label(self) -> str:
        return self.name.replace("_", " ")


def _setting(name: str, form: Form, help_: str | None = None, *, chat: bool = False) -> Setting:
    told = help_ or Options.model_fields[name].description or ""
    return Setting(name=name, form=form, help=told, chat=chat)


SETTINGS = (
    _setting("max_new_tokens", "count"),
    _setting("min_new_tokens", "count"),
    _setting("num_beams", "count"),
    _setting("length_penalty", "number"),
    _setting("repetition_penalty", "number"),
    _setting("no_repeat_ngram_size", "count"),
    _setting("do_sample", "flag"),
    _setting("temperature", "number"),
    _setting("top_k", "count"),
    _setting("top_p", "number"),
    _setting("seed", "count"),
    _setting("num_return_sequences", "count"),
    _setting("prompt", "text", "What a caption begins with."),
    _setting("system", "text", "What the model is told before all else.", chat=True),
    _setting("stop", "lines", "A text ends before any of these, one a line.", chat=True),
)
"""In the order in which they are shown."""


def settings_of(*, chat: bool) -> tuple[Setting, ...]:
    """Returns the settings that a model takes.

    Args:
        chat: whether it is of the LLaVA kind.
    """
    return tuple(setting for setting in SETTINGS if chat or not setting.chat)


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A question and how it is to be answered; without a question, a caption is asked for."""

    question: Question | None
    options: Options


def asked_of(question: str, choices: str, settings: Mapping[str, Any], abilities: frozenset[Ability] | None) -> Asked:
    """Returns what was filled in, as a model is asked.

    Args:
        choices: one a line.
        settings: by their names, as texts but for the flags; those that the model does not take are left out.
        abilities: of the model; None where they are not known.

    Raises:
        InputError: it cannot be asked like that.
    """
    text, lines = question.strip(), _lines(choices)
    if lines and not text:
        raise InputError("choices are answers to a question: type one")
    if len(lines) == 1:
        raise InputError("one choice is none: give two or more, one a line")
    can = abilities or frozenset()
    matches = bool(text and not lines and Ability.MATCH in can and Ability.ANSWER not in can)
    given = {"text": text, "choices": lines or None, "match": matches}
    values = {one.name: _value(one, settings.get(one.name)) for one in settings_of(chat=Ability.CHAT in can)}
    if text and values.get("prompt"):
        raise InputError("prompt is what a caption begins with: leave the question empty, or prompt")
    try:
        options = Options(**{name: value for name, value in values.items() if value is not None})
        return Asked(question=Question.model_validate(given) if text else None, options=options)
    except ValidationError as error:
        raise InputError(first_problem(error)) from None


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _value(setting: Setting, given: Any) -> Any:
    """Returns a setting as it is asked for; None where it is left to the model.

    Raises:
        InputError: it is no number, and should be one.
    """
    if setting.form == "flag":
        return bool(given) or None
    text = str(given or "").strip()
    if not text:
        return None
    if setting.form in ("text", "lines"):
        return text if setting.form == "text" else _lines(text)
    try:
        return int(text) if setting.form == "count" else float(text)
    except ValueError:
        kind = "whole number" if setting.form == "count" else "number"
        raise InputError(f"{setting.label}: {text[:40]!r} is no {kind}") from None
