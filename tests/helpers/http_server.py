"""A real web server on 127.0.0.1 that serves pictures, and misbehaves where a test asks it to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Page:
    """What the server answers to a path."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    missing_bytes: int = 0
    """How much more the server promises than it sends."""

    hang_up: bool = False
    """Close the connection instead of answering."""


class Server:
    """Pages can be added while it serves; what is not there is a 404."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[str] = []
        """Paths that were asked for, in order."""

        self.agents: set[str] = set()
        """User-Agent headers seen."""

        self.proxy_authorization: str | None = None
        """That came with the last request, as proxies have it."""

        self._http = _Http(("127.0.0.1", 0), _Handler)
        self._http.owner = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def put(self, path: str, page: Page | bytes) -> str:
        """Serves a page; returns its URL."""
        self.pages[path] = Page(page) if isinstance(page, bytes) else page
        return self.url(path)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._http.server_port}{path}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    owner: Server


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http

    def do_GET(self) -> None:
        owner = self.server.owner
        owner.asked.append(self.path)
        owner.agents.add(self.headers.get("User-Agent", ""))
        owner.proxy_authorization = self.headers.get("Proxy-Authorization")
        page = owner.pages.get(self.path, Page(b"no such page", 404))
        if page.hang_up:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        self.send_response(page.status)
        for name, value in page.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(page.body) + page.missing_bytes))
        self.end_headers()
        self.wfile.write(page.body)
        self.close_connection = page.missing_bytes > 0

    def do_CONNECT(self) -> None:
        self.server.owner.asked.append(f"CONNECT {self.path}")
        self.send_error(403)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ARG002 - as in the base class
        return


@contextmanager
def closed_port() -> Iterator[int]:
    """Yields a port that refuses connections, kept from everyone else for as long."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
