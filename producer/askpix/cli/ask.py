"""`askpix ask`: one image through the queue."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from askpix.cli.answered import show_row, show_stream
from askpix.cli.console import printable, stderr
from askpix.cli.generating import generates, options_of
from askpix.cli.history import read_history
from askpix.cli.options import broker_option, cache_option, kind_option
from askpix.cli.served import only_model
from askpix.producer.broker import RESULT_SECONDS
from askpix.producer.client import Client
from askpix.producer.errors import AskpixError, InputError
from askpix.producer.items import Turn, shown_in
from askpix.producer.questions import Question
from askpix.producer.serving import serving_of
from askpix.producer.storage import local_path, shortened


def _seconds(_: click.Context, __: click.Parameter, value: float) -> float:
    # click's own range would take nan.
    if not 0 < value <= RESULT_SECONDS:
        raise InputError(f"--timeout {value}: wait for up to {RESULT_SECONDS} seconds, for which an answer is kept")
    return value


@click.command()
@click.argument("image", required=False)
@click.argument("question", required=False)
@click.option("--choice", "choices", multiple=True, metavar="TEXT", help="An answer to choose from. Repeatable.")
@click.option("--match", "is_match", is_flag=True, help="Score how well QUESTION, a description, fits the image.")
@click.option("--prompt", metavar="TEXT", help="What a caption begins with.")
@click.option("--system", metavar="TEXT", help="What a model of the LLaVA kind is told before all else.")
@click.option(
    "--schema",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A JSON schema that the answer is to keep to, with such a model.",
)
@click.option(
    "--history",
    "history_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What was asked before, and answered, with such a model: a JSON or YAML list, or lines of JSON, of {question, "
    "answer, images}, or what --json has printed.",
)
@click.option("--model", metavar="NAME", help="The model that is to answer; by default the one that workers serve.")
@kind_option
@click.option("--output", metavar="URI", help="A .json file under a worker's storage root to write the result to too.")
@click.option(
    "--timeout",
    type=float,
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    callback=_seconds,
    help="How long to wait; with --stream, for each piece.",
)
@click.option("--stream", is_flag=True, help="Show the answer while it is generated. Ctrl-C gives it up.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="The whole result row, as one JSON object; with --stream, after one for each piece.",
)
@generates
@cache_option
@broker_option
def command(
    image: str | None,
    question: str | None,
    choices: tuple[str, ...],
    is_match: bool,
    prompt: str | None,
    system: str | None,
    schema: Path | None,
    history_file: Path | None,
    settings: dict[str, Any],
    cache: bool,
    model: str | None,
    device: str | None,
    output: str | None,
    timeout: float,
    stream: bool,
    as_json: bool,
    broker: str | None,
) -> int:
    """Answer QUESTION about IMAGE, or caption it, ahead of all jobs.

    IMAGE is a URL, an S3 URI, or a file of this machine, which is sent along.
    With a --history that shows an image, it can be left out: then the QUESTION is
    of what was shown.

    Exit code 0: answered; 1: the image or the question failed; 2: no answer.
    """
    history = () if history_file is None else read_history(history_file)
    image, question = _asked_of(image, question, history, history_file)
    if (choices or is_match) and question is None:
        raise click.UsageError(f"{'--choice' if choices else '--match'} needs a QUESTION")
    if prompt is not None and question is not None:
        raise click.UsageError("--prompt is for captions, not for a QUESTION")
    if schema is not None and question is None:
        raise click.UsageError("--schema needs a QUESTION")
    asked = []
    if question is not None:
        form = None if schema is None else _text_of(schema)
        given = {"text": question, "choices": choices or None, "match": is_match, "json_schema": form}
        asked.append(Question.parse(given))
    options = options_of(settings, prompt=prompt, system=system)
    with Client(broker) as client:
        name = model or only_model(client)
        unserved = serving_of(client.workers(), name, device, ask=True).unserved
        if unserved is not None:
            stderr().print(f"{printable(unserved.text)} Waiting for one.", soft_wrap=True)
        shown = shown_in(history)
        sent = client.ask(
            None if shown and image == shown[-1] else image,
            asked,
            model=name,
            history=history,
            options=options,
            output=output,
            device=device,
            expires=timeout,
            stream=stream,
            cache=cache,
        )
        try:
            if stream:
                return show_stream(sent, image, timeout, as_json=as_json)
            return show_row(sent.get(timeout), image, as_json=as_json)
        except TimeoutError as error:
            raise AskpixError(f"{error}: is a worker running? `askpix jobs` lists them") from None


def _asked_of(
    image: str | None, question: str | None, history: Sequence[Turn], file: Path | None
) -> tuple[str, str | None]:
    """Returns the image that is asked about, and the question.

    Raises:
        click.UsageError: one of them is missing.
    """
    if image is None:
        raise click.UsageError("Missing argument 'IMAGE'.")
    if file is None or question is not None:
        return image, question
    # A conversation goes on with a question.
    if local_path(image) is None or _is_file(image):
        raise click.UsageError(f"with --history, a QUESTION is needed, and {shortened(image)} is an image")
    shown = shown_in(history)
    if not shown:
        raise click.UsageError(f"{file} shows no image: give IMAGE too")
    return shown[-1], image


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except OSError:  # it is too long for a name
        return False


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise InputError(f"{path} cannot be read: {reason.lower()}") from None
