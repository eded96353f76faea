"""A port that leads to a server, as well as the test wants: what lies between a program and a server on a network."""

from __future__ import annotations

import select
import socket
import struct
import threading
from contextlib import suppress
from enum import Enum

from helpers.lasting import lasts


class Way(Enum):
    """What becomes of what is sent."""

    OPEN = "it arrives"
    REFUSED = "whoever connects is hung up on, and so are those who have"
    RESET = "the same, without a farewell"
    SILENT = "nothing arrives, and nobody is told"
    SLOW = "it arrives a few bytes at a time"
    FORGOTTEN = "nothing arrives on connections from before, and nobody is told; new ones are as they should be"


_SLOW_BYTES, _SLOW_SECONDS = 64, 0.01
_LOOK_SECONDS = 0.05
_RESET = struct.pack("ii", 1, 0)
"""For SO_LINGER: closing sends a reset."""


class Proxy:
    """Listens on 127.0.0.1 and passes on what comes; `way` may be changed at any time with `turn`."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._way = Way.OPEN
        self._changed = threading.Condition()
        self._sockets: list[socket.socket] = []
        self._forgotten: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def turn(self, way: Way) -> None:
        """Changes what becomes of what is sent from now on."""
        with self._changed:
            self._way = way
            self._changed.notify_all()
            if way is Way.FORGOTTEN:
                self._forgotten.update(self._sockets)
            if way in (Way.REFUSED, Way.RESET):
                while self._sockets:
                    _hang_up(self._sockets.pop(), way)

    def lead_to(self, port: int) -> None:
        """Has new connections lead to another server; those that there are stay where they are."""
        self._target = ("127.0.0.1", port)

    def close(self) -> None:
        self.turn(Way.REFUSED)
        _hang_up(self._listener, Way.REFUSED)
        self._thread.join()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                one, _ = self._listener.accept()
                with self._changed:
                    if self._way in (Way.REFUSED, Way.RESET):
                        _hang_up(one, self._way)
                        continue
                    try:
                        other = socket.create_connection(self._target)
                    except OSError:  # the server itself is gone
                        _hang_up(one, Way.REFUSED)
                        continue
                    self._sockets += [one, other]
                for ends in ((one, other), (other, one)):
                    threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError, ValueError):  # ValueError: of a socket that was closed
            while data := self._received(source):
                for start in range(0, len(data), _SLOW_BYTES):
                    with self._changed:
                        self._changed.wait_for(lambda: self._passes(source))
                    if self._way is not Way.SLOW:
                        target.sendall(data[start:])
                        break
                    target.sendall(data[start : start + _SLOW_BYTES])
                    lasts(_SLOW_SECONDS)
        _hang_up(target, Way.REFUSED)
        _hang_up(source, Way.REFUSED)

    def _received(self, source: socket.socket) -> bytes:
        # A socket is closed for good only when nobody waits in it.
        while not select.select([source], [], [], _LOOK_SECONDS)[0]:
            pass
        return source.recv(65_536)

    def _passes(self, source: socket.socket) -> bool:
        if source.fileno() < 0:
            raise OSError("it was hung up on")
        return self._way is not Way.SILENT and source not in self._forgotten


def _hang_up(end: socket.socket, way: Way) -> None:
    with suppress(OSError):
        if way is Way.RESET:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        else:
            end.shutdown(socket.SHUT_RDWR)
    end.close()
