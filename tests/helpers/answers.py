"""Answers, and what is asked for them, for tests of their cache."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from askpix.producer.items import Options, Turn
from askpix.producer.questions import Question
from askpix.producer.rows import Alternative, Answer, Choice, Kind
from askpix.worker.answer_cache.cache import AnswerCache
from askpix.worker.answer_cache.keys import ask_key, engine_mark, image_key
from askpix.worker.answer_cache.store import Change
from askpix.worker.engine.base import EngineInfo, ImageHandle, Request

INFO = EngineInfo(model="tiny", fingerprint="f" * 64, device="CPU", precision="f32")


def asks(question: Question | str | None = None, *turns: Turn, **options: object) -> Request:
    """Returns a request about some image."""
    return Request(
        images=(ImageHandle(),),
        question=Question(question) if isinstance(question, str) else question,
        options=Options.parse(options),
        history=turns,
    )


def sha(name: object) -> str:
    """Returns the digest of some image's bytes."""
    return hashlib.sha256(str(name).encode()).hexdigest()


def choice(*probabilities: float, texts: tuple[str, ...] = ("red", "blue")) -> Answer:
    best = texts[max(range(len(texts)), key=probabilities.__getitem__)]
    return Answer(
        name="color",
        kind=Kind.CHOICE,
        question="what color is it?",
        text=best,
        confidence=max(probabilities),
        tokens=2,
        choices=tuple(Choice(text=text, probability=p) for text, p in zip(texts, probabilities, strict=True)),
    )


def said(text: str, question: str | None = "what is it?", **more: object) -> Answer:
    """Returns an answer in words; a caption without a question."""
    kind = Kind.CAPTION if question is None else Kind.OPEN
    name = "caption" if question is None else question
    return Answer(name=name, kind=kind, question=question, text=text, confidence=0.1 + 0.2, tokens=3, **more)  # type: ignore[arg-type]


ALTERNATIVES = (
    Alternative(text="a cup", confidence=0.25),
    Alternative(text="ein Becher \N{HOT BEVERAGE}", confidence=0.1),
)


def change(
    image: bytes, fields: Mapping[bytes, bytes] | None = None, *, model: str = "tiny", anew: bool = False
) -> Change:
    return Change(model=model, image=image, fields=fields or {}, anew=anew)


WHAT = asks("what is it?")
COLOR = asks(choice(0.5, 0.5).question)


def keep(cache: AnswerCache, name: object, request: Request, answer: Answer) -> None:
    """Keeps what was answered of some image."""
    cache.keep(INFO, sha(name), (64, 48), ask_key(request), answer)


def found(cache: AnswerCache, name: object, request: Request) -> Answer | None:
    """Returns what is known of some image."""
    return cache.recall(INFO, sha(name)).answer(ask_key(request), request)


def key_of(name: object) -> bytes:
    """Returns what an image is kept under."""
    return image_key(engine_mark(INFO), sha(name))
