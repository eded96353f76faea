"""An ask: one image, or a conversation over several, answered now, beside the parts."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from askpix.producer.items import Item
from askpix.producer.messages import AskMessage
from askpix.producer.rows import row_to_json
from askpix.producer.storage import shortened
from askpix.worker.access import Access
from askpix.worker.engine.base import Ability, Engine, ImageHandle
from askpix.worker.engine.requests import one_at_a_time
from askpix.worker.engines import Engines
from askpix.worker.errors import ItemError
from askpix.worker.item import ItemWork
from askpix.worker.loading import ImageFacts, LoadedImage, Loader
from askpix.worker.logs.about import about
from askpix.worker.several_images import SeveralImages
from askpix.worker.tallies import Tallies

ANSWER_SECONDS = 60.0
"""From the taking of an ask. Its requests overtake all others, so what they cost has to end; by then, whoever
waited has mostly gone."""


class AskRunner:
    """Answers asks, each in the thread that calls; the engine lets them overtake what is not urgent."""

    def __init__(self, engines: Engines, access: Access, loader: Loader, tallies: Tallies | None = None) -> None:
        self._tallies = tallies or Tallies()
        self._engines = engines
        self._access = access
        self._loader = loader
        self._several = SeveralImages(loader)

    def run(self, message: AskMessage) -> dict[str, Any]:
        """Returns the result row as JSON values, and writes it where the message says.

        Raises:
            MessageError: the model is not held here, or the output is outside the worker's storage roots;
                nothing was touched.
            EngineStoppedError: the engine has ended.
            StorageError: the output cannot be written.
        """
        deadline = time.monotonic() + ANSWER_SECONDS
        engine = self._engines.of(message.model)
        output = None if message.output is None else self._access.open_output(message.output)
        shown = message.images
        item = Item(image=shown[-1], id=_id(shown[-1]), questions=message.questions or None)
        work = ItemWork(item, engine, started=time.monotonic())
        with about(item=item.id):
            before, image = self._loaded(shown, engine, deadline)
            work.ask(
                image,
                None,
                message.options,
                before=before,
                history=message.history or (),
                shown=(message.image,) if message.image is not None and len(shown) > 1 else (),
                urgent=True,
                deadline=deadline,
            )
            row = work.row()
        self._tallies.made([row], source="ask")
        value = row_to_json(row)
        if _is_data(item.image):
            # The picture itself is not sent back.
            value["image"] = value["id"]
        if output is not None:
            storage, name = output
            storage.write(name, json.dumps(value, ensure_ascii=False, indent=2).encode() + b"\n")
        return value

    def _loaded(
        self, shown: Sequence[str], engine: Engine, deadline: float
    ) -> tuple[Sequence[ImageHandle], LoadedImage]:
        """Returns the images before the last, and what became of that; or of the first that could not be loaded."""
        if len(shown) == 1:
            return (), self._loader.load(shown[0], engine)
        if Ability.IMAGES not in engine.abilities:
            return (), LoadedImage(ImageFacts(problem=one_at_a_time(engine.info.model)))
        loaded = self._several.load(shown, engine, deadline)
        facts = loaded[-1].facts
        for number, one in enumerate(loaded, 1):
            if (problem := one.facts.problem) is not None:
                which = f"image {number} of {len(shown)}, {shortened(_id(shown[number - 1]))}: {problem.message}"
                told = ItemError(problem.code, which, retryable=problem.retryable)
                return (), LoadedImage(replace(facts, problem=told))
        handles = [one.handle for one in loaded if one.handle is not None]
        return handles[:-1], loaded[-1]


def _id(image: str) -> str:
    """Returns the reference; of a data URI, a digest."""
    return f"data:{hashlib.sha256(image.encode()).hexdigest()[:16]}" if _is_data(image) else image


def _is_data(image: str) -> bool:
    return image[:5].lower() == "data:"
