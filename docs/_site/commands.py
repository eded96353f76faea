"""A page that says so has the help of every command, as the command itself gives it."""

from __future__ import annotations

from collections.abc import Iterator

import click
from sphinx.application import Sphinx

from askpix.cli.main import command as askpix

MARK = "(`make docs` writes it here.)"
"""What the page has in its place, for those who read it in the repository."""

_WIDTH = 80


def helps(command: click.Command = askpix, name: str = "askpix", parent: click.Context | None = None) -> Iterator[str]:
    """Yields a section of Markdown for a command, and for each command below it."""
    context = click.Context(command, info_name=name, parent=parent, terminal_width=_WIDTH, **command.context_settings)
    yield f"## {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            if found is not None:
                yield from helps(found, below, context)


def _read(app: Sphinx, docname: str, source: list[str]) -> None:  # noqa: ARG001
    if MARK in source[0]:
        source[0] = source[0].replace(MARK, "\n".join(helps()))


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", _read)
    return {"parallel_read_safe": True}
