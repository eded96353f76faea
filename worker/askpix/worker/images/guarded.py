"""Connections to strangers: to no address but those a worker may reach, and not for longer than they may take."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, LocationParseError, NewConnectionError

from askpix.worker.access import Access
from askpix.worker.errors import ImageError
from askpix.worker.reach import is_public

CONNECT_SECONDS = 5.0
MAX_REDIRECTS = 5


class RefusedError(HTTPError):
    """The address is not one that this worker may reach."""


class _Watch:
    """The sockets of a transfer, which are shut down when its time is up."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self._sockets: list[socket.socket] = []
        self._copies: list[socket.socket] = []

    def add(self, opened: socket.socket, *, copied: bool = False) -> None:
        """Adds a socket; a copy of it stays good when TLS takes the socket itself over.

        Raises:
            TimeoutError: it comes too late.
        """
        if copied:
            opened = opened.dup()
            self._copies.append(opened)
        self._sockets.append(opened)
        # In this order: what is added after `end` has gone through the sockets finds that it is over.
        if self.over.is_set():
            raise TimeoutError("the transfer's time is up")

    def end(self) -> None:
        self.over.set()
        for opened in self._sockets:
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for copy in self._copies:
            copy.close()


_here = threading.local()


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Ends this thread's transfer when its time is up, whatever it waits for: headers, a redirect, a slow body.

    A socket's timeout is for a single read, and a server that sends a byte a second never meets one. So a
    timer shuts the thread's sockets down, and what that raises is told apart here.

    Raises:
        ImageError: `timeout`: it was not over in time.
    """
    watch = _Watch()
    timer = threading.Timer(seconds, watch.end)
    timer.daemon = True
    timer.start()
    _here.watch = watch
    too_late = ImageError("timeout", f"the image was not there after {seconds:.0f} s", retryable=True)
    try:
        yield
    except Exception:
        if watch.over.is_set():
            raise too_late from None
        raise
    finally:
        timer.cancel()
        _here.watch = None
        # A copy must not be closed, and its number given to another, under a timer that is at work.
        timer.join()
        watch.close()
    if watch.over.is_set():
        raise too_late


def watched(opened: socket.socket | None, *, copied: bool = False) -> None:
    """Puts a socket under the deadline of this thread, where it has one.

    Raises:
        TimeoutError: the deadline is over.
    """
    watch: _Watch | None = getattr(_here, "watch", None)
    if watch is not None and opened is not None:
        watch.add(opened, copied=copied)


class _Pool(urllib3.PoolManager):
    """Sends no user name or password, to wherever a redirect leads either."""

    def urlopen(self, method: str, url: str, redirect: bool = True, **options: Any) -> Any:  # type: ignore[override]
        if urllib3.util.parse_url(url).auth is not None:
            raise LocationParseError("a user name or password, which is not sent")
        return super().urlopen(method, url, redirect, **options)


def guarded_pool(access: Access, *, headers: dict[str, str], connections: int) -> urllib3.PoolManager:
    """Returns a pool whose connections, redirected ones included, go only where `access` lets them.

    The host is resolved here, and the address that was checked is the one connected to: a second look-up,
    which could give another address, never happens. Proxies are not used, whatever the environment says.
    """

    def connect(connection: HTTPConnection) -> socket.socket:
        host = connection._dns_host.strip("[]")
        try:
            found = socket.getaddrinfo(host, connection.port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            raise NewConnectionError(connection, "unknown host") from error
        failure: OSError | None = None
        for family, kind, protocol, _, target in found:
            address = ipaddress.ip_address(str(target[0]).partition("%")[0])
            if not access.may_connect(host, address, connection.port):
                what = f"is asked at port {connection.port}" if is_public(address) else "is not a public address"
                raise RefusedError(f"{host} {what}; --allow-net opens networks, and hosts with a port")
            opened = socket.socket(family, kind, protocol)
            try:
                watched(opened, copied=True)
                opened.settimeout(CONNECT_SECONDS)
                opened.connect(target)
            except OSError as error:
                opened.close()
                failure = error
                continue
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return opened
        raise NewConnectionError(connection, str(failure)) from failure

    class GuardedHTTP(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return connect(self)

        def getresponse(self) -> Any:
            watched(self.sock)
            return super().getresponse()

    class GuardedHTTPS(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return connect(self)

        def getresponse(self) -> Any:
            watched(self.sock)
            return super().getresponse()

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = GuardedHTTP

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = GuardedHTTPS

    options: dict[str, Any] = {"num_pools": 64, "maxsize": connections, "block": False}
    pool = _Pool(headers=headers, **options)
    pool.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
    return pool
