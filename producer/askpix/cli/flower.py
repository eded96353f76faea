"""`askpix flower`."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import click

from askpix.cli.console import stderr
from askpix.cli.options import broker_option
from askpix.producer.errors import InputError
from askpix.producer.settings import load_settings
from askpix.worker.flower import Page, page_password, serve
from askpix.worker.logs.secrets import secrets_of
from askpix.worker.logs.setup import LogForm, current_form, log_to_stderr

_log = logging.getLogger("askpix")


@click.command()
@click.option(
    "--password-file",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="A file with the password in one line, of 8 characters or more.",
)
@click.option("--user", default="askpix", show_default=True, metavar="NAME", help="Whose password it is.")
@click.option("--address", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=5555,
    show_default=True,
    metavar="N",
    help="The port to listen on.",
)
@click.option(
    "--tasks",
    type=click.IntRange(min=1),
    default=10_000,
    show_default=True,
    metavar="N",
    help="Tasks to keep in memory.",
)
@broker_option
def command(password_file: Path, user: str, address: str, port: int, tasks: int, broker: str | None) -> None:
    """Look at workers and tasks with Flower, in a browser.

    It shows workers that were started with --events, and what they do from
    then on. It asks everybody for the password, and changes nothing.
    """
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", user):
        raise InputError("--user takes letters, digits, dots and dashes, 64 at the most")
    password, settings = page_password(password_file), load_settings(broker)
    log_to_stderr(LogForm(json=settings.log_json, secrets=(*secrets_of(settings), password)))
    # Of the libraries, which tell of every page that is looked at.
    logging.getLogger().setLevel(logging.WARNING)
    serve(Page(address=address, port=port, user=user, password=password, tasks=tasks), settings, _ready)


def _ready(address: str) -> None:
    line = f"Flower is at {address} (Ctrl-C ends it)"
    if (form := current_form()) is not None and form.json:
        _log.info("%s", line)
    else:
        stderr().print(line, soft_wrap=True)
