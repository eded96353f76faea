"""`askpix cache`: the answers that are kept across jobs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime

import click

from askpix.cli.console import printable, stderr, stdout
from askpix.cli.durations import duration
from askpix.producer.errors import AskpixError
from askpix.producer.queues import check_model_name
from askpix.producer.settings import load_settings
from askpix.producer.words import counted, listed
from askpix.worker.answer_cache.opening import open_store
from askpix.worker.answer_cache.store import Contents, Store, StoreError


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def command(context: click.Context, as_json: bool) -> int:
    """Show where answers are kept across jobs, and how many; forget them.

    That is where ASKPIX_ANSWER_CACHE says, as it does to a worker: of workers elsewhere, give theirs.
    """
    if context.invoked_subcommand is not None:
        return 0
    with _store() as store:
        found = None if store is None else store.contents()
    if as_json:
        stdout().print(json.dumps({} if found is None else asdict(found)), soft_wrap=True)
    elif found is None:
        stderr().print(_NOWHERE, soft_wrap=True)
    else:
        _show(found)
    return 0


@command.command()
@click.option("--model", metavar="NAME", help="Only what this model has said.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def purge(model: str | None, yes: bool) -> int:
    """Forget what is kept: models are asked everything anew."""
    if model is not None:
        check_model_name(model)
    with _store() as store:
        if store is None:
            stderr().print(_NOWHERE, soft_wrap=True)
            return 0
        found = store.contents()
        if model is not None and model not in found.by_model:
            raise AskpixError(f"nothing is kept that {model} has said: {_models(found)}")
        which = "all answers" if model is None else f"what {model} has said"
        if not yes and stderr().is_terminal:
            click.confirm(f"Forget {which} in {printable(found.place)}?", abort=True, err=True)
        removed = store.purge(model)
    whose = "" if model is None else f" of {model}"
    stderr().print(f"The answers{whose} about {counted(removed, 'image')} are forgotten.", soft_wrap=True)
    return 0


def _models(found: Contents) -> str:
    """Returns whose answers there are instead."""
    if not found.by_model:
        return f"{printable(found.place)} is empty"
    return f"there are answers of {listed(list(map(printable, found.by_model)))}"


_NOWHERE = "No answers are kept: ASKPIX_ANSWER_CACHE is off, or there is no folder for them."


def _show(found: Contents) -> None:
    stdout().print(printable(found.place), soft_wrap=True)
    answers = "" if found.answers is None else f", {counted(found.answers, 'answer')}"
    stdout().print(f"{counted(found.images, 'image')}{answers}", soft_wrap=True)
    for model, images in found.by_model.items():
        stdout().print(f"  {printable(model)}: {counted(images, 'image')}", soft_wrap=True)
    limit = "" if found.limit is None else f" of {found.limit / 1e6:,.0f} MB"
    stdout().print(f"{found.bytes / 1e6:,.1f} MB{limit}", soft_wrap=True)
    if found.oldest is not None:
        when = datetime.fromtimestamp(found.oldest, UTC).date()
        ago = duration(max(time.time() - found.oldest, 0))
        stdout().print(f"What is forgotten first was last used on {when}, {ago} ago.", soft_wrap=True)
    if found.warning is not None:
        stderr().print(printable(found.warning), soft_wrap=True)


@contextmanager
def _store() -> Iterator[Store | None]:
    """Yields where answers are kept; what goes wrong there is told in one line."""
    try:
        store = open_store(load_settings())
        if store is None:
            yield None
            return
        with closing(store):
            yield store
    except StoreError as error:
        raise AskpixError(f"the cache of answers cannot be used: {error}") from None
