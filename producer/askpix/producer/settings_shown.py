"""The settings as people are shown them: each with its value, secrets masked, and where that is from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import SecretStr

from askpix.producer.errors import AskpixError
from askpix.producer.masking import Masking
from askpix.producer.settings import ENV_FILE, PREFIX, Settings, load_settings


class Source(StrEnum):
    """Where a setting's value is from."""

    OPTION = "option"
    ENVIRONMENT = "environment"
    ENV_FILE = ".env file"
    DEFAULT = "default"


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """A variable that somebody has set."""

    name: str
    """In capitals, however it was written."""

    value: str
    source: Source


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """A setting as it holds."""

    variable: str
    value: str | float | bool | tuple[str, ...] | None
    source: Source


def variable_of(field: str) -> str:
    """Returns the variable of a setting, by the name of its field or of the variable itself."""
    known = Settings.model_fields.get(field)
    alias = None if known is None else known.validation_alias
    return alias if isinstance(alias, str) else f"{PREFIX}{field.removeprefix(PREFIX.lower()).upper()}"


def given_variables() -> dict[str, Given]:
    """Returns all variables of askpix that are set, by their names, also those that set nothing.

    Raises:
        AskpixError: the file .env cannot be read.
    """
    try:
        file = dotenv_values(ENV_FILE) if Path(ENV_FILE).is_file() else {}
    except (UnicodeDecodeError, OSError) as error:
        raise AskpixError(f"the file .env in this folder cannot be read: {error}") from None
    return {**_given(file, Source.ENV_FILE), **_given(os.environ, Source.ENVIRONMENT)}


def _given(variables: Mapping[str, str | None], source: Source) -> dict[str, Given]:
    aliases = {variable_of(field) for field in Settings.model_fields}
    return {
        name.upper(): Given(name=name.upper(), value=value or "", source=source)
        for name, value in variables.items()
        if name.upper().startswith(PREFIX) or name.upper() in aliases
    }


def shown_settings(broker_url: str | None = None) -> list[Shown]:
    """Returns all settings, in the order of the class.

    Args:
        broker_url: as an option gives it.

    Raises:
        AskpixError: one is not valid.
    """
    settings, given = load_settings(broker_url), given_variables()
    shown = []
    for field in Settings.model_fields:
        name = variable_of(field)
        source = given[name].source if name in given else Source.DEFAULT
        if field == "broker_url" and broker_url:
            source = Source.OPTION
        shown.append(Shown(variable=name, value=_masked(field, getattr(settings, field)), source=source))
    return shown


def _masked(field: str, value: Any) -> Any:
    if isinstance(value, SecretStr):
        if field == "answer_cache" and "://" not in value.get_secret_value():
            return value.get_secret_value()
        return Masking((value.get_secret_value(),))(value.get_secret_value())
    return value
