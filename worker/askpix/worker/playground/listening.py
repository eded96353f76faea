"""Where the playground listens."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from askpix.producer.errors import AskpixError

PORT = 7860
"""Unless another one is asked for, or this one is taken."""


def is_loopback(host: str) -> bool:
    """Returns whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def listening(host: str, port: int | None) -> Iterator[socket.socket]:
    """Yields a socket that listens.

    Args:
        port: None for the usual one, or any free one where that is taken.

    Raises:
        AskpixError: it cannot listen there.
    """
    ports = (PORT, 0) if port is None else (port,)
    for number in ports:
        try:
            listener = _bound(host, number)
        except OSError as error:
            if number == ports[-1]:
                why = (error.strerror or str(error)).lower()
                raise AskpixError(f"the playground cannot listen on {host}:{number}: {why}") from None
        else:
            with listener:
                yield listener
            return


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
        0
    ]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def address(listener: socket.socket) -> str:
    """Returns the address of the page behind a socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
