"""`askpix config check`: tries what producers and workers need, and says what is wrong."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click
from rich.text import Text

from askpix.cli.console import printable, stdout
from askpix.cli.needing import needing
from askpix.cli.options import broker_option, model_folder
from askpix.producer.checks.broker import check_broker, check_workers
from askpix.producer.checks.finding import THREAD, Finding, Mark, tried
from askpix.producer.checks.settings import check_settings, usable_broker
from askpix.producer.checks.storage import check_storage
from askpix.producer.errors import AskpixError
from askpix.producer.settings import Settings, load_settings

_STYLES = {Mark.OK: "green", Mark.WRONG: "bold red", Mark.NOTE: "yellow", Mark.SKIPPED: "dim"}

_SECONDS = 60.0


@click.command()
@broker_option
@click.option(
    "--storage",
    "storages",
    multiple=True,
    metavar="URI",
    help="A folder or s3://bucket/prefix to be tried, as --storage-root of a worker. Repeatable.",
)
@click.option(
    "--model",
    "models",
    type=model_folder,
    multiple=True,
    metavar="FOLDER",
    help="A model folder to be compiled and asked. Repeatable.",
)
@click.option("--device", default="CPU", show_default=True, help="On which device.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="After which a thing that does not answer is left alone.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def check(
    broker: str | None,
    storages: tuple[str, ...],
    models: tuple[Path, ...],
    device: str,
    timeout: float,
    as_json: bool,
) -> int:
    """Try broker, storage and models, and say what is wrong.

    Each thing is tried for itself: what is wrong with one keeps none of the others
    from being tried. What is written for that is removed again.

    Exit code 0: all is well; 1: something is wrong.
    """
    wrong = False
    for finding in _findings(broker, storages, models, device, timeout):
        wrong = wrong or finding.mark is Mark.WRONG
        _say(finding, as_json=as_json)
    code = int(wrong)
    if any(thread.name.startswith(THREAD) for thread in threading.enumerate()):
        # One hangs, in a library maybe that would have the end of the process wait for it.
        sys.stdout.flush()
        os._exit(code)
    return code


def _findings(
    broker: str | None, storages: tuple[str, ...], models: tuple[Path, ...], device: str, timeout: float
) -> Iterator[Finding]:
    yield from tried("settings", partial(check_settings, broker), timeout)
    yield from tried("broker", lambda: check_broker(usable_broker(broker)), timeout)
    for uri in storages:
        yield from tried(f"storage {uri}", partial(check_storage, uri), timeout)
    for folder in models:
        yield from tried(f"model {folder}", partial(_check_model, folder, device), timeout)
    yield from tried("workers", lambda: check_workers(usable_broker(broker)), timeout)


def _check_model(folder: Path, device: str) -> Iterator[Finding]:
    with needing("--model", extra="worker"):
        from askpix.worker.checks.model import check_model
    yield from check_model(folder, device, _valid_settings())


def _valid_settings() -> Settings:
    """Returns the settings; the defaults where some are wrong, which was said already."""
    try:
        return load_settings()
    except AskpixError:
        return Settings.model_construct()


def _say(finding: Finding, *, as_json: bool) -> None:
    if as_json:
        stdout().print(json.dumps(asdict(finding)), soft_wrap=True)
        return
    about = f"{finding.about}: {finding.what}" if finding.what else finding.about
    line = Text.assemble(
        (f"{finding.mark.value:8}", _STYLES[finding.mark]), (f"{printable(about)}: ", "bold"), printable(finding.said)
    )
    stdout().print(line, soft_wrap=True)
