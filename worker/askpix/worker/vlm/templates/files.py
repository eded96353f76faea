"""The templates that there are: one TOML file each, beside this one."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from types import MappingProxyType

from pydantic import TypeAdapter, ValidationError

from askpix.producer.errors import ModelError
from askpix.producer.shown import first_problem
from askpix.worker.vlm.templates.template import Template

_ADAPTER = TypeAdapter(Template)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_SUMMARY = 60
"""Characters, of which a line of `--help` has room for no more."""


def read_template(name: str, text: str) -> Template:
    """Returns the template that a file says.

    Args:
        name: of the file, without its ending.
        text: what it holds.

    Raises:
        ModelError: it says none.
    """
    try:
        template = _ADAPTER.validate_python(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ModelError(f"the template {name} is not written in TOML: {error}") from None
    except ValidationError as error:
        raise ModelError(f"the template {name} is not valid: {first_problem(error)}") from None
    if not _NAME.fullmatch(name):
        raise ModelError(f"no template can be called {name!r}: use up to 40 of a-z, 0-9 and '_', a letter first")
    if (problem := next(_problems(template), None)) is not None:
        raise ModelError(f"the template {name} is not valid: {problem}")
    return template


def template_named(name: str) -> Template:
    """Returns the template of that name; raises ModelError where there is none."""
    if name not in TEMPLATES:
        raise ModelError(f"there is no conversation template {name!r}; there are {', '.join(TEMPLATES)}")
    return TEMPLATES[name]


def _problems(template: Template) -> Iterator[str]:
    for field in ("system", "user", "plain", "answer"):
        piece = getattr(template, field)
        if piece is not None and piece.count("{}") != 1:
            yield f"{field}: has to hold {{}} once, for what is said"
    if template.system is None and template.default is not None:
        yield "default: there is no system to write it"
    if not template.tag:
        yield "image: has to hold something"
    if not template.stops or not all(stop.strip() for stop in template.stops):
        yield "stops: has to hold at least one text, and none that is empty"
    if not template.checkpoints or not template.source.strip():
        yield "source and checkpoints: have to say where it comes from, and what has it"
    if not 0 < len(template.summary) <= _SUMMARY or "\n" in template.summary:
        yield f"summary: has to be a line of up to {_SUMMARY} characters"


def _read_all() -> Mapping[str, Template]:
    files = sorted(resources.files(__package__).iterdir(), key=lambda file: file.name)
    found = {
        file.name.removesuffix(".toml"): file.read_text(encoding="utf-8")
        for file in files
        if file.name.endswith(".toml")
    }
    return MappingProxyType({name: read_template(name, text) for name, text in found.items()})


TEMPLATES = _read_all()
"""By their names, in the order of the alphabet."""
