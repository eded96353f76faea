"""`askpix run`: the whole job on this machine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from askpix.cli.asked import Asked, asks
from askpix.cli.console import stderr
from askpix.cli.ending import end_cleanly_on_signals
from askpix.cli.opening import Opening, opens
from askpix.cli.options import (
    cache_option,
    cores_options,
    engine_options,
    json_lines_option,
    model_folder,
)
from askpix.cli.showing import showing
from askpix.cli.shown import answers_shown, counts_line, failures_shown
from askpix.producer.followed import Job
from askpix.producer.inputs import Input
from askpix.producer.job_folder import JobFolder
from askpix.producer.job_order import Order
from askpix.producer.settings import load_settings
from askpix.producer.storage_opening import open_storage
from askpix.producer.submission import write_job
from askpix.worker.cores import chosen
from askpix.worker.digests import Digests
from askpix.worker.engine.devices import Precision, check_device, check_precision
from askpix.worker.local import LocalSystem, demo_model
from askpix.worker.models.folder import load_manifest


@click.command()
@asks
@click.option("--output", required=True, metavar="JOB", help="The job folder: a new one, or one to carry on with.")
@click.option("--model", type=model_folder, metavar="FOLDER", help="The model folder; by default the demo model.")
@click.option("--retry", is_flag=True, help="Of a job that is complete, do again what failed and may go well now.")
@cache_option
@engine_options
@cores_options
@opens
@json_lines_option
def command(
    asked: Asked,
    settings: dict[str, Any],
    output: str,
    model: Path | None,
    retry: bool,
    cache: bool,
    device: str,
    precision: str,
    cpus: str | None,
    threads: int | None,
    opening: Opening,
    as_json: bool,
) -> int:
    """Caption images, or ask questions about them, on this machine.

    INPUT is a folder of images, one image, an s3:// prefix, or a list: .txt with an image a line,
    .csv or .tsv with a column image, .jsonl with objects {"image": ..., "questions": [...]}, .parquet;
    all but .parquet also with .gz, and all also on S3. Images are paths (relative ones count from the
    list), URLs or S3 URIs. Without questions, images are captioned.

    Exit code 0: every item was answered; 1: some have an error instead; 2: nothing was done.
    """
    started = time.monotonic()
    # The broker and the worker end with this process.
    end_cleanly_on_signals()
    items = asked.items()
    questions, options = asked.questions(), asked.options(settings)
    # Before anything is written. The worker checks it too, and knows by then that it is whole.
    own = load_settings()
    manifest = load_manifest(model or demo_model(), Digests.beside(own.cache_folder()))
    may = opening.access(own)
    check_precision(check_device(device), Precision(precision))
    chosen(cpus, threads)
    if model is None:
        stderr().print("Using the demo model, which knows only the demo's shop catalogue; --model takes a real one.")
    folder = JobFolder(open_storage(output))
    order = Order(model=manifest.name, questions=questions, options=options, part_size=asked.part_size, cache=cache)
    spec = write_job(items, folder, order, base=items.base)
    before = Job(folder, spec).progress()
    if before.finished and not (retry and before.failed):
        failed = " With --retry, failed items are tried again." if before.failed else ""
        stderr().print(f"{output} is complete already; nothing was left to do.{failed}", soft_wrap=True)
        with showing(as_json=as_json, unserved=False) as showed:
            showed.show(before)
    else:
        system = LocalSystem(
            model,
            device=device,
            precision=Precision(precision),
            cpus=cpus,
            threads=threads,
            storage_root=folder.uri,
            files_roots=[*_own_root(items), *may.files_roots],
            allow_net=opening.networks,
            allow_buckets=[*_own_bucket(items), *opening.buckets],
        )
        try:
            with showing(as_json=as_json, unserved=False) as showed, system as local:
                job = local.client.job(folder.uri)
                if not before.finished:
                    job.resume()
                elif job.retry() is None:
                    showed.say("None of the failed items is likely to go well now.")
                local.wait(job, showed.show, told=showed.say)
        except KeyboardInterrupt:
            stderr().print("What is done stays; the same command carries on.")
            raise
    if not as_json:
        answers_shown(Job(folder, spec))
    return _summarise(Job(folder, spec), output, time.monotonic() - started, before.done)


def _own_root(items: Input) -> list[Path]:
    return [] if items.local_root is None else [items.local_root]


def _own_bucket(items: Input) -> list[str]:
    return [] if items.bucket is None else [items.bucket]


def _summarise(job: Job, output: str, seconds: float, done_before: int) -> int:
    """Prints the counts, and what to do next; returns the exit code."""
    progress = job.progress()
    new = progress.ok + progress.failed - done_before
    rate = f", {new / seconds:.1f} images/s (start included)" if new else ""
    stderr().print()
    counts_line(progress.ok, progress.failed, rate, progress.cached)
    passing = failures_shown(job, progress)
    stderr().print(f"Results: {output.rstrip('/')}/results", soft_wrap=True)
    if passing:
        stderr().print("Next:    the same command with --retry", soft_wrap=True)
    stderr().print(f"Next:    askpix report {output}", soft_wrap=True)
    stderr().print(f"Next:    askpix export {output} --to answers.csv", soft_wrap=True)
    return 1 if progress.failed else 0
