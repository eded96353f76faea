"""`askpix pause`, `resume`, `cancel` and `retry`: a hand on a job."""

from __future__ import annotations

from contextlib import suppress

import click

from askpix.cli.console import stderr
from askpix.cli.options import broker_option
from askpix.cli.served import unserved_note
from askpix.producer.client import Client
from askpix.producer.errors import BrokerError
from askpix.producer.followed import Job
from askpix.producer.words import counted


@click.command()
@click.argument("job")
@broker_option
def pause(job: str, broker: str | None) -> int:
    """Hold JOB: within seconds no worker works on it.

    What is done stays; `askpix resume` carries on.
    """
    with Client(broker) as client:
        opened = client.job(job)
        if _has_ended(opened, job):
            return 0
        opened.pause()
    stderr().print(f"{job} is paused. Next: askpix resume {job}", soft_wrap=True)
    return 0


@click.command()
@click.argument("job")
@broker_option
def cancel(job: str, broker: str | None) -> int:
    """Stop JOB; what is done stays."""
    with Client(broker) as client:
        opened = client.job(job)
        if _has_ended(opened, job):
            return 0
        opened.cancel()
    stderr().print(f"{job} is cancelled; its results so far stay.", soft_wrap=True)
    return 0


def _has_ended(opened: Job, job: str) -> bool:
    """Says so where a job is complete: then there is nothing to hold. A broker that is lost is told of later."""
    with suppress(BrokerError):
        if opened.progress().finished:
            stderr().print(f"{job} is complete already; nothing was changed.", soft_wrap=True)
            return True
    return False


@click.command()
@click.argument("job")
@broker_option
def resume(job: str, broker: str | None) -> int:
    """Carry on with JOB.

    After a pause, a cancel or an error, and when the broker has lost the job: what is missing is found in
    the job folder and queued again.
    """
    with Client(broker) as client:
        opened = client.job(job)
        opened.resume()
        progress = opened.progress()
        if progress.finished:
            stderr().print(f"{job} is complete; nothing is left to do.", soft_wrap=True)
            return 0
        left = progress.parts - progress.parts_done
        stderr().print(f"{job} carries on: {left} of {counted(progress.parts, 'part')} left.", soft_wrap=True)
        unserved_note(opened)
    stderr().print(f"Next: askpix watch {job}", soft_wrap=True)
    return 0


@click.command()
@click.argument("job")
@click.option("--code", "codes", multiple=True, metavar="CODE", help="Failures with this error code. Repeatable.")
@click.option("--all", "every", is_flag=True, help="All failures, also those that trying again hardly helps.")
@broker_option
def retry(job: str, codes: tuple[str, ...], every: bool, broker: str | None) -> int:
    """Try the failed items of JOB again, in a new round.

    By default those that trying again can help. Items that were answered are left as they are.
    """
    if codes and every:
        raise click.UsageError("--code and --all exclude each other")
    with Client(broker) as client:
        opened = client.job(job)
        round_ = opened.retry(codes, every=every)
        if round_ is None:
            said = "has no failures" if every else "has no such failures; --all tries every failed item"
            stderr().print(f"{job} {said}.", soft_wrap=True)
            return 0
        stderr().print(f"{job}: {counted(round_.items, 'item')} tried again in round {round_.round}.", soft_wrap=True)
        unserved_note(opened)
    stderr().print(f"Next: askpix watch {job}", soft_wrap=True)
    return 0
