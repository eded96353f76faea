"""What ten attributes of an image cost, beside one: run `python -m bench.tagging`.

A BLIP of the real base size, quantized, whose weights are drawn at random, as `bench.blip` makes it: speed does not
depend on them. Images come with the questions of a sheet, each of six choices: with the first one alone, and with ten,
by turns in each round, in one engine. An image counts when it has its row.
"""

from __future__ import annotations

import argparse
import itertools
import json
import queue
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.blip import ROOT, machine
from bench.blip.models import built
from bench.blip.pictures import pixels
from bench.marked import put_between_marks

from askpix.producer.items import Item
from askpix.producer.questions import Question
from askpix.producer.rows import Row, Status
from askpix.worker.asker import Asking
from askpix.worker.blip.engine import BlipEngine
from askpix.worker.image_form import Pixels
from askpix.worker.item import ItemWork
from askpix.worker.loading import ImageFacts, LoadedImage

RESULTS = ROOT / "bench" / "results" / "tagging.json"
MOST = 2.5
"""Times what one attribute costs, at the most."""

PICTURES = 28
WARM = 4
"""Images before anything is measured."""

_TEXTS = (
    "what kind of product is this?",
    "what color is it?",
    "what is the pattern?",
    "what is it made of?",
    "how long is it?",
    "how long are the sleeves?",
    "what is the shape of the neck?",
    "how is it closed?",
    "which season is it for?",
    "who is it for?",
)


def _choices(number: int) -> tuple[str, ...]:
    """Returns six choices, five of one token and one of two: words that a published vocabulary has are so long. This
    model's own cuts real words up, and has others that are one token each."""
    first = 1_000 + 10 * number
    return (*(f"word{first + index}" for index in range(5)), f"word{first + 5} word{first + 6}")


SHEET = tuple(Question(text, choices=_choices(number)) for number, text in enumerate(_TEXTS))
FORMS = {"one": SHEET[:1], "ten": SHEET}


def turn(engine: BlipEngine, pictures: Sequence[Pixels], sheet: Sequence[Question], images: int) -> float:
    """Has so many images tagged, from the first question to the last row; returns how many a second that were."""
    ended: queue.SimpleQueue[ItemWork] = queue.SimpleQueue()
    began = time.perf_counter()
    for number, picture in enumerate(itertools.islice(itertools.cycle(pictures), images)):
        work = ItemWork(Item(image=f"{number}.jpg", questions=tuple(sheet)), engine, started=began, ended=ended.put)
        # Waits while the engine has enough under way.
        work.ask(LoadedImage(ImageFacts(), engine.open_image(picture)), None, Asking())
    rows = [ended.get(timeout=300).row() for _ in range(images)]
    seconds = time.perf_counter() - began
    _check(rows, sheet)
    return images / seconds


def _check(rows: Sequence[Row], sheet: Sequence[Question]) -> None:
    """Raises AssertionError where a row has not been asked all of a sheet."""
    for row in rows:
        assert row.status is Status.OK, row.error_message
        assert [answer.name for answer in row.answers] == [question.text for question in sheet]
        assert all(len(answer.choices or ()) == 6 for answer in row.answers)


def measured(folder: Path, *, rounds: int, images: int) -> dict[str, Any]:
    """Returns the rates of each round, and what the machine was."""
    described = machine.described()
    engine = BlipEngine(folder, "CPU")
    try:
        pictures = pixels(engine.image_form, PICTURES)
        for sheet in FORMS.values():
            turn(engine, pictures, sheet, WARM)
        found = []
        for number in range(rounds):
            # Every other round goes backwards, so that none is always first.
            names = list(FORMS)[:: -1 if number % 2 else 1]
            rates = {name: turn(engine, pictures, FORMS[name], images) for name in names}
            found.append({name: round(rates[name], 4) for name in FORMS})
            print(f"one {rates['one']:.2f} images/s, ten {rates['ten']:.2f}", file=sys.stderr)
        info = engine.info
    finally:
        engine.close()
    ratios = [one["one"] / one["ten"] for one in found]
    return {
        "machine": described,
        "model": info.model,
        "precision": info.precision,
        "images": images,
        "rounds": found,
        "cost": {"median": statistics.median(ratios), "lowest": min(ratios), "highest": max(ratios), "most": MOST},
    }


def table(result: dict[str, Any]) -> str:
    """Returns the figures as a page shows them."""

    def line(name: str, values: Sequence[float]) -> str:
        return f"| {name} | {statistics.median(values):.2f} | {min(values):.2f} | {max(values):.2f} |"

    rounds = result["rounds"]
    ratios = [one["one"] / one["ten"] for one in rounds]
    return "\n".join([
        f"| {len(rounds)} rounds of {result['images']} images, {result['precision']} | median | lowest | highest |",
        "|---|---|---|---|",
        line("one attribute, images per second", [one["one"] for one in rounds]),
        line("ten attributes, images per second", [one["ten"] for one in rounds]),
        line(f"times the cost of one (at most {MOST})", ratios),
    ])  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=48, help="in each turn (default 48)")
    parser.add_argument("--quick", action="store_true", help="with a tiny model; keeps nothing")
    options = parser.parse_args()
    machine.use_two_cores()
    models = built("small" if options.quick else "base", lambda what: print(what, file=sys.stderr))
    result = measured(models.int8, rounds=options.rounds, images=options.images)
    print(table(result))
    if not options.quick:
        RESULTS.write_text(json.dumps(result, indent=1) + "\n")
        put_between_marks(ROOT / "bench" / "README.md", "tagging", table(result))


if __name__ == "__main__":
    main()
