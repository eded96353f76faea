"""Fetching images from a real web server, some of whose answers are hostile."""

from __future__ import annotations

import gzip

import pytest
from helpers.fetching import LOCAL, Listener, error_of, fetcher, listener
from helpers.http_server import Page, Server, closed_port

from askpix.worker.access import Access
from askpix.worker.images import fetch_rules
from askpix.worker.images.fetch import Fetcher, host_of
from askpix.worker.images.fetch_rules import FetchRules

__all__ = ["fetcher", "listener"]


BODY = bytes(range(256)) * 40


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
    error = error_of(fetcher, server.put("/fetch/page", page))
    assert (error.code, error.retryable) == (code, retryable)


def test_a_connection_serves_again_after_an_error(fetcher: Fetcher, server: Server) -> None:
    # Given
    for path, page in (("/fetch/404", Page(BODY, 404)), ("/fetch/cut", Page(BODY[:9], missing_bytes=5))):
        error_of(fetcher, server.put(path, page))

    # Then: no rest of an earlier body is taken for the next one's
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
    # Given
    elsewhere = f"http://{host}:{listener.port}/"
    url = server.put("/fetch/away", Page(status=302, headers={"Location": elsewhere}))

    # Then
    assert error_of(fetcher, url).code == "not_allowed"
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
    assert fetch_rules.opted_out(values) == said


def test_an_image_that_is_not_for_machines_is_left_alone_unless_the_settings_say_otherwise(
    fetcher: Fetcher, server: Server
) -> None:
    url = server.put("/fetch/mine", Page(BODY, headers={"X-Robots-Tag": "noai"}))
    error = error_of(fetcher, url)
    assert (error.code, error.retryable) == ("opted_out", False)
    assert Fetcher(Access.of(networks=[LOCAL]), FetchRules(heed_opt_out=False)).fetch(url) == BODY


@pytest.mark.parametrize(
    ("schemes", "reference", "code"),
    [
        (("https",), "http://127.0.0.1/", "not_allowed"),
        (("https", "http"), "data:,x", "not_allowed"),
        (("https", "http"), "/etc/hostname", "not_allowed"),
        (("https", "http"), "file:///etc/hostname", "not_allowed"),
        (("https", "http"), "s3://bucket/key", "not_allowed"),
        (fetch_rules.SCHEMES, "ftp://a.example/", "scheme_not_supported"),
    ],
)
def test_only_the_schemes_of_the_settings_are_read(schemes: tuple[str, ...], reference: str, code: str) -> None:
    error = error_of(Fetcher(Access.of(files_roots=["/"]), FetchRules(schemes=schemes)), reference)
    assert error.code == code
    assert ("ASKPIX_SCHEMES" in error.message) is (code == "not_allowed")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "[::ffff:127.0.0.1]"]
)
def test_by_default_nothing_private_is_contacted_in_whatever_spelling(listener: Listener, host: str) -> None:
    assert error_of(Fetcher(Access()), f"http://{host}:{listener.port}/").code == "not_allowed"
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
        error = error_of(fetcher, f"http://127.0.0.1:{port}/a.jpg")
    assert (error.code, error.retryable) == ("connection_refused", True)


def test_a_host_that_is_not_known_is_said_so(fetcher: Fetcher) -> None:
    error = error_of(fetcher, "http://no-such-host.invalid/a.jpg")
    assert (error.code, error.retryable) == ("host_not_found", True)


@pytest.mark.parametrize("user", ["me@", "me:secret@", ":secret@", "@", "127.0.0.1%40x:secret@"])
def test_a_url_with_a_user_is_refused_and_its_password_not_repeated(
    fetcher: Fetcher, listener: Listener, user: str
) -> None:
    error = error_of(fetcher, f"http://{user}127.0.0.1:{listener.port}/")
    assert error.code == "bad_url"
    assert "secret" not in error.message
    assert not listener.contacted()


@pytest.mark.parametrize("url", ["http://", "http:///a.jpg", "http://[::1", "http://127.0.0.1:99999/", "http://a b/"])
def test_a_url_that_is_none_is_refused(fetcher: Fetcher, url: str) -> None:
    error = error_of(fetcher, url)
    assert (error.code, error.retryable) == ("bad_url", False)


def test_a_host_is_the_same_however_it_is_written() -> None:
    written = ("http://a.test/1", "HTTP://A.TEST/2", "http://a.test:80/", "https://a.test:443", "http://a.test./")
    assert {host_of(url) for url in written} == {"a.test"}
    assert host_of("http://a.test\\b/1") == host_of("http://a.test\\c/1") == "a.test"
    assert host_of("http://a.test:8080/") == "a.test:8080"
    assert [host_of(other) for other in ("a.jpg", "s3://b/c", "http://", "http://[", "data:,")] == [None] * 5
