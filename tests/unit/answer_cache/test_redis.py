"""Answers that are kept in Redis: shared by workers, forgotten by themselves, and never waited for."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.answers import COLOR, INFO, WHAT, asks, choice, found, keep, key_of, said, sha
from helpers.processes import wait_until
from helpers.system import RedisServer
from pydantic import SecretStr

from askpix.worker.answer_cache.cache import AnswerCache
from askpix.worker.answer_cache.redis_store import KEEP_SECONDS, RedisStore
from askpix.worker.answer_cache.store import Change


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
    # Given
    one, other = shared(), shared()
    colored = asks(choice(0.1, 0.9).question)
    keep(one, 1, WHAT, said("a mug"))
    keep(one, 1, colored, said("red"))
    wait_until(lambda: bool(server.client.dbsize()), within=10, what="an entry")

    # Then
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
    # Given
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Parrot) as server:
        server.daemon_threads, server.reply = True, reply  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cache = AnswerCache(RedisStore(SecretStr(f"redis://127.0.0.1:{server.server_address[1]}/0")))

        # Then
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
    # Given: beside what is somebody else's
    server.client.set("theirs", "x")
    store = RedisStore(SecretStr(server.url))
    for model, images in (("one", 3), ("one-b", 2)):
        store.write([Change(model=model, image=bytes([number]), fields={b"a": b"x"}) for number in range(images)])

    # Then
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
    # Given
    cache = shared()
    keep(cache, 1, WHAT, said("a mug"))
    wait_until(lambda: bool(server.client.dbsize()), within=10, what="an entry")

    # When: it goes
    (server.kill if how == "killed" else server.freeze)()
    reads: list[bytes] = []
    read = RedisStore.read
    monkeypatch.setattr(
        RedisStore, "read", lambda store, model, image: reads.append(image) or read(store, model, image)
    )
    for number in range(1_000):
        assert found(cache, number, WHAT) is None
        keep(cache, "later", COLOR, said("red"))

    # Then: it is waited for a few times, and not once for each.
    assert len(reads) < 10
    assert caplog.text.count("the model is asked everything") == 1
    (server.start if how == "killed" else server.thaw)()

    def back() -> bool:
        keep(cache, 2, WHAT, said("a hat"))
        return "is there again" in caplog.text

    wait_until(back, within=60, what="the server's return")
