"""`askpix run`: the whole job on this machine."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import FrameType

import click
from pydantic import ValidationError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from askpix.cli.console import printable, stderr, stdout
from askpix.cli.options import access_options, engine_options, model_folder
from askpix.cli.questions import read_questions
from askpix.producer.client import Job, JobProgress, write_job
from askpix.producer.errors import AskpixError
from askpix.producer.inputs import Input
from askpix.producer.items import Options, Question, first_problem
from askpix.producer.job import JobFolder
from askpix.producer.rows import Row, Status
from askpix.producer.storage import open_storage
from askpix.worker.engine.devices import Precision, check_device, check_precision
from askpix.worker.local import LocalSystem, demo_model
from askpix.worker.models.manifest import load_manifest

_SHOWN = 12
"""Answers in the table at the end."""

_SHOWN_EACH = 3
"""Of them, answers about one image."""

_LINE_SECONDS = 5.0
"""Between two lines of progress, where there is no terminal."""


@click.command()
@click.argument("input_", metavar="INPUT")
@click.option("--output", required=True, metavar="JOB", help="The job folder: a new one, or one to carry on with.")
@click.option("--question", "questions", multiple=True, metavar="TEXT", help="Ask this of each image. Repeatable.")
@click.option(
    "--questions",
    "questions_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Questions with names and choices: a YAML list of texts or of {text, name, choices}.",
)
@click.option("--prompt", metavar="TEXT", help="What captions begin with.")
@click.option("--max-new-tokens", type=int, help="The longest answer, in tokens; by default as the model folder says.")
@click.option("--model", type=model_folder, metavar="FOLDER", help="The model folder; by default the demo model.")
@engine_options
@access_options
def command(
    input_: str,
    output: str,
    questions: tuple[str, ...],
    questions_file: Path | None,
    prompt: str | None,
    max_new_tokens: int | None,
    model: Path | None,
    device: str,
    precision: str,
    files_roots: tuple[str, ...],
    networks: tuple[str, ...],
) -> int:
    """Caption images, or ask questions about them, on this machine.

    INPUT is a folder of images, one image, or a list: .txt with an image a line, .csv with a column
    image, .jsonl with objects {"image": ..., "questions": [...]}. Images are paths (relative ones count
    from the list) or URLs. Without questions, images are captioned.

    Exit code 0: every item was answered; 1: some have an error instead; 2: nothing was done.
    """
    started = time.monotonic()
    _end_cleanly_on_signals()
    items = Input(input_)
    asked = (*map(Question.parse, questions), *(read_questions(questions_file) if questions_file else ()))
    manifest = load_manifest(model or demo_model())
    longest = manifest.generation.max_new_tokens if max_new_tokens is None else max_new_tokens
    options = _options(prompt, longest)
    if model is None:
        stderr().print("Using the demo model, which knows only the demo's shop catalogue; --model takes a real one.")
    check_precision(check_device(device), Precision(precision))
    storage = open_storage(output)
    job = write_job(
        items,
        JobFolder(storage),
        root=items.root,
        model=manifest.name,
        questions=asked or None,
        options=options,
    )
    done_before = job.progress()
    if done_before.finished:
        failed = " Failed items are not tried again: a new --output does that." if done_before.failed else ""
        stderr().print(f"{output} is complete already; nothing was left to do.{failed}", soft_wrap=True)
    else:
        system = LocalSystem(
            model,
            device=device,
            precision=Precision(precision),
            storage_root=Path(storage.uri),
            files_roots=[items.root, *map(Path, files_roots)],
            allow_net=networks,
        )
        with _shown(job.spec.items) as show, system as local:
            local.wait(local.client.enqueue(job), show)
    seconds = time.monotonic() - started
    return _summarise(job, output, seconds, done_before.done)


def _end_cleanly_on_signals() -> None:
    """Makes SIGTERM and SIGHUP (a closed terminal) end the broker and the worker, as Ctrl-C does."""

    def end(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup leaves it
            signal.signal(number, end)


def _options(prompt: str | None, max_new_tokens: int) -> Options:
    try:
        return Options(prompt=prompt, max_new_tokens=max_new_tokens)
    except ValidationError as error:
        name, _, problem = first_problem(error).partition(": ")
        raise AskpixError(f"--{name.replace('_', '-')}: {problem.lower()}") from None


@contextmanager
def _shown(items: int) -> Iterator[Callable[[JobProgress], None]]:
    """Yields what shows progress: a bar on a terminal, now and then a line otherwise."""
    console = stderr()
    if not console.is_terminal:
        last = time.monotonic()

        def line(progress: JobProgress) -> None:
            nonlocal last
            if time.monotonic() - last >= _LINE_SECONDS:
                last = time.monotonic()
                console.print(f"{progress.done} of {items} items")

        yield line
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("items"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=items)
        yield lambda progress: bar.update(
            task, completed=progress.done, description="answering" if progress.done else "starting"
        )


def _summarise(job: Job, output: str, seconds: float, done_before: int) -> int:
    """Prints some answers, the counts, and what to do next; returns the exit code."""
    failed: dict[str, tuple[int, str]] = {}
    ok = 0
    for row in job.results():
        if row.status is Status.OK:
            ok += 1
        else:
            code = row.error_code or "error"
            failed[code] = (failed.get(code, (0, ""))[0] + 1, printable(f"{row.id}: {row.error_message}"))
    _print_answers(job)
    bad = sum(count for count, _ in failed.values())
    new = ok + bad - done_before
    rate = f", {new / seconds:.1f} images/s (start included)" if new else ""
    stderr().print(f"\n{ok + bad} items: {ok} ok, {bad} failed{rate}", soft_wrap=True)
    for code, (count, example) in sorted(failed.items(), key=lambda pair: -pair[1][0]):
        stderr().print(f"  {count} x {code}, such as {example}", soft_wrap=True)
    stderr().print(f"Results: {Path(output) / 'results'}", soft_wrap=True)
    stderr().print(f"Next:    askpix export {output} --to answers.csv", soft_wrap=True)
    return 1 if bad else 0


def _print_answers(job: Job) -> None:
    lines = list(islice(_answers(job.results()), _SHOWN))
    captions_only = all(question is None for _, question, _, _ in lines)
    table = Table(box=None, pad_edge=False)
    table.add_column("image", overflow="ellipsis", no_wrap=True, max_width=24)
    if not captions_only:
        table.add_column("question", overflow="fold")
    table.add_column("caption" if captions_only else "answer", overflow="fold")
    table.add_column("confidence", justify="right", no_wrap=True)
    for image, question, text, confidence in lines:
        asked = () if captions_only else (question or "(caption)",)
        table.add_row(image, *asked, text, f"{confidence:.2f}")
    if lines:
        stdout().print(table)


def _answers(rows: Iterator[Row]) -> Iterator[tuple[str, str | None, str, float]]:
    for row in rows:
        for index, answer in enumerate(row.answers[:_SHOWN_EACH]):
            name = "" if index else os.path.basename(row.id)  # noqa: PTH119 - an id need not be a path
            question = None if answer.question is None else printable(answer.question)
            yield printable(name), question, printable(answer.text), answer.confidence
