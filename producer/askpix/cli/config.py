"""`askpix config show` and `askpix config check`."""

from __future__ import annotations

import json
from dataclasses import asdict

import click
from rich.table import Table

from askpix.cli.config_check import check
from askpix.cli.console import stdout, table_row
from askpix.cli.options import broker_option
from askpix.producer.settings_shown import Shown, shown_settings


@click.group()
def command() -> None:
    """Show the settings; try broker, storage and models."""


@command.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@broker_option
def show(as_json: bool, broker: str | None) -> int:
    """Show all settings, and where each comes from.

    That is an option, the environment, a .env file in the current folder, or the
    default. Passwords are not shown.
    """
    settings = shown_settings(broker)
    if as_json:
        stdout().print(json.dumps({one.variable: _facts(one) for one in settings}), soft_wrap=True)
        return 0
    table = Table(box=None, pad_edge=False)
    for name in ("variable", "value", "from"):
        table.add_column(name, overflow="fold", no_wrap=name == "variable")
    for one in settings:
        table_row(table, one.variable, _text(one.value), one.source)
    stdout().print(table)
    return 0


def _facts(setting: Shown) -> dict[str, object]:
    return {name: value for name, value in asdict(setting).items() if name != "variable"}


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


command.add_command(check)
