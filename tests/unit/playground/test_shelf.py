"""Engines come when they are asked for and go when they are in nobody's use, and who waits for one can stop."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from askpix.producer.errors import ModelError
from askpix.worker.engine.base import Ability
from askpix.worker.engine.building import build_engine
from askpix.worker.engine.devices import Precision
from askpix.worker.item_errors import MemoryShortError, RequestError
from askpix.worker.local import demo_model
from askpix.worker.models.vlm_manifest import FixedTokens, Language, VlmManifest
from askpix.worker.playground.shelf import Shelf
from askpix.worker.playground.stop import Stop


def _engine(name: str) -> Any:
    return build_engine(demo_model(), precision=Precision.F32)


def test_the_last_two_engines_are_kept() -> None:
    built = list[str]()

    def build(name: str) -> Any:
        built.append(name)
        return _engine(name)

    shelf = Shelf(build)
    with shelf.lend("a", Stop()) as a, shelf.lend("b", Stop()) as b, shelf.lend("a", Stop()) as same:
        assert same is a
    with shelf.lend("a", Stop()), shelf.lend("c", Stop()) as c:
        assert (a.stopped, b.stopped, c.stopped) == (False, True, False)
    with shelf.lend("a", Stop()) as again:
        assert again is a
    assert built == ["a", "b", "c"]
    shelf.close()
    assert a.stopped
    assert c.stopped


def test_an_engine_in_use_is_not_closed_who_wants_a_third_waits() -> None:
    shelf = Shelf(_engine)
    lent = threading.Event()

    def third() -> None:
        with shelf.lend("c", Stop()):
            lent.set()

    with shelf.lend("b", Stop()):
        with shelf.lend("a", Stop()) as a:
            thread = threading.Thread(target=third)
            thread.start()
            assert not lent.wait(0.5)
            assert not a.stopped
        assert lent.wait(30)
    thread.join(30)
    assert a.stopped
    shelf.close()


def test_an_engine_that_has_stopped_is_built_anew() -> None:
    shelf = Shelf(_engine)
    with shelf.lend("a", Stop()) as a:
        a.close()
    with shelf.lend("a", Stop()) as other:
        assert not other.stopped
    shelf.close()


def test_engines_make_room_for_a_model_that_does_not_fit_beside_them() -> None:
    tried = list[str]()

    def build(name: str) -> Any:
        tried.append(name)
        if name == "large" and tried.count("large") == 1:
            raise MemoryShortError("large does not fit: it takes 9.0 GB, and there are 1.0 GB of memory left")
        return _engine(name)

    shelf = Shelf(build)
    with shelf.lend("small", Stop()) as small:
        pass
    with shelf.lend("large", Stop()) as large:
        assert small.stopped
        assert not large.stopped
    shelf.close()
    # And where there is nothing to close, its words are passed on.
    tried.clear()
    with pytest.raises(ModelError, match=r"9\.0 GB"), shelf.lend("large", Stop()):
        pass
    shelf.close()


def test_a_model_for_which_memory_is_short_says_so_by_its_error() -> None:
    memory = pytest.importorskip("askpix.worker.vlm.memory", exc_type=ImportError)
    manifest = VlmManifest(
        kind="vlm", name="large", abilities=frozenset({Ability.ANSWER}), source="x", family="llava", template="vicuna",
        image_tokens=FixedTokens(tokens=576), reserved=(), precision="int4", versions={}, fingerprint="",
        language=Language(layers=32, kv_heads=32, head_size=128, context=4_096),
        files={"openvino_language_model.bin": {"bytes": 4_000_000_000, "sha256": ""}},
    )  # fmt: skip
    with pytest.raises(MemoryShortError, match="large does not fit"):
        memory.cache_blocks(manifest, {}, left=1_000_000_000)


def test_a_folder_that_cannot_be_used_costs_nobody_their_engines() -> None:
    def build(name: str) -> Any:
        if name == "bad":
            raise ModelError("bad/tokenizer.json cannot be read")
        return _engine(name)

    shelf = Shelf(build)
    with shelf.lend("small", Stop()) as small:
        pass
    with pytest.raises(ModelError, match="tokenizer"), shelf.lend("bad", Stop()):
        pass
    assert not small.stopped
    shelf.close()


def test_an_engine_that_has_failed_is_closed_by_the_last_who_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf, closed = Shelf(_engine), list[Any]()
    with shelf.lend("a", Stop()) as a:
        with shelf.lend("a", Stop()):
            a.close()
            monkeypatch.setattr(a, "close", lambda: closed.append(a))
        assert closed == []
    assert closed == [a]
    # And also where it has failed since.
    with shelf.lend("a", Stop()) as b:
        pass
    b.close()
    monkeypatch.setattr(b, "close", lambda: closed.append(b))
    with shelf.lend("a", Stop()) as c:
        assert c is not b
    assert closed == [a, b]
    shelf.close()


def test_who_waits_for_a_place_can_stop() -> None:
    shelf = Shelf(_engine)
    stop, ended = Stop(), list[str]()

    def third() -> None:
        try:
            with shelf.lend("c", stop):
                ended.append("lent")
        except RequestError as error:
            ended.append(error.code)

    with shelf.lend("a", Stop()), shelf.lend("b", Stop()):
        thread = threading.Thread(target=third)
        thread.start()
        stop.set()
        thread.join(30)
        assert ended == ["cancelled"]
    shelf.close()


def test_who_waits_for_an_engine_that_is_built_can_stop() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def build(name: str) -> Any:
        begun.set()
        assert go_on.wait(30)
        return _engine(name)

    shelf = Shelf(build)
    stops, ended = {"first": Stop(), "second": Stop()}, list[str]()

    def ask(who: str) -> None:
        try:
            with shelf.lend("a", stops[who]):
                ended.append("lent")
        except RequestError as error:
            ended.append(f"{who} {error.code}")

    # Given: one that has an engine built, and one that waits for the same.
    threads = [threading.Thread(target=ask, args=(who,)) for who in stops]
    threads[0].start()
    assert begun.wait(30)
    threads[1].start()

    # When: the second need not wait until it is built, the first gets none once it is.
    stops["second"].set()
    threads[1].join(30)
    assert ended == ["second cancelled"]
    stops["first"].set()
    go_on.set()
    threads[0].join(30)
    assert ended == ["second cancelled", "first cancelled"]

    # Then: it is there for the next.
    begun.clear()
    with shelf.lend("a", Stop()) as kept:
        assert not kept.stopped
    assert not begun.is_set()
    shelf.close()
