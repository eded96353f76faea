"""Answers are found as soon as they are given, kept off the way of whoever gives them, and never in anybody's way."""

from __future__ import annotations

import json
import logging
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.answers import INFO, asks, choice, said, sha
from helpers.processes import wait_until
from helpers.system import RedisServer
from pydantic import SecretStr

from askpix.producer.errors import AskpixError
from askpix.producer.rows import Answer
from askpix.producer.settings import Settings
from askpix.worker.answer_cache import cache as cache_module
from askpix.worker.answer_cache import writer
from askpix.worker.answer_cache.cache import AnswerCache
from askpix.worker.answer_cache.disk import DiskStore
from askpix.worker.answer_cache.keys import ask_key, engine_mark, image_key
from askpix.worker.answer_cache.opening import open_store
from askpix.worker.answer_cache.redis_store import KEEP_SECONDS, RedisStore
from askpix.worker.answer_cache.store import MAX_FIELDS, Change, Contents, Fields, Store, StoreError
from askpix.worker.engine.base import Request

WHAT = asks("what is it?")
COLOR = asks(choice(0.5, 0.5).question)


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


def keep(cache: AnswerCache, name: object, request: Request, answer: Answer) -> None:
    cache.keep(INFO, sha(name), (64, 48), ask_key(request), answer)


def found(cache: AnswerCache, name: object, request: Request) -> Answer | None:
    return cache.recall(INFO, sha(name)).answer(ask_key(request), request)


def key_of(name: object) -> bytes:
    return image_key(engine_mark(INFO), sha(name))


def written(held: Held, name: object) -> bool:
    return ask_key(WHAT) in held.kept.get(key_of(name), {})


# Finding. -------------------------------------------------------------------------------------------


def test_an_answer_is_found_before_it_is_written_while_it_is_and_after(cache: AnswerCache, held: Held) -> None:
    # given a store that takes long
    held.free.clear()
    for moment in ("waiting", "being written"):
        keep(cache, moment, WHAT, said(moment))
    wait_until(lambda: not cache._writer._waiting, within=10, what="a batch on its way")
    keep(cache, "next", WHAT, said("next"))

    # then
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
    # given
    one = writer.Writer(lambda _: None)
    clear = one._wake.clear

    def closed_just_before() -> None:
        one._closing.set()
        one._wake.set()
        clear()

    monkeypatch.setattr(one._wake, "clear", closed_just_before)

    # when
    one.touch("tiny", key_of(1))

    # then
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
    # given a store that hangs
    held.free.clear()
    keep(cache, "first", WHAT, said("a mug"))
    wait_until(lambda: not cache._writer._waiting, within=10, what="a batch that hangs")

    # when more comes than may wait
    for number in range(writer._MOST + 500):
        keep(cache, number, WHAT, said("a mug"))

    # then nobody has waited for it, and memory is bounded
    assert len(cache._writer._waiting) == writer._MOST
    held.free.set()
    wait_until(lambda: "500 answers were not kept" in caplog.text, within=20, what="a warning")


def test_a_store_that_fails_is_left_alone_for_a_while_and_one_warning_says_so(
    cache: AnswerCache, held: Held, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    now = 100.0
    monkeypatch.setattr(cache_module.time, "monotonic", lambda: now)
    held.kept[key_of(1)] = {writer.SIZE: b"[64, 48]"}
    held.broken = True

    # when
    with caplog.at_level(logging.WARNING):
        for _ in range(50):
            assert cache.recall(INFO, sha(1)).size is None

    # then
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
    # given
    now = 100.0
    monkeypatch.setattr(cache_module.time, "monotonic", lambda: now)
    held.kept[key_of(1)] = {writer.SIZE: b"[64, 48]"}
    read = held.read

    def slowly(model: str, image: bytes) -> tuple[Fields, bool]:
        nonlocal now
        now += 8
        return read(model, image)

    monkeypatch.setattr(held, "read", slowly)

    # then what it said is so, and it is not asked again at once.
    assert cache.recall(INFO, sha(1)).size == (64, 48)
    assert cache.recall(INFO, sha(1)).size is None
    assert held.reads == 1
    assert "it took 8 s to answer" in caplog.text


# In Redis. ------------------------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path, "--maxmemory", "16mb", "--maxmemory-policy", "allkeys-lru")
    yield server
    server.thaw()
    server.close()


@pytest.fixture
def shared(server: RedisServer) -> Iterator[Callable[[], AnswerCache]]:
    """Opens caches on that server."""
    opened: list[AnswerCache] = []

    def open_() -> AnswerCache:
        opened.append(AnswerCache(RedisStore(SecretStr(server.url))))
        return opened[-1]

    yield open_
    for cache in opened:
        cache.close()


def test_what_one_worker_keeps_in_redis_another_finds(shared: Callable[[], AnswerCache], server: RedisServer) -> None:
    # given
    one, other = shared(), shared()
    colored = asks(choice(0.1, 0.9).question)
    keep(one, 1, WHAT, said("a mug"))
    keep(one, 1, colored, said("red"))
    wait_until(lambda: bool(server.client.dbsize()), within=10, what="an entry")

    # then
    assert found(other, 1, WHAT) == replace(said("a mug"), cached=True)
    (key,) = server.client.keys()
    assert key == f"askpix:answers:1:tiny:{key_of(1).hex()}"
    # And what is used stays for another while.
    assert KEEP_SECONDS - 60 < server.client.ttl(key) <= KEEP_SECONDS
    server.client.expire(key, 100)
    found(other, 1, WHAT)
    wait_until(lambda: server.client.ttl(key) > 100, within=10, what="a longer life")


@pytest.mark.parametrize(
    "reply", [b"+OK", b":7", b"$1\r\nx", b"*1\r\n$1\r\nx", b"*2\r\n:1\r\n:2", b"?", b"%1\r\n+a\r\n*0"]
)
def test_what_answers_as_no_redis_server_does_is_a_server_that_is_away(
    reply: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    # given
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Parrot) as server:
        server.daemon_threads, server.reply = True, reply  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cache = AnswerCache(RedisStore(SecretStr(f"redis://127.0.0.1:{server.server_address[1]}/0")))

        # then
        assert cache.recall(INFO, sha(1)).size is None
        assert found(cache, 1, WHAT) is None
        keep(cache, 1, WHAT, said("a mug"))
        cache.close()
        server.shutdown()
    assert "Traceback" not in caplog.text


class Parrot(socketserver.StreamRequestHandler):
    """Says the same to every command."""

    def handle(self) -> None:
        for line in self.rfile:
            if line.startswith(b"*"):
                self.wfile.write(self.server.reply + b"\r\n")  # type: ignore[attr-defined]


def test_redis_forgets_by_itself(server: RedisServer) -> None:
    store = RedisStore(SecretStr(server.url))
    value = b"x" * 10_000
    for start in range(0, 3_000, 100):
        numbers = range(start, start + 100)
        store.write(
            [Change(model="tiny", image=number.to_bytes(32, "big"), fields={b"a": value}) for number in numbers]
        )
    assert 500 < store.contents().images < 2_000
    assert store.read("tiny", (2_999).to_bytes(32, "big"))[0] == {b"a": value}
    store.close()


def test_a_model_can_be_forgotten_in_redis_and_all_can(server: RedisServer) -> None:
    # given, beside what is somebody else's
    server.client.set("theirs", "x")
    store = RedisStore(SecretStr(server.url))
    for model, images in (("one", 3), ("one-b", 2)):
        store.write([Change(model=model, image=bytes([number]), fields={b"a": b"x"}) for number in range(images)])

    # then
    assert store.contents().by_model == {"one": 3, "one-b": 2}
    assert store.purge("one") == 3
    assert store.contents().by_model == {"one-b": 2}
    assert store.purge(None) == 2
    assert server.client.keys() == ["theirs"]
    store.close()


def test_a_server_that_bounds_nothing_is_told_of(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    try:
        store = RedisStore(SecretStr(server.url))
        assert "no maxmemory" in str(store.contents().warning)
        server.client.config_set("maxmemory", "50mb")
        assert "maxmemory-policy is noeviction" in str(store.contents().warning)
        server.client.config_set("maxmemory-policy", "allkeys-lru")
        assert store.contents().warning is None
        store.close()
    finally:
        server.close()


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_a_server_that_is_away_costs_nobody_time_and_is_found_again(
    how: str,
    shared: Callable[[], AnswerCache],
    server: RedisServer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given
    cache = shared()
    keep(cache, 1, WHAT, said("a mug"))
    wait_until(lambda: bool(server.client.dbsize()), within=10, what="an entry")

    # when it goes
    (server.kill if how == "killed" else server.freeze)()
    reads: list[bytes] = []
    read = RedisStore.read
    monkeypatch.setattr(
        RedisStore, "read", lambda store, model, image: reads.append(image) or read(store, model, image)
    )
    for number in range(1_000):
        assert found(cache, number, WHAT) is None
        keep(cache, "later", COLOR, said("red"))

    # then: it is waited for a few times, and not once for each.
    assert len(reads) < 10
    assert caplog.text.count("the model is asked everything") == 1
    (server.start if how == "killed" else server.thaw)()

    def back() -> bool:
        keep(cache, 2, WHAT, said("a hat"))
        return "is there again" in caplog.text

    wait_until(back, within=60, what="the server's return")


# What is set. ---------------------------------------------------------------------------------------


def test_by_default_answers_are_kept_beside_the_compiled_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ASKPIX_ANSWER_CACHE", raising=False)
    store = open_store(Settings(model_cache=str(tmp_path / "cache")))
    assert isinstance(store, DiskStore)
    assert store.contents().place == str(tmp_path / "cache" / "answers" / "answers-v1.0.sqlite3")
    assert store.contents().limit == 512 << 20
    store.close()


def test_a_folder_can_be_named(tmp_path: Path) -> None:
    store = open_store(Settings(answer_cache=SecretStr(str(tmp_path / "mine")), answer_cache_mb=3))
    assert store is not None
    assert store.contents().place == str(tmp_path / "mine" / "answers-v1.0.sqlite3")
    assert store.contents().limit == 3 << 20
    store.close()


@pytest.mark.parametrize("settings", [{"answer_cache": SecretStr("off")}, {"answer_cache": SecretStr("OFF")}], ids=repr)
def test_it_can_be_off(settings: Mapping[str, SecretStr]) -> None:
    assert open_store(Settings(**settings)) is None  # type: ignore[arg-type]


def test_without_any_folder_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASKPIX_ANSWER_CACHE", raising=False)
    assert open_store(Settings(model_cache="")) is None


def test_a_folder_that_others_may_write_to_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(StoreError, match="cannot be used"):
        open_store(Settings(answer_cache=SecretStr(str(tmp_path / "open"))))


@pytest.mark.parametrize("broker", ["redis://queue:6379/0", "redis://:secret-word@queue/1"])
def test_the_brokers_own_server_is_refused(broker: str) -> None:
    settings = Settings(broker_url=SecretStr(broker), answer_cache=SecretStr("redis://:secret-word@queue:6379/2"))
    with pytest.raises(AskpixError, match="a server of its own") as raised:
        open_store(settings)
    assert "secret-word" not in str(raised.value)


@pytest.mark.parametrize("url", ["http://:secret-word@cache/", "redis://:secret-word@cache/none", "redis+socket://x"])
def test_what_is_no_url_of_a_server_is_said_without_its_password(url: str) -> None:
    with pytest.raises(AskpixError) as raised:
        open_store(Settings(answer_cache=SecretStr(url)))
    assert "secret-word" not in str(raised.value)
    assert "ASKPIX_ANSWER_CACHE" in str(raised.value) or "answers' cache" in str(raised.value)
