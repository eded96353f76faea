"""An ask: one image, or a conversation over several, answered now, beside the parts."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from askpix.producer.items import Item
from askpix.producer.messages import AskMessage
from askpix.producer.records import row_to_json
from askpix.producer.references import is_data, reference_id
from askpix.producer.storage import shortened
from askpix.worker.access import Access
from askpix.worker.answer_cache.cache import AnswerCache
from askpix.worker.answer_cache.looking_up import LookingUp, Unopened
from askpix.worker.asker import Asking
from askpix.worker.engine.base import Ability, Askable, Engine, ImageHandle
from askpix.worker.engine.requests import one_at_a_time
from askpix.worker.engines import Engines
from askpix.worker.error_codes import Code
from askpix.worker.item import ItemWork
from askpix.worker.item_errors import ItemError
from askpix.worker.loading import ImageFacts, LoadedImage, Loader
from askpix.worker.logs.about import about
from askpix.worker.several_images import SeveralImages
from askpix.worker.streaming import TELL_SECONDS, Stream
from askpix.worker.tallies import Tallies

ANSWER_SECONDS = 60.0
"""From the taking of an ask. Its requests overtake all others, so what they cost has to end; by then, whoever
waited has mostly gone."""

STREAM_SECONDS = 300.0
"""So, where somebody reads the answer as it comes: on a slow machine a long text takes minutes, and who is not there to
read any more is noticed. It is bounded all the same: a reader who never leaves has no right to a place for ever."""

STREAMS_AT_ONCE = 24
"""That have so long; what is streamed beside them has the time of any ask, so that there are places for others."""

_LEFT = ItemError(Code.CANCELLED, "nobody waited for the answer any more", retryable=True)


class AskRunner:
    """Answers asks, each in the thread that calls; the engine lets them overtake what is not urgent."""

    def __init__(
        self,
        engines: Engines,
        access: Access,
        loader: Loader,
        tallies: Tallies | None = None,
        answers: AnswerCache | None = None,
    ) -> None:
        self._tallies = tallies or Tallies()
        self._engines = engines
        self._access = access
        self._loader = loader
        self._answers = answers
        self._several = SeveralImages(loader)
        self._long = threading.BoundedSemaphore(STREAMS_AT_ONCE)

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
        if stream is None or not self._long.acquire(blocking=False):
            return self._run(message, stream, time.monotonic() + ANSWER_SECONDS)
        try:
            return self._run(message, stream, time.monotonic() + STREAM_SECONDS)
        finally:
            self._long.release()

    def _run(self, message: AskMessage, stream: Stream | None, deadline: float) -> dict[str, Any]:
        engine = self._engines.of(message.model)
        output = None if message.output is None else self._access.open_output(message.output)
        shown = message.images
        item = Item(image=shown[-1], id=reference_id(shown[-1]), questions=message.questions or None)
        started = time.monotonic()
        with about(item=item.id), ExitStack() as held:
            if self._answers is not None and message.cache and stream is None and len(shown) == 1:
                before: Sequence[ImageHandle] = ()
                asked, image = held.enter_context(self._looked_up(shown[0], engine, self._answers))
            else:
                asked = engine
                before, image = self._images(shown, engine, deadline, stream)
            work = ItemWork(item, asked, started=started)
            how = Asking(options=message.options, urgent=True, deadline=deadline, stream=stream is not None)
            work.ask(
                image,
                None,
                how,
                before=before,
                history=message.history or (),
                shown=(message.image,) if message.image is not None and len(shown) > 1 else (),
            )
            held.close()
            try:
                if stream is not None:
                    stream.tell(work.pieces(TELL_SECONDS), give_up=work.cancel)
                row = work.row()
            except BaseException:
                work.cancel()
                raise
        self._tallies.made([row], source="ask")
        value = row_to_json(row)
        if is_data(item.image):
            # The picture itself is not sent back.
            value["image"] = value["id"]
        if output is not None and row.error_code != _LEFT.code:
            storage, name = output
            storage.write(name, json.dumps(value, ensure_ascii=False, indent=2).encode() + b"\n")
        return value

    @contextmanager
    def _looked_up(self, reference: str, engine: Engine, answers: AnswerCache) -> Iterator[tuple[Askable, LoadedImage]]:
        """Yields what is asked of an image, and the image, which is decoded where an answer is not known."""
        facts = ImageFacts()
        with self._loader.opening(reference, engine, facts) as opening:
            if opening is None:
                yield engine, LoadedImage(facts)
                return
            image, recalled = Unopened(opening, facts), answers.recall(engine.info, facts.sha256)
            if recalled.size is None:
                image.open()
            asked = LookingUp(engine, answers, facts, recalled)
            yield asked, LoadedImage(facts) if facts.problem else asked.loaded(image)

    def _images(
        self, shown: Sequence[str], engine: Engine, deadline: float, stream: Stream | None
    ) -> tuple[Sequence[ImageHandle], LoadedImage]:
        """Returns what `_loaded` does, unless nobody waits for the answer, before images were fetched or after."""
        if stream is None:
            return self._loaded(shown, engine, deadline)
        stream.begin()
        if not stream.left:
            loaded = self._loaded(shown, engine, deadline)
            if stream.listen():
                return loaded
        return (), LoadedImage(ImageFacts(problem=_LEFT))

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
                which = (
                    f"image {number} of {len(shown)}, {shortened(reference_id(shown[number - 1]))}: {problem.message}"
                )
                told = ItemError(problem.code, which, retryable=problem.retryable)
                return (), LoadedImage(replace(facts, problem=told))
        handles = [one.handle for one in loaded if one.handle is not None]
        return handles[:-1], loaded[-1]
