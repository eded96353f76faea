"""How often two models say the same of the same images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from askpix.producer.errors import ModelError
from askpix.producer.items import Options
from askpix.producer.questions import Question
from askpix.producer.rows import Answer, Kind
from askpix.worker.blip.engine import BlipEngine
from askpix.worker.converting.calibration import turn_of
from askpix.worker.converting.told import Told, nobody
from askpix.worker.engine.base import READING, Ability, Request
from askpix.worker.engine.devices import Precision
from askpix.worker.engine.ticket import Ticket
from askpix.worker.image_form import Pixels
from askpix.worker.item_errors import RequestError
from askpix.worker.models.blip_manifest import Agreement

_PLAIN = Options.plain(None)
"""The likeliest tokens, whatever the model's defaults are: what is drawn would differ with every rounding."""

CLOSE = 0.05
"""By how much two scores may differ that agree."""


@dataclass(slots=True)
class Said:
    """What a model says of some images."""

    precision: str
    """In which numbers it computed."""

    images: int = 0
    captions: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    """Of matches."""


def said(
    folder: Path,
    images: Iterable[Pixels],
    questions: Sequence[str],
    *,
    precision: Precision = Precision.AUTO,
    what: str = "asking",
    told: Told = nobody,
) -> Said:
    """Returns what the model of a folder says of images: their captions, and of some of the questions each the answers.

    One that only matches says how well the texts fit.

    Args:
        what: what `told` is told that is done.
        told: follows how many images were answered.

    Raises:
        ModelError: the folder cannot be used, or its model fails on an image.
        DeviceError: the processor cannot compute in that precision.
    """
    engine = BlipEngine(folder, "CPU", precision)
    try:
        found = Said(precision=engine.info.precision)
        tickets: list[list[Ticket]] = []
        for index, pixels in enumerate(images):
            image = engine.open_image(pixels)
            # Waits where the engine has enough under way, so that few images are in memory.
            asked = _asked(engine.abilities, questions, index)
            tickets.append(
                [engine.submit(Request(images=(image,), question=question, options=_PLAIN)) for question in asked]
            )
        found.images = len(tickets)
        for index, claims in enumerate(tickets):
            for ticket in claims:
                _keep(found, ticket.result())
            told(what, index + 1, len(tickets))
    except RequestError as error:
        raise ModelError(f"the model of {folder} failed on an image: {error}") from error
    finally:
        engine.close()
    return found


def agreement(before: Said, after: Said) -> Agreement:
    """Returns how often `after` says what `before` does; of the same images and questions, of one at least."""
    return Agreement(
        images=before.images,
        captions=same(before.captions, after.captions),
        answers=same(before.answers, after.answers),
        matches=_share(abs(one - other) <= CLOSE for one, other in zip(before.scores, after.scores, strict=True)),
        precision=after.precision,
    )


def same(ours: Sequence[str], theirs: Sequence[str]) -> float | None:
    """Returns the share of two models' texts that are the same, word for word; None where there are none."""
    return _share(one == other for one, other in zip(ours, theirs, strict=True))


def _asked(abilities: frozenset[Ability], questions: Sequence[str], index: int) -> Iterator[Question | None]:
    if Ability.CAPTION in abilities:
        yield None
    if abilities & READING:
        for text in turn_of(questions, index):
            yield Question(text, match=Ability.MATCH in abilities)


def _keep(found: Said, answer: Answer) -> None:
    if answer.kind is Kind.CAPTION:
        found.captions.append(answer.text)
    elif answer.kind is Kind.MATCH:
        found.scores.append(answer.confidence)
    else:
        found.answers.append(answer.text)


def _share(agreeing: Iterable[bool]) -> float | None:
    known = list(agreeing)
    return sum(known) / len(known) if known else None
