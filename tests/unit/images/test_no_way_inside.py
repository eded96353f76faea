"""No URL, however it is written, makes a worker connect to anything but public web servers.

Every connection that is tried in this process is noted before it is made: none may be, but to the test's own server
where that redirects.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from helpers.http_server import Page, Server
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from askpix.worker.access import Access
from askpix.worker.allowed_addresses import WEB_PORTS
from askpix.worker.images.fetch import Fetcher
from askpix.worker.item_errors import ImageError

FETCHER = Fetcher(Access())
"""With the defaults of a worker."""

INSIDE = (
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
    "0.0.0.0",
)


def spellings(address: str) -> Iterator[str]:
    """Yields ways to write an IPv4 address in a URL that some program or other takes for it."""
    number = int(ipaddress.IPv4Address(address))
    first, *rest = bytes = number.to_bytes(4, "big")  # noqa: A001 - its bytes
    yield address
    yield f"{address}."
    yield str(number)
    yield hex(number)
    yield f"0{number:o}"
    yield ".".join(hex(byte) for byte in bytes)
    yield ".".join(f"0{byte:03o}" for byte in bytes)
    yield f"{first}.{int.from_bytes(rest, 'big')}"
    yield f"{first}.{rest[0]}.{rest[1] << 8 | rest[2]}"
    yield f"[::ffff:{address}]"
    yield f"[::ffff:{number >> 16:x}:{number & 0xFFFF:x}]"
    yield f"[::{address}]"
    yield f"[64:ff9b::{address}]"
    yield f"[2002:{number >> 16:x}:{number & 0xFFFF:x}::]"
    yield address.translate({ord("."): "。"})
    yield "".join(chr(0xFF10 + int(character)) if character.isdigit() else character for character in address)
    yield "".join(f"%{ord(character):02x}" for character in address)


IPV6 = (
    "::",
    "::1",
    "0:0:0:0:0:0:0:1",
    "::1%25lo",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%25eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "2001:db8::1",
    "2001::7f00:1",
    "64:ff9b:1::7f00:1",
    "100::1",
    "::ffff:0:127.0.0.1",
    "5f00::1",
)
NAMES = (
    "localhost",
    "LOCALHOST",
    "localhost.",
    "ip6-localhost",
    "inside.test",
    "mixed.test",
    "six.test",
    "INSIDE.test.",
)
"""The last ones are names that the test's own look-up knows: of addresses inside, alone and beside a public one."""

PORTS = ("93.184.215.14:22", "93.184.215.14:6379", "93.184.215.14:8080", "[2606:2800:21f::1]:25", "public.test:81")

OTHERS = (
    "http://public.test@127.0.0.1/",
    "http://me:secret@public.test/",
    "http://127.0.0.1\\@public.test/",
    "http://public.test\\@127.0.0.1/",
    "http://127.0.0.1\t/",
    "http://127.0.0.1\r\nHost: public.test/",
    "http://public.test\r\n@127.0.0.1/",
    "http://[::1",
    "http://::1/",
    "http://[127.0.0.1]/",
    "http:///127.0.0.1/",
    "http:127.0.0.1",
    "http:/127.0.0.1/",
    "http://",
    "http://./",
    "http://127.0.0.1:99999/",
    "http://127.0.0.1:-80/",
    "http://a..b/",
    "http://\u017f.test/",
    "http://\u200b127.0.0.1/",
    "HTTP://LOCALHOST/",
    "hTTps://127.0.0.1/",
    "file:///etc/passwd",
    "FILE:///etc/passwd",
    "file://localhost/etc/passwd",
    "file:/etc/passwd",
    "/etc/passwd",
    "../../../../etc/passwd",
    "s3://not-mine/key",
    "S3://not-mine/key",
    "s3://127.0.0.1/key",
    "ftp://127.0.0.1/",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "dict://127.0.0.1:11211/",
    "ldap://127.0.0.1/",
    "jar:http://127.0.0.1!/",
    "unix:///var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
    "javascript:alert(1)",
    "data:text/plain",
    "view-source:http://127.0.0.1/",
)

URLS = (
    *(f"http://{spelled}/" for address in INSIDE for spelled in spellings(address)),
    *(f"https://[{address}]/" for address in IPV6),
    *(f"http://{name}/" for name in NAMES),
    *(f"http://{place}/" for place in PORTS),
    *OTHERS,
)

KNOWN = {
    "public.test": ["93.184.215.14"],
    "inside.test": ["10.0.0.5"],
    "mixed.test": ["127.0.0.1", "93.184.215.14"],
    "six.test": ["::ffff:169.254.169.254"],
}


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Where somebody tried to connect to; nobody gets there, but to what is put into the list before."""
    tried: list[Any] = []
    real_connect, real_look_up = socket.socket.connect, socket.getaddrinfo

    def connect(self: socket.socket, target: Any) -> None:
        if tried and tried[0] == target:
            return real_connect(self, target)
        tried.append(target)
        raise ConnectionRefusedError

    def look_up(host: Any, port: Any, *arguments: Any, **named: Any) -> Any:
        name = str(host).lower().rstrip(".")
        if name.endswith(".test"):
            if name not in KNOWN:
                raise socket.gaierror("no such host")
            found = [real_look_up(address, port, *arguments, **named) for address in KNOWN[name]]
            return [entry for entries in found for entry in entries]
        if name in ("localhost", "ip6-localhost"):
            return real_look_up(host, port, *arguments, **named)
        # Nobody else's names are asked for.
        return real_look_up(host, port, *arguments, **{**named, "flags": socket.AI_NUMERICHOST})

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return tried


def test_there_are_many() -> None:
    assert len(set(URLS)) >= 150


@pytest.mark.parametrize("url", URLS, ids=ascii)
def test_nothing_inside_is_contacted(url: str, connected: list[Any]) -> None:
    with pytest.raises(ImageError) as raised:
        FETCHER.fetch(url)

    assert connected == []
    assert raised.value.message.isprintable()


def test_nor_by_a_redirect(connected: list[Any]) -> None:
    server = Server()
    here = ("127.0.0.1", int(server.url("").rpartition(":")[2]))
    connected.append(here)
    fetcher = Fetcher(Access.of(networks=[f"127.0.0.1:{here[1]}"]))
    try:
        for number, url in enumerate(URLS):
            # Of a host without one, a redirect is to the server itself.
            if (
                not url.isascii()
                or "\r" in url
                or "\t" in url
                or ":" not in url
                or url.startswith(("http:///", "http:/1", "http:1"))
            ):
                continue
            place = server.put(f"/{number}", Page(status=302, headers={"Location": url}))
            with pytest.raises(ImageError):
                fetcher.fetch(place)
            # What some programs take for the user of an address inside is a host to others, and that a public one.
            assert set(connected) <= {here, (KNOWN["public.test"][0], 80)}, url
    finally:
        server.close()
        fetcher.close()


def test_a_name_is_looked_up_once_and_what_was_checked_is_connected_to(
    connected: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name can have another address each time that somebody asks."""
    answers = iter(["93.184.215.14", "127.0.0.1"])
    asked = []

    def look_up(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)

    with pytest.raises(ImageError) as raised:
        FETCHER.fetch("http://rebinding.test/")

    assert raised.value.code == "connection_refused"
    assert (asked, connected) == (["rebinding.test"], [("93.184.215.14", 80)])


PIECES = (
    *("http://", "https://", "HTTP:", "//", "/", "\\", "@", ":", ":80", ":443", "?", "#", "%", "%00", "%2e", "%40"),
    *(
        ".",
        "..",
        "[",
        "]",
        "0",
        "0x",
        "127.0.0.1",
        "2130706433",
        "::1",
        "[::1]",
        "[::ffff:10.0.0.5]",
        "169.254.169.254",
    ),
    *("localhost", "public.test", "inside.test", "me", "me:secret@", " ", "\t", "\r\n", "\u3002", "\u2044", "\uff0e"),
)


@settings(
    max_examples=2_000, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(pieces=st.lists(st.sampled_from(PIECES), min_size=1, max_size=8))
def test_nor_by_any_mixture_of_what_urls_are_made_of(connected: list[Any], pieces: list[str]) -> None:
    connected.clear()
    with pytest.raises(ImageError) as raised:
        FETCHER.fetch("http://" + "".join(pieces))
    assert set(connected) <= {(KNOWN["public.test"][0], port) for port in WEB_PORTS}
    assert raised.value.message.isprintable()
