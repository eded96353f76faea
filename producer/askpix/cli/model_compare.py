"""`askpix model compare`: what models take, how fast they are, and whether they say the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table

from askpix.cli.compared import Compared, panels
from askpix.cli.console import printable, stderr, stdout, table_row
from askpix.cli.needing import needing
from askpix.cli.opening import Opening, opens
from askpix.cli.options import PRECISIONS
from askpix.cli.plots import drawing, form_of, needed
from askpix.cli.questions import texts_asked
from askpix.cli.sampling import samples_for, unused
from askpix.cli.steps import steps_shown
from askpix.producer.errors import AskpixError, InputError
from askpix.producer.placeholders import texts_of
from askpix.producer.whole_file import check_free, whole_file

if TYPE_CHECKING:
    from askpix.worker.converting.compare import Probe, Result
    from askpix.worker.converting.readable import Readable
    from askpix.worker.converting.samples import Samples
    from askpix.worker.engine.devices import Precision

_ASKED = 8
"""Questions about one image at the most."""


@click.command()
@click.argument("folders", nargs=-1, required=True, metavar="FOLDER...")
@click.option("--images", required=True, metavar="INPUT", help="A folder, or a list as `askpix run` takes it.")
@click.option(
    "--questions",
    "questions_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A YAML list of questions; each image is asked one of them, in turn, unless its row has some of its own.",
)
@click.option(
    "--samples", type=click.IntRange(min=1), default=50, show_default=True, metavar="N", help="Images to ask about."
)
@click.option("--reference", metavar="CHECKPOINT", help="The original model, run by transformers in PyTorch.")
@click.option("--device", default="CPU", show_default=True, help="On which device the folders run.")
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path), metavar="FILE", help="Write the figures there too."
)
@click.option(
    "--plot",
    "plot_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Draw them there, as .svg or .png.",
)
@click.option("--force", is_flag=True, help="Replace files of --json and --plot that exist already.")
@opens
def compare(
    folders: tuple[str, ...],
    images: str,
    questions_file: Path | None,
    samples: int,
    reference: str | None,
    device: str,
    json_file: Path | None,
    plot_file: Path | None,
    force: bool,
    opening: Opening,
) -> None:
    """Compare model folders on the same images.

    All take the likeliest token each time, whatever their defaults. FOLDER@f32, or @bf16 or @f16, has that folder
    compute in such numbers, so that one folder can come twice. Speed-up and agreement count from the reference, or else
    from the first folder. Where the list has a column caption, or answer, with what is right, the share of right ones
    is told too.
    """
    with needing("comparing models", extra="worker"):
        from askpix.worker.converting.compare import compare as measured
        from askpix.worker.converting.readable import Readable
        from askpix.worker.models.folder import read_blip

    for path in (json_file, plot_file):
        # Before the minutes that measuring takes.
        if path is not None:
            check_free(path, force=force)
            if not path.absolute().parent.is_dir():
                raise AskpixError(f"{path} cannot be written: there is no folder {path.parent}")
    if plot_file is not None:
        form_of(plot_file)
        needed()
    named = [_named(folder) for folder in folders]
    asked = texts_asked(questions_file) if questions_file else ()
    found = samples_for(named[0][0], images, opening)
    probes = list(islice(_probes(found, asked, Readable(named[0][0], read_blip(named[0][0]))), samples))
    if not probes:
        raise InputError(f"no image of {images} can be read" + (f": {unused(found)}" if unused(found) else ""))
    with needing("comparing with --reference"), steps_shown() as told:
        results = measured(named, probes, reference=reference, device=device, told=told)
    if note := unused(found):
        stderr().print(f"not used: {note}", soft_wrap=True)
    lines = _lines(results, probes)
    _shown(lines)
    if json_file is not None:
        figures = {"images": len(probes), "models": [asdict(line) for line in lines]}
        with whole_file(json_file, force=force) as file:
            file.write(f"{json.dumps(figures, indent=2)}\n".encode())
    if plot_file is not None:
        drawn = drawing(panels(lines), form_of(plot_file))
        with whole_file(plot_file, force=force) as file:
            file.write(drawn)


def _named(text: str) -> tuple[Path, Precision]:
    """Returns a folder, and the numbers in which it is to compute."""
    from askpix.worker.engine.devices import Precision

    folder, at, precision = text.rpartition("@")
    return (Path(folder), Precision(precision)) if at and precision in PRECISIONS else (Path(text), Precision.AUTO)


def _probes(samples: Samples, questions: Sequence[str], readable: Readable) -> Iterator[Probe]:
    from askpix.worker.converting.calibration import QUESTIONS
    from askpix.worker.converting.compare import Probe

    usual = readable.of(questions) or QUESTIONS
    for number, (item, pixels) in enumerate(samples.pairs()):
        own = readable.of(text for question in item.questions or () for text in texts_of(question))[:_ASKED]
        turn = usual[number % len(usual)]
        caption, answer = (item.extra.get(name) for name in ("caption", "answer"))
        asked = own or (turn,)
        # What is right of several questions nobody could tell from one column.
        right = str(answer) if answer is not None and len(own) == 1 else None
        yield Probe(
            pixels=pixels,
            questions=asked,
            caption=None if caption is None else str(caption),
            answers=(right, *[None] * (len(asked) - 1)),
        )


def _lines(results: Sequence[Result], probes: Sequence[Probe]) -> list[Compared]:
    from askpix.worker.converting.compare import accuracy, agreement

    first = results[0]
    lines = []
    for result in results:
        captions, answers = agreement(first, result)
        right_captions, right_answers = accuracy(result, probes)
        lines.append(
            Compared(
                name=result.name,
                precision=result.precision,
                mb=result.bytes / 1e6,
                components=[asdict(component) for component in result.components],
                seconds_per_caption=result.caption_median,
                seconds_per_answer=result.answer_median,
                images_per_second=result.images_per_second,
                caption_speed_up=first.caption_median / result.caption_median,
                answer_speed_up=_ratio(first.answer_median, result.answer_median),
                same_captions=captions,
                same_answers=answers,
                right_captions=right_captions,
                right_answers=right_answers,
            )
        )
    return lines


def _ratio(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one / other


def _shown(lines: Sequence[Compared]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for line in lines:
        table.add_column(printable(line.name), justify="right", overflow="fold")
    for title, cell in _ROWS:
        cells = [cell(line) for line in lines]
        if any(cells):
            table_row(table, title, *cells)
        if title == "size, MB":
            for name in _component_names(lines):
                table_row(table, f"  {name.replace('_', ' ')}", *(_component(line, name, lines) for line in lines))
    stdout().print(table)


def _component_names(lines: Sequence[Compared]) -> list[str]:
    names = [one["name"] for line in lines for one in line.components if len(line.components) > 1]
    return list(dict.fromkeys(names))


def _component(line: Compared, name: str, lines: Sequence[Compared]) -> str:
    """Returns what a component takes, in what it is stored, and how much less that is than in the first folder."""
    sizes = [{one["name"]: one for one in each.components} for each in lines]
    first = next((each[name] for each in sizes if name in each), None)
    own = sizes[lines.index(line)].get(name)
    if own is None or first is None:
        return ""
    rate = f", {first['bytes'] / own['bytes']:.2f}x" if own is not first else ""
    return f"{own['bytes'] / 1e6:.1f} {own['stored']}{rate}"


def _number(get: Callable[[Compared], float | None], form: str) -> Callable[[Compared], str]:
    def cell(line: Compared) -> str:
        value = get(line)
        return "" if value is None else format(value, form)

    return cell


_ROWS: tuple[tuple[str, Callable[[Compared], str]], ...] = (
    ("computes in", lambda line: line.precision),
    ("size, MB", _number(lambda line: line.mb, ".1f")),
    ("seconds a caption", _number(lambda line: line.seconds_per_caption, ".3f")),
    ("  speed-up", _number(lambda line: line.caption_speed_up, ".2f")),
    ("seconds an answer", _number(lambda line: line.seconds_per_answer, ".3f")),
    ("  speed-up", _number(lambda line: line.answer_speed_up, ".2f")),
    ("images a second", _number(lambda line: line.images_per_second, ".1f")),
    ("same captions", _number(lambda line: line.same_captions, ".1%")),
    ("same answers", _number(lambda line: line.same_answers, ".1%")),
    ("right captions", _number(lambda line: line.right_captions, ".1%")),
    ("right answers", _number(lambda line: line.right_answers, ".1%")),
)
"""What is told of a model, one line each, without those of which nothing is known."""
