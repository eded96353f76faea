"""Whether the settings are valid: all of them are looked at, also where the first is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from functools import partial

from pydantic import SecretStr, ValidationError

from askpix.producer.checks.finding import Finding, Mark
from askpix.producer.errors import AskpixError
from askpix.producer.settings import DEFAULT_BROKER, ENV_FILE, Settings, load_settings, with_password
from askpix.producer.settings_shown import Given, given_variables, variable_of
from askpix.producer.words import counted

_LIKE = 0.8
"""As which a name counts as a slip of the pen, of 1."""

_finding = partial(Finding, about="settings")


def check_settings(broker_url: str | None = None) -> Iterator[Finding]:
    """Yields a finding for each setting that is wrong, and each variable that sets nothing; or that all is well."""
    try:
        given = given_variables()
    except AskpixError as error:
        yield _finding(what=ENV_FILE, mark=Mark.WRONG, said=str(error))
        return
    wrong = list(_invalid())
    yield from wrong
    try:
        if not wrong:
            load_settings(broker_url)
    except AskpixError as error:
        wrong.append(_finding(what="values", mark=Mark.WRONG, said=str(error)))
        yield wrong[-1]
    strange = [_unknown(one) for name, one in given.items() if name not in _known()]
    yield from strange
    if not wrong:
        count = len(given) - len(strange)
        yield _finding(what="values", mark=Mark.OK, said=f"{counted(count, 'setting')} given, all of them valid")


def _invalid() -> Iterator[Finding]:
    try:
        Settings()
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_context=False, include_input=False):
            # Of a list, the place has the number of the value that is wrong.
            variable = variable_of(str(problem["loc"][0]).lower())
            said = problem["msg"].removeprefix("Value error, ").lower()
            yield _finding(what=variable, mark=Mark.WRONG, said=said)


def _known() -> set[str]:
    return {variable_of(name) for name in Settings.model_fields}


def _unknown(given: Given) -> Finding:
    near = difflib.get_close_matches(given.name, _known(), n=1, cutoff=_LIKE)
    if near:
        said = f"it sets nothing (in the {given.source}); did you mean {near[0]}?"
        return _finding(what=given.name, mark=Mark.WRONG, said=said)
    said = f"it sets nothing here (in the {given.source}): it is of another version, or another program's"
    return _finding(what=given.name, mark=Mark.NOTE, said=said)


def usable_broker(broker_url: str | None = None) -> SecretStr:
    """Returns the broker's URL, whatever is wrong with other settings.

    Raises:
        AskpixError: the file with its password cannot be read, or the file .env.
    """
    given = {name: one.value for name, one in given_variables().items()}
    url = broker_url or given.get(variable_of("broker_url")) or DEFAULT_BROKER
    return with_password(SecretStr(url), given.get(variable_of("broker_password_file")))
