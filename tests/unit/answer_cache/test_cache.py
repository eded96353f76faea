"""Answers are found as soon as they are given, kept off the way of whoever gives them, and never in anybody's way."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pytest
from helpers.answers import COLOR, INFO, WHAT, asks, found, keep, key_of, said, sha
from helpers.processes import wait_until

from askpix.worker.answer_cache import cache as cache_module
from askpix.worker.answer_cache import writer
from askpix.worker.answer_cache.cache import AnswerCache
from askpix.worker.answer_cache.keys import ask_key
from askpix.worker.answer_cache.store import MAX_FIELDS, Change, Contents, Fields, Store, StoreError


class Held(Store):
    """A store in memory that a test can hold, and break."""

    def __init__(self) -> None:
        self.kept: dict[bytes, dict[bytes, bytes]] = {}
        self.changes: list[Change] = []
        self.free = threading.Event()
        self.free.set()
        self.broken = False
        self.reads = 0

    def read(self, model: str, image: bytes) -> tuple[Fields, bool]:  # noqa: ARG002
        self.reads += 1
        self._look()
        return dict(self.kept.get(image, {})), False

    def write(self, changes: Sequence[Change]) -> None:
        self.free.wait(20)
        self._look()
        self.changes += changes
        for change in changes:
            if change.anew:
                self.kept.pop(change.image, None)
            self.kept.setdefault(change.image, {}).update(change.fields)

    def contents(self) -> Contents:
        raise NotImplementedError

    def purge(self, model: str | None) -> int:
        raise NotImplementedError

    def close(self) -> None:
        self.free.set()

    def _look(self) -> None:
        if self.broken:
            raise StoreError("it is broken")


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def cache(held: Held) -> Iterator[AnswerCache]:
    cache = AnswerCache(held)
    yield cache
    held.free.set()
    cache.close()


def written(held: Held, name: object) -> bool:
    return ask_key(WHAT) in held.kept.get(key_of(name), {})


# Finding. -------------------------------------------------------------------------------------------


def test_an_answer_is_found_before_it_is_written_while_it_is_and_after(cache: AnswerCache, held: Held) -> None:
    # Given: a store that takes long
    held.free.clear()
    for moment in ("waiting", "being written"):
        keep(cache, moment, WHAT, said(moment))
    wait_until(lambda: not cache._writer._waiting, within=10, what="a batch on its way")
    keep(cache, "next", WHAT, said("next"))

    # Then
    for name in ("waiting", "being written", "next"):
        assert found(cache, name, WHAT) == replace(said(name), cached=True)
        assert cache.recall(INFO, sha(name)).size == (64, 48)
    held.free.set()
    wait_until(lambda: all(written(held, name) for name in ("waiting", "being written", "next")), within=10, what="all")
    assert found(cache, "next", WHAT) == replace(said("next"), cached=True)


def test_one_look_at_the_store_serves_all_questions_of_an_image(cache: AnswerCache, held: Held) -> None:
    keep(cache, 1, WHAT, said("a mug"))
    keep(cache, 1, asks(), said("a red mug", None))
    wait_until(lambda: len(held.kept.get(key_of(1), {})) == 3, within=10, what="both")

    recalled = cache.recall(INFO, sha(1))
    texts = [answer and answer.text for one in (WHAT, asks(), COLOR) for answer in [recalled.answer(ask_key(one), one)]]

    assert texts == ["a mug", "a red mug", None]
    assert held.reads == 1


def test_nothing_is_known_of_other_images_or_engines(cache: AnswerCache) -> None:
    keep(cache, 1, WHAT, said("a mug"))
    assert found(cache, 2, WHAT) is None
    assert cache.recall(replace(INFO, precision="bf16"), sha(1)).size is None


def test_what_is_left_is_written_at_the_end(held: Held) -> None:
    cache = AnswerCache(held)
    for number in range(1_000):
        keep(cache, number, WHAT, said("a mug"))
    cache.close()
    assert all(written(held, number) for number in range(1_000))


def test_an_answer_that_cannot_be_kept_keeps_no_other_from_it(cache: AnswerCache, held: Held) -> None:
    keep(cache, 1, asks("how?"), said("half a character: \ud83d"))
    keep(cache, 1, WHAT, said("a mug"))
    keep(cache, 2, WHAT, said("a hat"))
    wait_until(lambda: written(held, 1) and written(held, 2), within=10, what="the others")
    keep(cache, 3, WHAT, said("a bag"))
    wait_until(lambda: written(held, 3), within=10, what="what came after that")


def test_who_closes_it_just_when_it_begins_to_write_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    one = writer.Writer(lambda _: None)
    clear = one._wake.clear

    def closed_just_before() -> None:
        one._closing.set()
        one._wake.set()
        clear()

    monkeypatch.setattr(one._wake, "clear", closed_just_before)

    # When
    one.touch("tiny", key_of(1))

    # Then
    wait_until(lambda: not one._thread.is_alive(), within=10, what="the thread's end")


def test_an_image_of_too_many_answers_begins_anew(cache: AnswerCache, held: Held) -> None:
    fields = {b"%d" % number: b"{}" for number in range(MAX_FIELDS + 1)}
    held.kept[key_of(1)] = {**fields, writer.SIZE: b"[1, 1]"}
    assert cache.recall(INFO, sha(1)).size is None
    wait_until(lambda: not held.kept[key_of(1)], within=10, what="an empty entry")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {writer.SIZE: b"[0, 0]"},
        {writer.SIZE: b"[64, 48]", b"ask": b"{}"},
        {writer.SIZE: b"[64, 48]", b"ask": b"\xff"},
        {writer.SIZE: b"[64, 48]", b"ask": json.dumps({"text": "x", "confidence": 2, "tokens": 1}).encode()},
        # Of an image without its size, a row would lack that.
        {b"ask": json.dumps({"text": "x", "confidence": 0.5, "tokens": 1}).encode()},
    ],
    ids=repr,
)
def test_a_wrong_entry_is_as_good_as_none(cache: AnswerCache, held: Held, fields: Mapping[bytes, bytes]) -> None:
    held.kept[key_of(1)] = {ask_key(WHAT) if name == b"ask" else name: value for name, value in fields.items()}
    assert found(cache, 1, WHAT) is None


def test_a_store_that_fails_as_none_should_is_one_that_is_away(
    cache: AnswerCache, held: Held, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "read", lambda *_: {}["nothing"])
    assert found(cache, 1, WHAT) is None
    assert "the model is asked everything: KeyError" in caplog.text


# Getting out of the way. ----------------------------------------------------------------------------


def test_what_comes_faster_than_it_is_written_is_dropped_and_said(
    cache: AnswerCache, held: Held, caplog: pytest.LogCaptureFixture
) -> None:
    # Given: a store that hangs
    held.free.clear()
    keep(cache, "first", WHAT, said("a mug"))
    wait_until(lambda: not cache._writer._waiting, within=10, what="a batch that hangs")

    # When: more comes than may wait
    for number in range(writer._MOST + 500):
        keep(cache, number, WHAT, said("a mug"))

    # Then: nobody has waited for it, and memory is bounded
    assert len(cache._writer._waiting) == writer._MOST
    held.free.set()
    wait_until(lambda: "500 answers were not kept" in caplog.text, within=20, what="a warning")


def test_a_store_that_fails_is_left_alone_for_a_while_and_one_warning_says_so(
    cache: AnswerCache, held: Held, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    now = 100.0
    monkeypatch.setattr(cache_module.time, "monotonic", lambda: now)
    held.kept[key_of(1)] = {writer.SIZE: b"[64, 48]"}
    held.broken = True

    # When
    with caplog.at_level(logging.WARNING):
        for _ in range(50):
            assert cache.recall(INFO, sha(1)).size is None

    # Then
    assert held.reads == 1
    assert caplog.text.count("the model is asked everything: it is broken") == 1
    # And it is tried again after a second, then after two.
    for later, reads in ((0.9, 1), (0.2, 2), (1.0, 2), (1.1, 3)):
        now += later
        cache.recall(INFO, sha(1))
        assert held.reads == reads
    # When it is back, it says so.
    held.broken, now = False, now + 60
    assert cache.recall(INFO, sha(1)).size == (64, 48)
    assert caplog.text.count("is there again") == 1
    assert caplog.text.count("is asked everything") == 1


def test_a_store_that_takes_long_is_left_alone_too(
    cache: AnswerCache, held: Held, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    now = 100.0
    monkeypatch.setattr(cache_module.time, "monotonic", lambda: now)
    held.kept[key_of(1)] = {writer.SIZE: b"[64, 48]"}
    read = held.read

    def slowly(model: str, image: bytes) -> tuple[Fields, bool]:
        nonlocal now
        now += 8
        return read(model, image)

    monkeypatch.setattr(held, "read", slowly)

    # Then: what it said is so, and it is not asked again at once.
    assert cache.recall(INFO, sha(1)).size == (64, 48)
    assert cache.recall(INFO, sha(1)).size is None
    assert held.reads == 1
    assert "it took 8 s to answer" in caplog.text
