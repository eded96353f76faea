"""`askpix dead`: messages that no worker understood."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime

import click
from rich.table import Table

from askpix.cli.console import stderr, stdout, table_row
from askpix.cli.options import broker_option
from askpix.producer.broker import Broker, answering
from askpix.producer.dead import DeadLetters
from askpix.producer.settings import load_settings
from askpix.producer.words import counted


@click.group()
def command() -> None:
    """List messages that no worker understood, and put them back.

    Such a message is kept with the reason, a thousand at the most. Its job is not lost: `askpix resume JOB` queues
    what has no result.
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with the message as it was found.")
@broker_option
def list_(as_json: bool, broker: str | None) -> int:
    """List the messages, the newest first."""
    with _letters(broker) as letters:
        found = letters.all()
    if as_json:
        for letter in found:
            stdout().print(json.dumps(letter.model_dump()), soft_wrap=True)
        return 0
    if not found:
        stderr().print("There is none.")
        return 0
    table = Table(box=None, pad_edge=False)
    for name in ("id", "when", "queue", "why"):
        table.add_column(name, overflow="fold")
    for letter in found:
        when = datetime.fromtimestamp(letter.at, UTC).isoformat(" ", "seconds").removesuffix("+00:00")
        table_row(table, letter.id, when, letter.queue, letter.why)
    stdout().print(table)
    return 0


@command.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "every", is_flag=True, help="All that there are.")
@broker_option
def requeue(ids: tuple[str, ...], every: bool, broker: str | None) -> int:
    """Put messages back into the queues that they came from, for workers that may understand them."""
    if every is bool(ids):
        raise click.UsageError("give the ids that `askpix dead list` shows, or --all")
    with _letters(broker) as letters:
        back = [letters.requeue(id_) for id_ in ids or [letter.id for letter in letters.all() if letter.whole]]
    stderr().print(f"{counted(len(back), 'message')} put back.")
    return 0


@command.command()
@broker_option
def drop(broker: str | None) -> int:
    """Forget all of them."""
    with _letters(broker) as letters:
        stderr().print(f"{counted(letters.drop(), 'message')} dropped.")
    return 0


@contextmanager
def _letters(url: str | None) -> Iterator[DeadLetters]:
    """Yields the dead letters of a broker; one that does not answer is told in one line."""
    broker = Broker(load_settings(url).broker_url)
    with closing(broker), answering():
        yield DeadLetters(broker.redis)
