"""A web server that does to whoever asks what its paths say, none of it good."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import suppress

from helpers.pictures import jpeg

_OK = b"HTTP/1.1 200 OK\r\n"
_ENOUGH = 64 << 20
"""Bytes of what is endless: more than anybody should take."""

_EVERY_SECONDS = 0.05


class HostileServer:
    """Listens on 127.0.0.1, and keeps up what it does to those that are there, until it is closed.

    Args:
        tls: what its connections are made secure with.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._over = threading.Event()
        self.asked: list[str] = []
        """Paths that were asked for, in order."""

        threading.Thread(target=self._serve, daemon=True).start()

    def url(self, path: str) -> str:
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://127.0.0.1:{self._listening.getsockname()[1]}{path}"

    def close(self) -> None:
        self._over.set()
        self._listening.close()

    def _serve(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, plain: socket.socket) -> None:
        with (
            suppress(OSError),
            plain,
            plain if self._tls is None else self._tls.wrap_socket(plain, server_side=True) as connection,
        ):
            while asked := connection.recv(10_000):
                path = asked.split()[1].decode()
                self.asked.append(path)
                # Of a path with further ones, as each of many items has, the first part counts.
                deed = getattr(self, "_" + path.split("/")[1].replace("-", "_"))
                if deed(connection):
                    return

    # Each returns whether the connection is to end. ----------------------------------------------

    def _silent(self, connection: socket.socket) -> bool:
        while not self._over.wait(_EVERY_SECONDS):
            connection.getpeername()
        return True

    def _drip(self, connection: socket.socket) -> bool:
        connection.sendall(_OK + b"Content-Length: 100000\r\n\r\n")
        return self._again(connection, b"x")

    def _drip_head(self, connection: socket.socket) -> bool:
        connection.sendall(_OK + b"X-Slow: ")
        return self._again(connection, b"x")

    def _drip_redirects(self, connection: socket.socket) -> bool:
        self._over.wait(2.0)
        return self._to(connection, "/drip-redirects")

    def _continued(self, connection: socket.socket) -> bool:
        return self._again(connection, b"HTTP/1.1 100 Continue\r\n\r\n")

    def _many_headers(self, connection: socket.socket) -> bool:
        connection.sendall(_OK)
        return _much(connection, b"X-More: and more\r\n" * 1_000)

    def _long_header(self, connection: socket.socket) -> bool:
        connection.sendall(_OK + b"X-Long: ")
        return _much(connection, b"x" * 65_536)

    def _endless(self, connection: socket.socket) -> bool:
        connection.sendall(_OK + b"\r\n")
        return _much(connection, bytes(65_536))

    def _endless_chunks(self, connection: socket.socket) -> bool:
        connection.sendall(_OK + b"Transfer-Encoding: chunked\r\n\r\n")
        return _much(connection, b"10000\r\n" + bytes(65_536) + b"\r\n")

    def _large(self, connection: socket.socket) -> bool:
        connection.sendall(_OK + b"Content-Length: 99999999999\r\n\r\n")
        return _much(connection, bytes(65_536))

    def _gzip_bomb(self, connection: socket.socket) -> bool:
        body = b"".join(_zeros(10_000))
        connection.sendall(_OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        return False

    def _short(self, connection: socket.socket) -> bool:
        connection.sendall(_OK + b"Content-Length: 1000\r\n\r\n" + bytes(500))
        return True

    def _half_a_chunk(self, connection: socket.socket) -> bool:
        connection.sendall(_OK + b"Transfer-Encoding: chunked\r\n\r\n1000\r\n" + bytes(500))
        return True

    def _long(self, connection: socket.socket) -> bool:
        # What comes after the end must not be taken for the answer to what is asked next.
        data = jpeg()
        connection.sendall(
            _OK + b"Content-Length: 4\r\n\r\nnone" + _OK + b"Content-Length: %d\r\n\r\n" % len(data) + data
        )
        return False

    def _reset(self, connection: socket.socket) -> bool:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return True

    def _reset_body(self, connection: socket.socket) -> bool:
        connection.sendall(_OK + b"Content-Length: 1000\r\n\r\n" + bytes(500))
        return self._reset(connection)

    def _loop(self, connection: socket.socket) -> bool:
        return self._to(connection, "/loop")

    def _away(self, connection: socket.socket) -> bool:
        return self._to(connection, "http://10.255.255.1/")

    def _endless_redirect(self, connection: socket.socket) -> bool:
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /endless-redirect\r\n\r\n")
        return _much(connection, bytes(65_536))

    def _busy(self, connection: socket.socket) -> bool:
        connection.sendall(b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n")
        return False

    def _other_protocol(self, connection: socket.socket) -> bool:
        connection.sendall(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
        return True

    def _no_gzip(self, connection: socket.socket) -> bool:
        connection.sendall(_OK + b"Content-Encoding: gzip\r\nContent-Length: 8\r\n\r\nno gzip!")
        return False

    def _page(self, connection: socket.socket) -> bool:
        body = b"<html>log in first</html>"
        connection.sendall(_OK + b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        return False

    def _to(self, connection: socket.socket, where: str) -> bool:
        connection.sendall(f"HTTP/1.1 302 Found\r\nLocation: {where}\r\nContent-Length: 0\r\n\r\n".encode())
        return False

    def _again(self, connection: socket.socket, data: bytes) -> bool:
        """Sends a little again and again, so that nobody ever waits for long."""
        while not self._over.wait(_EVERY_SECONDS):
            connection.sendall(data)
        return True


def _much(connection: socket.socket, data: bytes) -> bool:
    for _ in range(_ENOUGH // len(data)):
        connection.sendall(data)
    return True


def _zeros(megabytes: int) -> Iterator[bytes]:
    """Yields gzip of so many megabytes of zeros, which has a thousandth of them."""
    packing = zlib.compressobj(9, wbits=31)
    yield packing.compress(bytes(1 << 20)) + packing.flush(zlib.Z_FULL_FLUSH)
    plain = zlib.compressobj(9, wbits=-15)
    again = plain.compress(bytes(1 << 20)) + plain.flush(zlib.Z_FULL_FLUSH)
    for _ in range(megabytes - 1):
        yield again
