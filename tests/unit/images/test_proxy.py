"""A proxy is used where the settings name one, and is not asked for what is inside."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from helpers.http_server import Page, Server
from pydantic import SecretStr

from askpix.producer.errors import AskpixError
from askpix.producer.settings import load_settings
from askpix.worker.access import Access
from askpix.worker.images.fetch import Fetcher
from askpix.worker.images.fetch_rules import FetchRules
from askpix.worker.item_errors import ImageError

BODY = b"a picture"
URL = "http://shop.example/1.jpg"


@pytest.fixture
def proxy() -> Iterator[Server]:
    """Has one page, which it knows by all of its URL, as proxies do."""
    proxy = Server()
    proxy.put(URL, BODY)
    yield proxy
    proxy.close()


@pytest.fixture
def fetcher(proxy: Server) -> Iterator[Fetcher]:
    fetcher = Fetcher(Access.of(networks=["images.internal:8080"]), FetchRules(proxy=SecretStr(proxy.url(""))))
    yield fetcher
    fetcher.close()


def test_images_come_by_the_proxy(fetcher: Fetcher, proxy: Server) -> None:
    assert fetcher.fetch(URL) == BODY
    assert proxy.asked == [URL]


def test_the_proxy_knows_us_by_the_password_in_its_url(proxy: Server) -> None:
    url = SecretStr(proxy.url("").replace("http://", "http://me:p%40ss@"))
    fetcher = Fetcher(Access(), FetchRules(proxy=url))
    assert fetcher.fetch(URL) == BODY
    assert proxy.proxy_authorization == "Basic " + base64.b64encode(b"me:p@ss").decode()
    assert "ss" not in repr(FetchRules(proxy=url)).partition("proxy=")[2][:30]
    fetcher.close()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "017700000001",
        "10.1.2.3",
        "169.254.169.254",
        "[::1]",
        "[::ffff:10.0.0.5]",
        "localhost",
        "LOCALHOST.",
        "metadata",
        "db.local",
        "metadata.google.internal",
        "router.home.arpa",
        "shop.example:22",
        "shop.example:8080",
        "93.184.215.14:8080",
        "images.internal",
        "images.internal:22",
    ],
)
def test_it_is_not_asked_for_what_is_inside_nor_by_a_redirect(fetcher: Fetcher, proxy: Server, host: str) -> None:
    proxy.put("http://shop.example/away", Page(status=302, headers={"Location": f"http://{host}/"}))
    for url in (f"http://{host}/", "http://shop.example/away"):
        with pytest.raises(ImageError) as raised:
            fetcher.fetch(url)
        assert raised.value.code == "not_allowed"
    assert proxy.asked == ["http://shop.example/away"]


def test_what_is_opened_is_asked_for(fetcher: Fetcher, proxy: Server) -> None:
    url = "http://images.internal:8080/1.jpg"
    proxy.put(url, BODY)
    assert fetcher.fetch(url) == BODY


def test_secure_servers_are_asked_through_a_tunnel(fetcher: Fetcher, proxy: Server) -> None:
    with pytest.raises(ImageError):
        fetcher.fetch("https://shop.example/1.jpg")
    assert proxy.asked == ["CONNECT shop.example:443"]


@pytest.mark.parametrize(
    "value", ["me:secret@proxy", "socks5://me:secret@proxy:1", "http://me:secret@:80", "http://[secret"]
)
def test_a_proxy_that_is_none_is_said_so_without_its_password(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("ASKPIX_PROXY", value)
    with pytest.raises(AskpixError, match="ASKPIX_PROXY") as raised:
        load_settings()
    assert "secret" not in str(raised.value)


def test_an_empty_proxy_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASKPIX_PROXY", "")
    assert load_settings().proxy is None
