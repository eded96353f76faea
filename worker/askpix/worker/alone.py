"""The process in which items are answered one by one: what it is told, and what it does. See `careful`."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from askpix.producer.errors import AskpixError
from askpix.producer.items import Item, Options
from askpix.producer.questions import Question
from askpix.producer.rows import Row
from askpix.worker.access import Access
from askpix.worker.asker import Asking
from askpix.worker.cores import Cores, take
from askpix.worker.ending import EXIT_ENGINE_STOPPED
from askpix.worker.engine.base import Ability, Engine, Request
from askpix.worker.images.fetch_rules import FetchRules
from askpix.worker.images.quiet import quiet_decoders
from askpix.worker.item import ItemWork
from askpix.worker.item_errors import EngineStoppedError, RequestError
from askpix.worker.loading import Loader
from askpix.worker.logs.about import about
from askpix.worker.logs.setup import LogForm, log_to_stderr
from askpix.worker.process_limits import first_to_go

READY, USELESS = "ready", "useless"
"""What it says first, with its model's fingerprint, or why it will not be."""

TAKEN, FETCHED = "taken", "fetched"
"""What it says of an item, before its row."""

_START_SECONDS = 600
"""In which it is to have built its engine."""

_SIDE = 224
"""Of an image of our own, where an engine takes any size."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """What the process needs to answer as its worker does."""

    engine: Callable[[], Engine]
    fingerprint: str
    """Of the worker's model."""

    access: Access
    cores: Cores
    rules: FetchRules
    item_seconds: float
    decode_megabytes: int
    logs: LogForm | None = None
    """How the worker logs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """An item, and what is asked of it."""

    item: Item
    attempts: int
    questions: tuple[Question, ...] | None
    options: Options
    own_bucket: str | None
    about: Mapping[str, Any] = field(default_factory=dict)
    """What lines that are logged on it say of themselves."""


def serve(pipe: Connection, recipe: Recipe) -> None:
    """Answers what comes, until there is nobody left to answer. The system's own timer ends what takes too long."""
    # Whoever signals a whole group means the worker, which ends this.
    os.setsid()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    if recipe.logs is not None:
        log_to_stderr(recipe.logs)
    first_to_go()
    quiet_decoders()
    take(recipe.cores)
    signal.alarm(_START_SECONDS)
    try:
        engine = recipe.engine()
        _try_out(engine)
    except AskpixError as error:
        pipe.send((USELESS, str(error)))
        return
    # It decodes by itself: an image may well end this process, that is what it is for.
    loader = Loader(recipe.access, recipe.rules, decode_megabytes=recipe.decode_megabytes)
    pipe.send((READY, engine.info.fingerprint))
    try:
        while True:
            _allow(0)
            order: Order = pipe.recv()
            pipe.send(TAKEN)
            # Fetching, decoding, and each question.
            _allow((2 + len(order.questions or (None,))) * recipe.item_seconds)
            with about(**order.about):
                pipe.send(_row(order, engine, loader, lambda: pipe.send(FETCHED)))
    except EngineStoppedError:
        sys.exit(EXIT_ENGINE_STOPPED)
    except (EOFError, OSError):
        return


def _allow(seconds: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _row(order: Order, engine: Engine, loader: Loader, fetched: Callable[[], None]) -> Row:
    work = ItemWork(order.item, engine, started=time.monotonic(), attempts=order.attempts)
    image = loader.load(order.item.image, engine, own_bucket=order.own_bucket, fetched=fetched)
    work.ask(image, order.questions, Asking(options=order.options, fill=True))
    return work.row()


def _try_out(engine: Engine) -> None:
    """Has the engine answer once, so that one which answers nothing here blames no item."""
    with suppress(RequestError):
        engine.submit(own_request(engine)).result()


def own_request(engine: Engine) -> Request:
    """Returns a request about an image of our own, which is black, that suits what an engine can do."""
    form = engine.image_form
    pixels = np.zeros((form.height or _SIDE, form.width or _SIDE, 3), np.uint8)
    captions = Ability.CAPTION in engine.abilities
    question = None if captions else Question("a mug", match=Ability.MATCH in engine.abilities)
    return Request(images=(engine.open_image(pixels),), question=question)
