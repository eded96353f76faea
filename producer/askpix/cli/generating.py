"""The options that say how texts are generated: one for each setting."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import click
from pydantic import ValidationError

from askpix.cli.options import stacked
from askpix.producer.errors import InputError
from askpix.producer.generation import Generation
from askpix.producer.items import Options
from askpix.producer.shown import first_problem

_COUNTS = (
    "max_new_tokens", "min_new_tokens", "num_beams", "no_repeat_ngram_size", "num_return_sequences", "top_k", "seed",
)  # fmt: skip
_NUMBERS = ("length_penalty", "repetition_penalty", "temperature", "top_p")


def _option(name: str) -> Callable[[Any], Any]:
    flag, text = f"--{name.replace('_', '-')}", Generation.model_fields[name].description
    if name in _COUNTS:
        return click.option(flag, name, type=int, metavar="N", help=text)
    if name in _NUMBERS:
        return click.option(flag, name, type=float, metavar="X", help=text)
    if name == "stop":
        return click.option(flag, name, multiple=True, metavar="TEXT", help=text)
    return click.option(flag, name, is_flag=True, default=None, help=text)


def generates(function: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command an option for each setting, and the function behind it those that were given as `settings`."""

    @functools.wraps(function)
    def command(**values: Any) -> Any:
        given = {name: values.pop(name) for name in Generation.model_fields}
        return function(settings={name: value for name, value in given.items() if value not in (None, ())}, **values)

    decorated: Callable[..., Any] = stacked(*map(_option, Generation.model_fields))(command)
    return decorated


def options_of(settings: Mapping[str, Any], *, prompt: str | None = None, system: str | None = None) -> Options:
    """Returns the options that a command line gives.

    Raises:
        InputError: one of them has no such value, or they contradict each other.
    """
    try:
        return Options(prompt=prompt, system=system, **settings)
    except ValidationError as error:
        problem = first_problem(error)
        name, _, reason = problem.partition(": ")
        known = name in Options.model_fields
        raise InputError(f"--{name.replace('_', '-')}: {reason.lower()}" if known else problem) from None
