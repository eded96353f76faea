"""Connections to strangers: to no address but those a worker may reach."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any
from urllib.parse import unquote

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NewConnectionError

from askpix.worker.access import Access
from askpix.worker.allowed_addresses import is_public
from askpix.worker.images.deadline import Watched
from askpix.worker.images.head import BoundedResponse

CONNECT_SECONDS = 5.0


class RefusedError(HTTPError):
    """The address is not one that this worker may reach."""


def guarded_pool(
    access: Access, *, headers: dict[str, str], connections: int, proxy: str | None = None
) -> urllib3.PoolManager:
    """Returns a pool whose connections go only where `access` lets them; it follows no redirects by itself.

    The host is resolved here, and the address that was checked is the one connected to: a second look-up,
    which could give another address, never happens. No proxy but the given one is used, whatever the environment says.

    Args:
        access: where that is.
        headers: of each request.
        connections: to a host that are kept.
        proxy: a URL. All connections are to it, so it is the proxy that sees to where they lead.
    """

    class Guarded(HTTPConnection):
        response_class = BoundedResponse

        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            self._watched = Watched()

        def _new_conn(self) -> socket.socket:
            return _connected(self, access if proxy is None else None, self._watched)

        def request(self, *given: Any, **named: Any) -> None:
            self._watched.take()
            super().request(*given, **named)

        def getresponse(self) -> Any:
            self._watched.add(self.sock)
            return super().getresponse()

    class GuardedSecure(Guarded, HTTPSConnection):
        pass

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Guarded

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = GuardedSecure

    options: dict[str, Any] = {"num_pools": 64, "maxsize": connections, "block": False}
    pool = urllib3.PoolManager(headers=headers, **options) if proxy is None else _proxied(proxy, headers, options)
    pool.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
    return pool


def _connected(connection: HTTPConnection, access: Access | None, held: Watched) -> socket.socket:
    """Returns a connection to the first address of a host that takes one.

    Args:
        access: says where it may lead; None where it may lead anywhere.
        held: is given the socket before it connects.

    Raises:
        RefusedError: an address that comes before is not one that this worker may reach.
        NewConnectionError: the host has no address, or none takes it.
    """
    host = connection._dns_host.strip("[]")
    try:
        found = socket.getaddrinfo(host, connection.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise NewConnectionError(connection, "unknown host") from error
    failure: OSError | None = None
    for family, kind, protocol, _, target in found:
        if access is not None:
            _check_reach(access, host, str(target[0]), connection.port)
        opened = socket.socket(family, kind, protocol)
        try:
            held.add(opened, copied=True)
            opened.settimeout(CONNECT_SECONDS)
            opened.connect(target)
        except OSError as error:
            opened.close()
            failure = error
            continue
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened
    raise NewConnectionError(connection, str(failure)) from failure


def _check_reach(access: Access, host: str, target: str, port: int) -> None:
    """Raises RefusedError where a host has led to an address, in text, that this worker may not reach."""
    address = ipaddress.ip_address(target.partition("%")[0])
    if not access.may_connect(host, address, port):
        what = f"is asked at port {port}" if is_public(address) else "is not a public address"
        raise RefusedError(f"{host} {what}; --allow-net opens networks, and hosts with a port")


def _proxied(proxy: str, headers: dict[str, str], options: dict[str, Any]) -> urllib3.ProxyManager:
    user = urllib3.util.parse_url(proxy).auth
    given = urllib3.util.make_headers(proxy_basic_auth=unquote(user)) if user else None
    return urllib3.ProxyManager(proxy, headers=headers, proxy_headers=given, **options)
