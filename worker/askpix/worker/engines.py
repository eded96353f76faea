"""The engines of a worker, by the name of their model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from askpix.producer.errors import MessageError, ModelError
from askpix.producer.queues import queue_name
from askpix.producer.registry import Served
from askpix.worker.engine.base import Engine


class Engines:
    """One engine for each model that a worker serves.

    Raises:
        ModelError: two of them hold a model of the same name.
    """

    def __init__(self, engines: Iterable[Engine]) -> None:
        self._by_model: dict[str, Engine] = {}
        for engine in engines:
            if engine.info.model in self._by_model:
                raise ModelError(f"two model folders hold a model called {engine.info.model}: give one of them")
            self._by_model[engine.info.model] = engine

    def __iter__(self) -> Iterator[Engine]:
        return iter(self._by_model.values())

    def of(self, model: str) -> Engine:
        """Returns the engine that holds a model.

        Raises:
            MessageError: none does.
        """
        engine = self._by_model.get(model)
        if engine is None:
            held = " and ".join(self._by_model)
            raise MessageError(f"this worker does not hold the model {model[:100]}, but {held}", "unknown_model")
        return engine

    def part_queues(self) -> list[str]:
        """Returns the queues whose parts this worker takes."""
        return [queue for engine in self for queue in _queues(engine, ask=False)]

    def ask_queues(self) -> list[str]:
        """Returns the queues whose asks this worker takes."""
        return [queue for engine in self for queue in _queues(engine, ask=True)]

    def served(self) -> tuple[Served, ...]:
        """Returns what each engine holds and has done."""
        return tuple(
            Served(
                name=engine.info.model,
                fingerprint=engine.info.fingerprint,
                device=engine.info.device,
                precision=engine.info.precision,
                queues=(*_queues(engine, ask=False), *_queues(engine, ask=True)),
                counters=dict(engine.counters()),
                abilities=tuple(sorted(engine.abilities)),
            )
            for engine in self
        )

    def close(self) -> None:
        for engine in self:
            engine.close()


def _queues(engine: Engine, *, ask: bool) -> tuple[str, str]:
    info = engine.info
    return queue_name(info.model, ask=ask), queue_name(info.model, info.device, ask=ask)
