"""Measures models side by side: what they take, how fast they are, and whether they say the same."""

from __future__ import annotations

import statistics
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from askpix.producer.errors import ModelError
from askpix.producer.items import Options
from askpix.producer.questions import Question
from askpix.worker.blip.engine import BlipEngine
from askpix.worker.converting.agreement import same
from askpix.worker.converting.told import Told, nobody
from askpix.worker.engine.base import Ability, Request
from askpix.worker.engine.devices import Precision
from askpix.worker.engine.ticket import Ticket
from askpix.worker.image_form import Pixels
from askpix.worker.item_errors import RequestError
from askpix.worker.models.blip_manifest import MAX_NEW_TOKENS, ImageInput, component_bytes, components_of
from askpix.worker.models.folder import load_blip, read_blip


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """An image, what is asked of it, and what would be right where that is known."""

    pixels: Pixels
    questions: tuple[str, ...]
    caption: str | None = None
    answers: tuple[str | None, ...] = ()
    """As many as questions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Component:
    """One graph of a model."""

    name: str
    stored: str
    """In what its weights are stored."""

    bytes: int


@dataclass(kw_only=True, slots=True)
class Result:
    """What was found of one model."""

    name: str
    precision: str
    """In which numbers it computed."""

    components: tuple[Component, ...]
    caption_seconds: list[float] = field(default_factory=list)
    """One image at a time, from the pixels on."""

    answer_seconds: list[float] = field(default_factory=list)
    """One image with one question at a time, from the pixels on."""

    images_per_second: float | None = None
    """Captions of many images at once; None for a checkpoint, which takes one at a time here."""

    captions: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)

    def forget(self) -> None:
        """Drops what was measured and said so far."""
        for kept in (self.caption_seconds, self.answer_seconds, self.captions, self.answers):
            kept.clear()

    @property
    def bytes(self) -> int:
        return sum(component.bytes for component in self.components)

    @property
    def caption_median(self) -> float:
        return statistics.median(self.caption_seconds)

    @property
    def answer_median(self) -> float | None:
        return statistics.median(self.answer_seconds) if self.answer_seconds else None


class _Contestant(ABC):
    """A model that is measured."""

    result: Result
    answers: bool
    """Whether it answers questions."""

    @abstractmethod
    def say(self, pixels: Pixels, question: str | None) -> str:
        """Returns an answer, or a caption."""

    def ask(self, probe: Probe) -> None:
        """Asks all that there is to ask of an image, one thing at a time, and keeps it in the result."""
        result = self.result
        began = time.perf_counter()
        result.captions.append(self.say(probe.pixels, None))
        result.caption_seconds.append(time.perf_counter() - began)
        for question in probe.questions if self.answers else ():
            began = time.perf_counter()
            result.answers.append(self.say(probe.pixels, question))
            result.answer_seconds.append(time.perf_counter() - began)


class _Folder(_Contestant):
    def __init__(self, folder: Path, precision: Precision, device: str, options: Options) -> None:
        manifest = load_blip(folder)
        self._options = options
        self._engine = BlipEngine(folder, device, precision)
        self.answers = Ability.ANSWER in manifest.abilities
        parts = [
            Component(name=name, stored=stored, bytes=component_bytes(manifest, name))
            for name, stored in components_of(manifest).items()
        ]
        self.result = Result(name=folder.name, precision=self._engine.info.precision, components=tuple(parts))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.close()

    def say(self, pixels: Pixels, question: str | None) -> str:
        return self._submit(pixels, question).result().text

    def throughput(self, images: Sequence[Pixels]) -> float:
        """Returns captions per second, all images being submitted as fast as the engine takes them."""
        began = time.perf_counter()
        tickets = [self._submit(pixels, None) for pixels in images]
        for ticket in tickets:
            ticket.result()
        return len(images) / (time.perf_counter() - began)

    def _submit(self, pixels: Pixels, question: str | None) -> Ticket:
        image = self._engine.open_image(pixels)
        asked = None if question is None else Question(question)
        return self._engine.submit(Request(images=(image,), question=asked, options=self._options))


class _Original(_Contestant):
    def __init__(self, source: str, max_new_tokens: int) -> None:
        # torch takes seconds to import; who compares folders alone does without.
        from askpix.worker.converting.original import Original

        self._original = Original(source, max_new_tokens=max_new_tokens)
        self.image = self._original.image
        self.answers = Ability.ANSWER in self._original.abilities
        whole = Component(name="checkpoint", stored="f32", bytes=self._original.bytes)
        self.result = Result(name=f"{Path(source).name}, PyTorch", precision="f32", components=(whole,))

    def say(self, pixels: Pixels, question: str | None) -> str:
        return self._original.caption(pixels) if question is None else self._original.answer(pixels, question)


def compare(
    folders: Sequence[tuple[Path, Precision]],
    probes: Sequence[Probe],
    *,
    reference: str | None = None,
    device: str = "CPU",
    told: Told = nobody,
) -> list[Result]:
    """Measures model folders, and a checkpoint, on the same images by turns: so that noise hits all alike.

    Args:
        folders: with the numbers in which each is to compute.
        probes: of the images that all the models take.
        reference: a local checkpoint folder or a hub id, which comes first in what is returned.
        told: follows what is done.

    Raises:
        ModelError: one of them cannot be used, or they take images of different sizes.
        DeviceError: the device is not there or cannot compute in such numbers.
    """
    image = _check_alike([folder for folder, _ in folders])
    # Alike, whatever the defaults of each are.
    longest = read_blip(folders[0][0]).generation.max_new_tokens or MAX_NEW_TOKENS
    options = Options.plain(longest)
    with ExitStack() as stack, _failures_told():
        engines = []
        for folder, precision in folders:
            told(f"loading {folder.name}", 0, 1)
            engines.append(stack.enter_context(_Folder(folder, precision, device, options)))
        contestants: list[_Contestant] = list(engines)
        if reference is not None:
            told(f"loading {reference}", 0, 1)
            original = _Original(reference, longest)
            _check_size(reference, original.image, folders[0][0], image)
            contestants.insert(0, original)
        # What is done once, at the first request, is nobody's.
        for contestant in contestants:
            contestant.ask(probes[0])
            contestant.result.forget()
        for number, probe in enumerate(probes):
            told("asking one at a time", number, len(probes))
            # By turns, also in who comes first and finds the caches cold.
            for place in range(len(contestants)):
                contestants[(number + place) % len(contestants)].ask(probe)
        images = [probe.pixels for probe in probes]
        for number, engine in enumerate(engines):
            told("asking all at once", number, len(engines))
            engine.result.images_per_second = engine.throughput(images)
    return [contestant.result for contestant in contestants]


def agreement(result: Result, other: Result) -> tuple[float | None, float | None]:
    """Returns the shares of captions and of answers that two models have in common; None where one does not answer."""
    answers = same(result.answers, other.answers) if result.answers and other.answers else None
    return same(result.captions, other.captions), answers


def accuracy(result: Result, probes: Sequence[Probe]) -> tuple[float | None, float | None]:
    """Returns the shares of captions and of answers that are right; None where it is not known what would be."""
    captions = [probe.caption for probe in probes]
    answers = [answer for probe in probes for answer in probe.answers]
    return _right(result.captions, captions), _right(result.answers, answers)


def _right(texts: list[str], wanted: Sequence[str | None]) -> float | None:
    pairs = [(text, right) for text, right in zip(texts, wanted, strict=False) if right is not None]
    return statistics.fmean(_plain(text) == _plain(right) for text, right in pairs) if pairs else None


def _plain(text: str) -> str:
    """Returns a text as it is compared with what is right: without capitals, and what stands around it."""
    return " ".join(text.casefold().split()).strip(" .!")


def _check_alike(folders: Sequence[Path]) -> ImageInput:
    """Returns the image that all these models take."""
    for folder in folders:
        if Ability.CAPTION not in read_blip(folder).abilities:
            raise ModelError(f"{folder} generates no texts, it only scores them: it cannot be compared")
    sizes = {folder: read_blip(folder).image for folder in folders}
    first = sizes[folders[0]]
    for folder, image in sizes.items():
        _check_size(str(folder), image, folders[0], first)
    return first


def _check_size(model: str, image: ImageInput, other: Path, wanted: ImageInput) -> None:
    if (image.width, image.height) != (wanted.width, wanted.height):
        raise ModelError(
            f"{model} takes images of {image.width}x{image.height} pixels, {other} of"
            f" {wanted.width}x{wanted.height}: they cannot be compared"
        )


@contextmanager
def _failures_told() -> Iterator[None]:
    """Says of what a model refuses, or fails on, that it was the model."""
    try:
        yield
    except RequestError as error:
        raise ModelError(f"a model could not be compared: {error}") from error
