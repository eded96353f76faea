"""`askpix watch` and `askpix status`: how far a job is."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from askpix.cli.console import printable, stderr, stdout
from askpix.cli.ending import end_cleanly_on_signals
from askpix.cli.options import broker_option, json_lines_option
from askpix.cli.showing import showing
from askpix.cli.shown import counts_line, failures_shown
from askpix.producer.client import Client
from askpix.producer.errors import BrokerError, JobError
from askpix.producer.followed import Job, JobProgress
from askpix.producer.words import counted

_INTERVAL_SECONDS = 0.5

_COUNTS = (("done", "items", "item"), ("parts_done", "parts", "part"))


@click.command()
@click.argument("job")
@json_lines_option
@broker_option
def watch(job: str, as_json: bool, broker: str | None) -> int:
    """Follow JOB until it ends.

    On a terminal it shows how far the job is, how fast it goes and how long it will take, the workers, the commonest
    errors and the newest answers; elsewhere a line now and then.

    Exit code 0: every item was answered; 1: some have an error instead; 2: the job stopped.
    """
    # So that the terminal is left as it was.
    end_cleanly_on_signals()
    with Client(broker) as client:
        opened = client.job(job)
        try:
            progress = _followed(opened, as_json=as_json)
        except BrokerError:
            # Of a job that has ended, as one of `run`, the folder knows all.
            opened = Job.open(job)
            if not opened.progress().finished:
                raise
            progress = _followed(opened, as_json=as_json)
        return _end(opened, job, progress)


def _followed(job: Job, *, as_json: bool) -> JobProgress:
    warned: str | None = None
    with showing(as_json=as_json, unserved=True) as showed:
        for progress in job.watch(_INTERVAL_SECONDS, told=showed.say):
            showed.show(progress)
            if progress.warning and progress.warning != warned:
                warned = progress.warning
                what = "A part has to wait" if progress.passing else "A worker refused a part"
                showed.say(f"{what}: {warned}")
    return progress


def _end(job: Job, name: str, progress: JobProgress) -> int:
    if progress.error:
        raise JobError(f"{progress.error} (then: askpix resume {name})")
    if not progress.finished:
        items = counted(progress.items, "item")
        stderr().print(f"{progress.state}: {progress.done} of {items} done, {progress.failures} failed", soft_wrap=True)
        stderr().print(f"Next: askpix resume {name}", soft_wrap=True)
        return 2
    counts_line(progress.ok, progress.failed, cached=progress.cached)
    if progress.failed:
        passing = failures_shown(job, progress)
        again = f"askpix retry {name}"
        hint = again if passing else f"{again} --code CODE, where what is said there was mended"
        stderr().print(f"Next: {hint}", soft_wrap=True)
    stderr().print(f"Next: askpix export {name} --to answers.csv", soft_wrap=True)
    return 1 if progress.failed else 0


@click.command()
@click.argument("job")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@broker_option
def status(job: str, as_json: bool, broker: str | None) -> int:
    """Show once how far JOB is.

    Without a broker, by what the job folder says.
    """
    told = _one_reading(job, broker)
    if as_json:
        stdout().print(json.dumps(told), soft_wrap=True)
        return 0
    round_ = f", retry round {told['round']}" if told["round"] else ""
    items, parts = (f"{told[done]} of {counted(told[all_], noun)}" for done, all_, noun in _COUNTS)
    stdout().print(f"{told['job']} ({told['model']})", soft_wrap=True)
    stdout().print(f"{told['state']}{round_}: {items}, {parts}", soft_wrap=True)
    known = f", {told['cached']:,} from the cache" if told["cached"] else ""
    stdout().print(f"{told['ok']} ok, {told['failed']} failed{known}", soft_wrap=True)
    for code, count in sorted(told["codes"].items(), key=lambda pair: -pair[1]):
        stdout().print(f"  {count} x {printable(code)}", soft_wrap=True)
    for kind in ("error", "warning"):
        if told[kind]:
            stdout().print(f"{kind}: {printable(told[kind])}", soft_wrap=True)
    if told["broker"] == "lost":
        stderr().print("The broker does not answer; this is what the job folder says.", soft_wrap=True)
    elif not told["counted"] and told["state"] in ("running", "paused"):
        stderr().print(
            f"The broker does not know the job: `askpix resume {job}` queues what is missing.", soft_wrap=True
        )
    elif told["unserved"] is not None:
        stderr().print(printable(told["unserved"]["text"]), soft_wrap=True)
    return 0


def _one_reading(uri: str, broker: str | None) -> dict[str, Any]:
    """Returns how a job is, by its folder alone where the broker does not answer."""
    answers, served, unserved = "ok", None, None
    with Client(broker) as client:
        job = client.job(uri)
        try:
            progress, serving = job.progress(), job.serving()
            served = bool(serving.devices)
            if progress.state == "running" and progress.counted:
                unserved = serving.unserved
        except BrokerError:
            answers = "lost"
            progress = Job.open(uri).progress()
    spec = job.spec
    about = {"job": job.folder.uri, "id": spec.id, "model": spec.model, "device": spec.device}
    counts = {name: value for name, value in asdict(progress).items() if name != "serving"}
    told = None if unserved is None else unserved.to_json()
    return {**about, "broker": answers, "served": served, "unserved": told, **counts}
