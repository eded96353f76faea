"""Fetching from the web server of the tests."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from askpix.worker.access import Access
from askpix.worker.images.fetch import Fetcher
from askpix.worker.images.fetch_rules import FetchRules
from askpix.worker.item_errors import ImageError

LOCAL = "127.0.0.1/32"
"""The test server's own address, and no other of this machine."""


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    """May reach the test server."""
    fetcher = Fetcher(Access.of(networks=[LOCAL]), FetchRules(contact="me@example.com"))
    yield fetcher
    fetcher.close()


def error_of(fetcher: Fetcher, reference: str) -> ImageError:
    """Returns what keeps an image from being fetched."""
    with pytest.raises(ImageError) as raised:
        fetcher.fetch(reference)
    assert raised.value.message.isprintable()
    assert len(raised.value.message) < 500
    return raised.value


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
