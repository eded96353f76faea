"""Servers that send too much, too slowly or nothing: each is let go, and takes no room from others."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from helpers.fetching import LOCAL, Listener, error_of, fetcher, listener
from helpers.http_server import Page, Server

from askpix.worker.access import Access
from askpix.worker.images import fetch_rules, web
from askpix.worker.images.fetch import Fetcher
from askpix.worker.images.fetch_rules import FetchRules
from askpix.worker.item_errors import ImageError

__all__ = ["fetcher", "listener"]


@pytest.fixture
def small() -> Iterator[Fetcher]:
    """Takes images of a thousand bytes at the most."""
    fetcher = Fetcher(Access.of(networks=[LOCAL]), FetchRules(max_bytes=1_000))
    yield fetcher
    fetcher.close()


@pytest.mark.parametrize(
    ("page", "code"),
    [
        pytest.param(Page(bytes(1_000)), None, id="the most"),
        pytest.param(Page(bytes(1_001)), "too_many_bytes", id="one more"),
        pytest.param(
            Page(gzip.compress(bytes(5_000_000)), headers={"Content-Encoding": "gzip"}), "too_many_bytes", id="packed"
        ),
    ],
)
def test_a_body_of_too_many_bytes_is_refused(small: Fetcher, server: Server, page: Page, code: str | None) -> None:
    url = server.put("/fetch/large", page)
    if code is None:
        assert small.fetch(url) == page.body
    else:
        assert error_of(small, url).code == code


class Endless:
    """A server that sends a head, then the same bytes again and again until the other side has enough, or for 10 s."""

    def __init__(self, head: bytes, again: bytes, every: float = 0) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"
        self.let_go = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(head, again, every), daemon=True)
        self._thread.start()

    def _serve(self, head: bytes, again: bytes, every: float) -> None:
        connection, _ = self._socket.accept()
        with connection:
            try:
                connection.recv(10_000)
                connection.sendall(head)
                ends = time.monotonic() + 10
                while not self._stopped.wait(every) and time.monotonic() < ends:
                    connection.sendall(again)
            except OSError:
                self.let_go.set()

    def close(self) -> None:
        self._stopped.set()
        self._thread.join()
        self._socket.close()


OK = b"HTTP/1.1 200 OK\r\n"


ENDLESS = {
    "a body": (OK + b"\r\n", bytes(4096)),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"100\r\n" + bytes(256) + b"\r\n"),
    "a body of the length it says": (OK + b"Content-Length: 999999999\r\n\r\n", bytes(4096)),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_an_endless_body_is_let_go(small: Fetcher, name: str) -> None:
    server = Endless(*ENDLESS[name])
    try:
        assert error_of(small, server.url).code == "too_many_bytes"
        assert server.let_go.wait(10)
    finally:
        server.close()


SLOW = {
    "a body, byte by byte": (OK + b"Content-Length: 100000\r\n\r\n", b"x"),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "a body without a length": (OK + b"\r\n", b"x"),
    "headers": (OK, b"X-More: and more\r\n"),
    "a header": (OK + b"X-Long: ", b"x"),
}


@pytest.mark.parametrize("name", SLOW)
def test_a_server_that_is_always_about_to_go_on_is_let_go(
    fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    # Given: a server that never lets a single read wait for long
    monkeypatch.setattr(fetch_rules, "TOTAL_SECONDS", 0.5)
    server = Endless(*SLOW[name], every=0.02)

    # Then
    try:
        started = time.monotonic()
        error = error_of(fetcher, server.url)
        assert (error.code, error.retryable) == ("timeout" if "header" in name else "too_slow", True)
        assert time.monotonic() - started < 5
        assert server.let_go.wait(10)
    finally:
        server.close()


def test_a_server_that_says_nothing_is_a_timeout(
    fetcher: Fetcher, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "READ_SECONDS", 0.2)
    error = error_of(fetcher, f"http://127.0.0.1:{listener.port}/")
    assert (error.code, error.retryable) == ("timeout", True)


def test_room_is_taken_when_there_is_something_to_fill_it(fetcher: Fetcher, server: Server) -> None:
    sizes = (1_000, 500_000, 600_000, 3_000_000)
    taken: list[int] = []
    for size in sizes:
        assert len(fetcher.fetch(server.put(f"/fetch/{size}", bytes(size)), take=taken.append)) == size
    packed = Page(gzip.compress(bytes(1_000_000)), headers={"Content-Encoding": "gzip"})
    assert len(fetcher.fetch(server.put("/fetch/packed", packed), take=taken.append)) == 1_000_000
    # Of what is packed, nobody knows how long it will be.
    assert taken == [600_000, 3_000_000, fetch_rules.MAX_BYTES]


def test_who_says_that_much_will_come_and_sends_little_takes_no_room(
    fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_rules, "TOTAL_SECONDS", 3.0)
    taken: list[int] = []
    server = Endless(OK + b"Content-Length: 19000000\r\n\r\n", bytes(2_000), every=0.02)
    with pytest.raises(ImageError) as raised:
        fetcher.fetch(server.url, take=taken.append)
    assert raised.value.code in ("too_slow", "timeout")
    assert taken == []
    server.close()


def test_who_has_room_and_lets_it_stand_is_let_go(fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_rules, "TOTAL_SECONDS", 3.0)
    taken: list[int] = []
    head = OK + b"Content-Length: 19000000\r\n\r\n" + bytes(600_000)
    server = Endless(head, bytes(2_000), every=0.02)
    with pytest.raises(ImageError) as raised:
        fetcher.fetch(server.url, take=taken.append)
    assert (raised.value.code, taken) == ("too_slow", [19_000_000])
    server.close()


def test_a_head_without_end_is_not_read(fetcher: Fetcher) -> None:
    line = b"X-Fat: " + b"x" * 60_000 + b"\r\n"
    server = Endless(OK + line, line, every=0.01)
    assert error_of(fetcher, server.url).code == "bad_response"
    assert server.let_go.wait(10)
    server.close()
