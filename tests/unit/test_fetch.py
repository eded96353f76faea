"""Fetching images from a real web server, some of whose answers are hostile."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from helpers.http_server import Page, Server, closed_port

from askpix.worker.access import Access
from askpix.worker.errors import ImageError
from askpix.worker.images import manners, web
from askpix.worker.images.fetch import Fetcher, host_of
from askpix.worker.images.manners import Manners

BODY = bytes(range(256)) * 40
LOCAL = "127.0.0.1/32"
"""The test server's own address, and no other of this machine."""


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    """May reach the test server."""
    fetcher = Fetcher(Access.of(networks=[LOCAL]), Manners(contact="me@example.com"))
    yield fetcher
    fetcher.close()


class Listener:
    """A listening socket; what connects waits in its queue until a test looks."""

    def __init__(self, host: str) -> None:
        self._socket = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._socket.setblocking(False)
        self.port = self._socket.getsockname()[1]

    def contacted(self) -> bool:
        try:
            self._socket.accept()[0].close()
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    """Listens on all of this machine's addresses."""
    listener = Listener("0.0.0.0")
    yield listener
    listener.close()


def _error(fetcher: Fetcher, reference: str) -> ImageError:
    with pytest.raises(ImageError) as raised:
        fetcher.fetch(reference)
    assert raised.value.message.isprintable()
    assert len(raised.value.message) < 500
    return raised.value


# The web. -------------------------------------------------------------------------------------------


def test_an_image_is_fetched_by_an_agent_that_says_who_it_is(fetcher: Fetcher, server: Server) -> None:
    assert fetcher.fetch(server.put("/fetch/image", BODY)) == BODY
    assert any(agent.startswith("askpix/") and "(+me@example.com)" in agent for agent in server.agents)


def test_a_compressed_transfer_is_unpacked(fetcher: Fetcher, server: Server) -> None:
    page = Page(gzip.compress(BODY), headers={"Content-Encoding": "gzip"})
    assert fetcher.fetch(server.put("/fetch/packed", page)) == BODY


@pytest.mark.parametrize(
    ("page", "code", "retryable"),
    [
        pytest.param(Page(b"no", 404), "http_404", False, id="404"),
        pytest.param(Page(b"no", 403), "http_403", False, id="403"),
        pytest.param(Page(b"later", 429), "http_429", True, id="429"),
        pytest.param(Page(b"broken", 500), "http_500", True, id="500"),
        pytest.param(Page(b"busy", 503), "http_503", True, id="503"),
        pytest.param(Page(b"", 204), "http_204", False, id="204"),
        pytest.param(Page(b"", 304), "http_304", False, id="304"),
        pytest.param(Page(b"cut", missing_bytes=500), "cut_short", True, id="body cut short"),
        pytest.param(Page(hang_up=True), "connection_failed", True, id="hung up"),
        pytest.param(
            Page(b"not gzip", headers={"Content-Encoding": "gzip"}), "bad_response", False, id="not as it says"
        ),
        pytest.param(Page(status=302, headers={"Location": "file:///etc/passwd"}), "bad_url", False, id="to a file"),
        pytest.param(Page(status=302, headers={"Location": "ftp://127.0.0.1/"}), "bad_url", False, id="to FTP"),
        pytest.param(Page(status=302, headers={"Location": "/fetch/page"}), "too_many_redirects", False, id="a loop"),
    ],
)
def test_what_a_server_answers_instead_of_an_image_has_a_code(
    fetcher: Fetcher, server: Server, page: Page, code: str, retryable: bool
) -> None:
    error = _error(fetcher, server.put("/fetch/page", page))
    assert (error.code, error.retryable) == (code, retryable)


def test_a_connection_serves_again_after_an_error(fetcher: Fetcher, server: Server) -> None:
    # given
    for path, page in (("/fetch/404", Page(BODY, 404)), ("/fetch/cut", Page(BODY[:9], missing_bytes=5))):
        _error(fetcher, server.put(path, page))

    # then: no rest of an earlier body is taken for the next one's
    url = server.put("/fetch/next", b"next")
    assert [fetcher.fetch(url) for _ in range(3)] == [b"next"] * 3


def test_a_redirect_is_followed(fetcher: Fetcher, server: Server) -> None:
    server.put("/fetch/new", BODY)
    moved = server.put("/fetch/old", Page(status=301, headers={"Location": "/fetch/new"}))
    assert fetcher.fetch(moved) == BODY


@pytest.mark.parametrize("host", ["127.0.0.2", "127.1.2.3", "[::ffff:127.0.0.2]", "2130706434", "0.0.0.0"])
def test_a_redirect_does_not_lead_to_an_address_that_is_not_allowed(
    fetcher: Fetcher, server: Server, listener: Listener, host: str
) -> None:
    # given
    elsewhere = f"http://{host}:{listener.port}/"
    url = server.put("/fetch/away", Page(status=302, headers={"Location": elsewhere}))

    # then
    assert _error(fetcher, url).code == "not_allowed"
    assert not listener.contacted()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([], None),
        (["all"], None),
        (["noai"], "noai"),
        (["nofollow, NoImageAI"], "noimageai"),
        (["nofollow", "noindex"], "noindex"),
        (["none"], "none"),
        (["googlebot: noindex"], None),
        (["googlebot: nofollow", "askpix: noimageindex"], "noimageindex"),
        (["*: noai"], "noai"),
        (["unavailable_after: 25 Jun 2030 15:00:00 PST"], None),
        (["max-snippet: 5, noindex"], "noindex"),
        (["nofollow, unavailable_after: 25 Jun 2030 15:00:00 PST, noai"], "noai"),
    ],
)
def test_what_a_server_says_against_the_use_of_an_image(values: list[str], said: str | None) -> None:
    assert manners.opted_out(values) == said


def test_an_image_that_is_not_for_machines_is_left_alone_unless_the_settings_say_otherwise(
    fetcher: Fetcher, server: Server
) -> None:
    url = server.put("/fetch/mine", Page(BODY, headers={"X-Robots-Tag": "noai"}))
    error = _error(fetcher, url)
    assert (error.code, error.retryable) == ("opted_out", False)
    assert Fetcher(Access.of(networks=[LOCAL]), Manners(heed_opt_out=False)).fetch(url) == BODY


@pytest.mark.parametrize(
    ("schemes", "reference", "code"),
    [
        (("https",), "http://127.0.0.1/", "not_allowed"),
        (("https", "http"), "data:,x", "not_allowed"),
        (("https", "http"), "/etc/hostname", "not_allowed"),
        (("https", "http"), "file:///etc/hostname", "not_allowed"),
        (("https", "http"), "s3://bucket/key", "not_allowed"),
        (manners.SCHEMES, "ftp://a.example/", "scheme_not_supported"),
    ],
)
def test_only_the_schemes_of_the_settings_are_read(schemes: tuple[str, ...], reference: str, code: str) -> None:
    error = _error(Fetcher(Access.of(files_roots=["/"]), Manners(schemes=schemes)), reference)
    assert error.code == code
    assert ("ASKPIX_SCHEMES" in error.message) is (code == "not_allowed")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "[::ffff:127.0.0.1]"]
)
def test_by_default_nothing_private_is_contacted_in_whatever_spelling(listener: Listener, host: str) -> None:
    assert _error(Fetcher(Access()), f"http://{host}:{listener.port}/").code == "not_allowed"
    assert not listener.contacted()


def test_the_environments_proxy_is_not_asked(
    listener: Listener, server: Server, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{listener.port}")
    assert fetcher.fetch(server.put("/fetch/direct", BODY)) == BODY
    assert not listener.contacted()


def test_a_refused_connection_may_be_tried_again(fetcher: Fetcher) -> None:
    with closed_port() as port:
        error = _error(fetcher, f"http://127.0.0.1:{port}/a.jpg")
    assert (error.code, error.retryable) == ("connection_refused", True)


def test_a_host_that_is_not_known_is_said_so(fetcher: Fetcher) -> None:
    error = _error(fetcher, "http://no-such-host.invalid/a.jpg")
    assert (error.code, error.retryable) == ("host_not_found", True)


@pytest.mark.parametrize("user", ["me@", "me:secret@", ":secret@", "@", "127.0.0.1%40x:secret@"])
def test_a_url_with_a_user_is_refused_and_its_password_not_repeated(
    fetcher: Fetcher, listener: Listener, user: str
) -> None:
    error = _error(fetcher, f"http://{user}127.0.0.1:{listener.port}/")
    assert error.code == "bad_url"
    assert "secret" not in error.message
    assert not listener.contacted()


@pytest.mark.parametrize("url", ["http://", "http:///a.jpg", "http://[::1", "http://127.0.0.1:99999/", "http://a b/"])
def test_a_url_that_is_none_is_refused(fetcher: Fetcher, url: str) -> None:
    error = _error(fetcher, url)
    assert (error.code, error.retryable) == ("bad_url", False)


# Too much, too slow. --------------------------------------------------------------------------------


@pytest.fixture
def small() -> Iterator[Fetcher]:
    """Takes images of a thousand bytes at the most."""
    fetcher = Fetcher(Access.of(networks=[LOCAL]), Manners(max_bytes=1_000))
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
        assert _error(small, url).code == code


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
        assert _error(small, server.url).code == "too_many_bytes"
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
    # given a server that never lets a single read wait for long
    monkeypatch.setattr(manners, "TOTAL_SECONDS", 0.5)
    server = Endless(*SLOW[name], every=0.02)

    # then
    try:
        started = time.monotonic()
        error = _error(fetcher, server.url)
        assert (error.code, error.retryable) == ("timeout" if "header" in name else "too_slow", True)
        assert time.monotonic() - started < 5
        assert server.let_go.wait(10)
    finally:
        server.close()


def test_a_server_that_says_nothing_is_a_timeout(
    fetcher: Fetcher, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "READ_SECONDS", 0.2)
    error = _error(fetcher, f"http://127.0.0.1:{listener.port}/")
    assert (error.code, error.retryable) == ("timeout", True)


def test_room_is_taken_when_there_is_something_to_fill_it(fetcher: Fetcher, server: Server) -> None:
    sizes = (1_000, 500_000, 600_000, 3_000_000)
    taken: list[int] = []
    for size in sizes:
        assert len(fetcher.fetch(server.put(f"/fetch/{size}", bytes(size)), take=taken.append)) == size
    packed = Page(gzip.compress(bytes(1_000_000)), headers={"Content-Encoding": "gzip"})
    assert len(fetcher.fetch(server.put("/fetch/packed", packed), take=taken.append)) == 1_000_000
    # Of what is packed, nobody knows how long it will be.
    assert taken == [600_000, 3_000_000, manners.MAX_BYTES]


def test_who_says_that_much_will_come_and_sends_little_takes_no_room(
    fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manners, "TOTAL_SECONDS", 3.0)
    taken: list[int] = []
    server = Endless(OK + b"Content-Length: 19000000\r\n\r\n", bytes(2_000), every=0.02)
    with pytest.raises(ImageError) as raised:
        fetcher.fetch(server.url, take=taken.append)
    assert raised.value.code in ("too_slow", "timeout")
    assert taken == []
    server.close()


def test_who_has_room_and_lets_it_stand_is_let_go(fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manners, "TOTAL_SECONDS", 3.0)
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
    assert _error(fetcher, server.url).code == "bad_response"
    assert server.let_go.wait(10)
    server.close()


def test_a_host_is_the_same_however_it_is_written() -> None:
    written = ("http://a.test/1", "HTTP://A.TEST/2", "http://a.test:80/", "https://a.test:443", "http://a.test./")
    assert {host_of(url) for url in written} == {"a.test"}
    assert host_of("http://a.test\\b/1") == host_of("http://a.test\\c/1") == "a.test"
    assert host_of("http://a.test:8080/") == "a.test:8080"
    assert [host_of(other) for other in ("a.jpg", "s3://b/c", "http://", "http://[", "data:,")] == [None] * 5
