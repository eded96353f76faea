"""Answers by engines in this process."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from askpix.producer.errors import ModelError
from askpix.producer.items import Turn
from askpix.worker import cores
from askpix.worker.engine.base import Engine, Request
from askpix.worker.engine.devices import Precision
from askpix.worker.engine.ticket import Ticket
from askpix.worker.images.decoder import Decoder
from askpix.worker.item_errors import RequestError
from askpix.worker.models.folder import AnyManifest, read_manifest
from askpix.worker.models.manifest import MANIFEST
from askpix.worker.playground.form import Asked
from askpix.worker.playground.models import AtHand, Chosen
from askpix.worker.playground.shelf import Shelf
from askpix.worker.playground.stop import Stop
from askpix.worker.playground.told import Told, told_of
from askpix.worker.stopwatch import Stopwatch

_MOST_FOLDERS = 1_000
"""That are looked at in a folder of model folders."""

SHOW_SECONDS = 0.15
"""Between two states of an answer that comes: a browser that is shown more falls behind."""

STOPPED = "stopped"


def model_folders(given: Sequence[Path], inside: Sequence[Path]) -> dict[str, Path]:
    """Returns model folders by the names that they are shown with.

    Args:
        given: model folders.
        inside: folders that hold some.

    Raises:
        ModelError: one that was given is none, or a folder holds none.
    """
    found = [(folder, read_manifest(folder)) for folder in given]
    for parent in inside:
        found += _held(parent)
    named: dict[str, Path] = {}
    for folder, manifest in found:
        if folder.resolve() not in {other.resolve() for other in named.values()}:
            named[_name(folder, manifest, named)] = folder
    return named


def _held(parent: Path) -> list[tuple[Path, AnyManifest]]:
    try:
        folders = sorted(parent.iterdir())[:_MOST_FOLDERS]
    except OSError as error:
        raise ModelError(f"{parent} cannot be read: {(error.strerror or str(error)).lower()}") from None
    held = [(folder, read_manifest(folder)) for folder in folders if (folder / MANIFEST).is_file()]
    if not held:
        raise ModelError(f"{parent} holds no model folders: `askpix model convert` makes some")
    return held


def _name(folder: Path, manifest: AnyManifest, taken: Mapping[str, Path]) -> str:
    """Returns what a model is shown as: by its name, and by its folder's where that does not tell it from others."""
    names = [manifest.name, f"{manifest.name} ({folder.resolve().name})", f"{manifest.name} ({folder})"]
    return next((name for name in names if name not in taken), names[-1])


class Build(Protocol):
    """Builds the engine of a model folder; raises AskpixError where it cannot be used."""

    def __call__(self, folder: Path, *, precision: Precision) -> Engine: ...


class Here:
    """Answers with engines of our own.

    Args:
        folders: model folders by their names.
        build: builds their engines, each when it is first asked.
        seconds: that an image may take to be decoded, and a question to be answered.
        megabytes: that all images which are being decoded may take.
    """

    precisions: tuple[str, ...] = (Precision.AUTO, Precision.F32, Precision.BF16)

    def __init__(
        self,
        folders: Mapping[str, Path],
        build: Build,
        *,
        seconds: float,
        megabytes: int,
    ) -> None:
        self._folders = dict(folders)
        self._models = tuple(
            AtHand(name=name, abilities=read_manifest(folder).offered) for name, folder in self._folders.items()
        )
        self._build = build
        self._seconds = seconds
        self._shelf = Shelf(self._built)
        self._decoder = Decoder(cores.available(), seconds, stopwatch=Stopwatch(), megabytes=megabytes)

    def models(self) -> Sequence[AtHand]:
        return self._models

    def tell(
        self, chosen: Chosen, images: Sequence[bytes], asked: Asked, history: Sequence[Turn], stop: Stop
    ) -> Iterator[Told]:
        if chosen.model not in self._folders:
            raise ModelError(f"there is no model {chosen.model[:100]!r} here")
        yield Told(facts="waiting for the model")
        try:
            with self._shelf.lend(chosen, stop) as engine:
                yield from self._told(engine, chosen.model, images, asked, history, stop)
        except RequestError as error:
            if error.code != "cancelled":
                raise
            yield Told(facts=STOPPED)

    def close(self) -> None:
        self._decoder.close()
        self._shelf.close()

    def _told(
        self, engine: Engine, name: str, images: Sequence[bytes], asked: Asked, history: Sequence[Turn], stop: Stop
    ) -> Iterator[Told]:
        started, text, shown = time.monotonic(), "", 0.0
        ticket = self._submitted(engine, images, asked, history)
        stop.listen(ticket.cancel)
        try:
            for piece in ticket.pieces():
                text += piece
                if time.monotonic() - shown > SHOW_SECONDS:
                    yield Told(text=text, facts="answering")
                    shown = time.monotonic()
            seconds = time.monotonic() - started
            info = engine.info
            yield told_of(ticket.result(), seconds, name, info.device, info.precision)
        except RequestError as error:
            if error.code != "cancelled":
                raise
            yield Told(text=text, facts=STOPPED, said=text or None)
        finally:
            # Also where nobody wants to know any more.
            ticket.cancel()

    def _submitted(self, engine: Engine, images: Sequence[bytes], asked: Asked, history: Sequence[Turn]) -> Ticket:
        # One after the other, so that no two are there at full size where the model takes them smaller.
        pixels = (self._decoder.decode(image, engine.image_form).pixels for image in images)
        request = Request(
            images=tuple(engine.open_images(pixels)),
            question=asked.question,
            options=asked.options,
            history=tuple(history),
            seconds=self._seconds,
            urgent=True,
            stream=True,
        )
        return engine.submit(request)

    def _built(self, chosen: Chosen) -> Engine:
        return self._build(self._folders[chosen.model], precision=Precision(chosen.precision))
