"""Writes the table of settings into docs/settings.md, from the class of the settings: `make settings`."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from askpix.producer.settings import Settings, Side

PAGE = Path(__file__).parents[1] / "settings.md"
BEGIN, END = "<!-- settings: `make settings` writes this table -->\n", "<!-- end of settings -->\n"


def written(page: str) -> str:
    """Returns the page with its table as it is now to be.

    Raises:
        ValueError: the page has no place for it, or a setting does not say what it is.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} has no place for the table: {BEGIN.strip()} … {END.strip()}")
    return f"{before}{begin}{table()}{end}{after}"


def table() -> str:
    """Returns a row of Markdown for each setting, in the order of the class."""
    rows = ["| variable | what it sets | default | read by |", "| --- | --- | --- | --- |"]
    rows += [f"| {' | '.join(row)} |" for row in _rows()]
    return "\n".join(rows) + "\n"


def _rows() -> Iterator[tuple[str, str, str, str]]:
    told = docstrings()
    for name, field in Settings.model_fields.items():
        if field.validation_alias is not None:  # a variable that others have too
            continue
        sides = [one for one in field.metadata if isinstance(one, Side)]
        if len(sides) != 1 or name not in told:
            raise ValueError(f"in Settings, {name} needs a docstring and, among what annotates it, one Side")
        yield f"`ASKPIX_{name.upper()}`", told[name].removesuffix("."), _default(field.default), sides[0].value


def _default(value: Any) -> str:
    if value is None:
        return ""
    value = value.get_secret_value() if isinstance(value, SecretStr) else value
    if isinstance(value, tuple):
        return f"`{','.join(value)}`" if value else ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def docstrings() -> dict[str, str]:
    """Returns what stands below each field of the class, in one line."""
    (body,) = ast.parse(inspect.getsource(Settings)).body
    assert isinstance(body, ast.ClassDef)
    pairs = zip(body.body, body.body[1:], strict=False)
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in pairs
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
