"""An ask: one image, answered now, beside the parts."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

from askpix.producer.items import Item
from askpix.producer.messages import AskMessage
from askpix.producer.rows import row_to_json
from askpix.worker.access import Access
from askpix.worker.engine.base import Engine
from askpix.worker.engines import Engines
from askpix.worker.errors import ItemError
from askpix.worker.item import ItemWork
from askpix.worker.loading import ImageFacts, LoadedImage, Loader
from askpix.worker.logs.about import about
from askpix.worker.streaming import TELL_SECONDS, Stream
from askpix.worker.tallies import Tallies

ANSWER_SECONDS = 60.0
"""From the taking of an ask. Its requests overtake all others, so what they cost has to end; by then, whoever
waited has mostly gone."""

STREAM_SECONDS = 600.0
"""So, where somebody reads the answer as it comes: on a slow machine a long text takes minutes, and who is not there to
read any more is noticed. It is bounded all the same: a reader who never leaves has no right to a place for ever."""

_LEFT = ItemError("cancelled", "nobody waited for the answer any more", retryable=True)


class AskRunner:
    """Answers asks, each in the thread that calls; the engine lets them overtake what is not urgent."""

    def __init__(self, engines: Engines, access: Access, loader: Loader, tallies: Tallies | None = None) -> None:
        self._tallies = tallies or Tallies()
        self._engines = engines
        self._access = access
        self._loader = loader

    def run(self, message: AskMessage, stream: Stream | None = None) -> dict[str, Any]:
        """Returns the result row as JSON values, and writes it where the message says, unless it was given up.

        Args:
            stream: to which the answer is told as it comes.

        Raises:
            MessageError: the model is not held here, or the output is outside the worker's storage roots;
                nothing was touched.
            EngineStoppedError: the engine has ended.
            StorageError: the output cannot be written.
        """
        deadline = time.monotonic() + (ANSWER_SECONDS if stream is None else STREAM_SECONDS)
        engine = self._engines.of(message.model)
        output = None if message.output is None else self._access.open_output(message.output)
        item = Item(image=message.image, id=_id(message.image), questions=message.questions or None)
        work = ItemWork(item, engine, started=time.monotonic())
        with about(item=item.id):
            image = self._image(message, engine, stream)
            work.ask(
                image,
                None,
                message.options,
                history=message.history or (),
                urgent=True,
                deadline=deadline,
                stream=stream is not None,
            )
            if stream is not None:
                stream.tell(work.pieces(TELL_SECONDS), give_up=work.cancel)
            row = work.row()
        self._tallies.made([row], source="ask")
        value = row_to_json(row)
        if _is_data(message.image):
            # The picture itself is not sent back.
            value["image"] = value["id"]
        if output is not None and row.error_code != _LEFT.code:
            storage, name = output
            storage.write(name, json.dumps(value, ensure_ascii=False, indent=2).encode() + b"\n")
        return value

    def _image(self, message: AskMessage, engine: Engine, stream: Stream | None) -> LoadedImage:
        """Returns the image, unless nobody waits for the answer, before it was fetched or after."""
        if stream is None:
            return self._loader.load(message.image, engine)
        stream.begin()
        image = None if stream.left else self._loader.load(message.image, engine)
        return image if image is not None and stream.listen() else LoadedImage(ImageFacts(problem=_LEFT))


def _id(image: str) -> str:
    """Returns the reference; of a data URI, a digest."""
    return f"data:{hashlib.sha256(image.encode()).hexdigest()[:16]}" if _is_data(image) else image


def _is_data(image: str) -> bool:
    return image[:5].lower() == "data:"
