"""The options that say what is asked of which images: the same for `run` and `submit`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from askpix.cli.options import stacked
from askpix.cli.questions import read_questions
from askpix.producer.errors import AskpixError
from askpix.producer.inputs import Columns, Input
from askpix.producer.items import Options, Question, first_problem
from askpix.producer.job import PART_SIZE


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What the options say."""

    input_: str
    question: tuple[str, ...]
    questions_file: Path | None
    prompt: str | None
    max_new_tokens: int | None
    base: str | None
    image_column: str | None
    id_column: str | None
    group_column: str | None
    question_column: str | None
    part_size: int

    def items(self) -> Input:
        """Returns the images; raises InputError."""
        columns = Columns(
            image=self.image_column, id=self.id_column, group=self.group_column, question=self.question_column
        )
        return Input(self.input_, base=self.base, columns=columns)

    def questions(self) -> tuple[Question, ...] | None:
        """Returns what is asked of all images, None for captions; raises InputError."""
        from_file = read_questions(self.questions_file) if self.questions_file else ()
        return (*map(Question.parse, self.question), *from_file) or None

    def options(self) -> Options:
        """Returns how answers are generated; raises AskpixError."""
        if self.prompt is not None and (self.question or self.questions_file):
            raise AskpixError("--prompt is for captions: leave it out, or the questions")
        try:
            return Options(prompt=self.prompt, max_new_tokens=self.max_new_tokens)
        except ValidationError as error:
            name, _, problem = first_problem(error).partition(": ")
            raise AskpixError(f"--{name.replace('_', '-')}: {problem.lower()}") from None


_options = stacked(
    click.argument("input_", metavar="INPUT"),
    click.option("--question", multiple=True, metavar="TEXT", help="Ask this of each image. Repeatable."),
    click.option(
        "--questions",
        "questions_file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Questions with names and choices: a YAML list of texts or of {text, name, choices}.",
    ),
    click.option("--prompt", metavar="TEXT", help="What captions begin with."),
    click.option(
        "--max-new-tokens", type=int, help="The longest answer, in tokens; by default as the model folder says."
    ),
    click.option(
        "--base", metavar="URI", help="What relative image paths and bare keys count from: a folder, s3:// or https://."
    ),
    click.option("--image-column", metavar="NAME", help="The list's column of images, if not found by its name."),
    click.option("--id-column", metavar="NAME", help="The list's column of ids, if not called id."),
    click.option("--group-column", metavar="NAME", help="The list's column of groups, if not called group."),
    click.option("--question-column", metavar="NAME", help="The list's column of questions, if not so called."),
    click.option(
        "--part-size", type=int, default=PART_SIZE, show_default=True, help="Items that a worker takes at a time."
    ),
)


def asks(function: Callable[..., Any]) -> Any:
    """Gives a command the options, and the function behind it one `asked` for them all."""

    @functools.wraps(function)
    def command(**values: Any) -> Any:
        own = {field.name: values.pop(field.name) for field in fields(Asked)}
        return function(asked=Asked(**own), **values)

    return _options(command)
