"""`askpix flower`."""

from __future__ import annotations

import logging
import re
import sys
from pathlib import Path

import click

from askpix.cli.console import stderr
from askpix.cli.options import broker_option
from askpix.producer.errors import InputError
from askpix.producer.settings import load_settings
from askpix.worker.flower import Page, page_password, serve


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
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    page = Page(address=address, port=port, user=user, password=page_password(password_file), tasks=tasks)
    serve(page, load_settings(broker), _ready)


def _ready(address: str) -> None:
    stderr().print(f"Flower is at {address} (Ctrl-C ends it)", soft_wrap=True)
