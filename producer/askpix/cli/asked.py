"""The options that say what is asked of which images: the same for `run` and `submit`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from askpix.cli.generating import generates, options_of
from askpix.cli.options import gathered, stacked
from askpix.producer.errors import AskpixError
from askpix.producer.inputs import Columns, Input
from askpix.producer.items import Options
from askpix.producer.job_order import PART_SIZE
from askpix.producer.questions import Question
from askpix.producer.sheets.reading import read_questions


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What the options say."""

    input_: str
    question: tuple[str, ...]
    questions_file: Path | None
    prompt: str | None
    system: str | None
    match: tuple[str, ...]
    base: str | None
    image_column: str | None
    id_column: str | None
    group_column: str | None
    question_column: str | None
    match_column: str | None
    part_size: int

    def items(self) -> Input:
        """Returns the images; raises InputError."""
        columns = Columns(
            image=self.image_column,
            id=self.id_column,
            group=self.group_column,
            question=self.question_column,
            match=self.match_column,
        )
        return Input(self.input_, base=self.base, columns=columns)

    def questions(self) -> tuple[Question, ...] | None:
        """Returns what is asked of all images, None for captions; raises InputError."""
        from_file = read_questions(self.questions_file) if self.questions_file else ()
        matches = (Question.parse({"text": text, "match": True}) for text in self.match)
        return (*map(Question.parse, self.question), *from_file, *matches) or None

    def options(self, settings: Mapping[str, Any]) -> Options:
        """Returns how answers are generated, given the settings of the command line; raises AskpixError."""
        if self.prompt is not None and (self.question or self.questions_file or self.match):
            raise AskpixError("--prompt is for captions: leave it out, or the questions")
        return options_of(settings, prompt=self.prompt, system=self.system)


_options = stacked(
    click.argument("input_", metavar="INPUT"),
    click.option(
        "--question",
        multiple=True,
        metavar="TEXT",
        help="Ask this of each image that has no questions of its own; {column} stands for what the list has there. "
        "Repeatable.",
    ),
    click.option(
        "--questions",
        "questions_file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="An attribute sheet: a YAML list of questions, or of {text, name, choices, multiple, when, below, then, "
        "map} and more; see askpix sheet --help.",
    ),
    click.option(
        "--match",
        multiple=True,
        metavar="TEXT",
        help="Score how well this text fits each image, with a model made for that. Repeatable.",
    ),
    click.option("--prompt", metavar="TEXT", help="What captions begin with."),
    click.option("--system", metavar="TEXT", help="What a model of the LLaVA kind is told before all else."),
    click.option(
        "--base", metavar="URI", help="What relative image paths and bare keys count from: a folder, s3:// or https://."
    ),
    click.option("--image-column", metavar="NAME", help="The list's column of images, if not found by its name."),
    click.option("--id-column", metavar="NAME", help="The list's column of ids, if not called id."),
    click.option("--group-column", metavar="NAME", help="The list's column of groups, if not called group."),
    click.option("--question-column", metavar="NAME", help="The list's column of questions, if not so called."),
    click.option("--match-column", metavar="NAME", help="A column of texts to score against their images."),
    click.option(
        "--part-size", type=int, default=PART_SIZE, show_default=True, help="Items that a worker takes at a time."
    ),
)


def asks(function: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the options, and the function behind it `asked`, and the generation's own as `settings`."""
    asked: Callable[..., Any] = gathered("asked", Asked, _options)(generates(function))
    return asked
