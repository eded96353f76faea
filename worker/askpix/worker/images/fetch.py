"""Image references to bytes: files, http and https URLs, data URIs. Every reference is taken for hostile."""

from __future__ import annotations

import binascii
import ipaddress
import socket
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    IncompleteRead,
    LocationParseError,
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    ResponseError,
    SSLError,
)

from askpix.producer.storage import local_path
from askpix.worker.access import Access
from askpix.worker.errors import ImageError

MAX_BYTES = 20_000_000
"""Bytes that an image file may have, also after a transfer's own compression."""

MAX_REDIRECTS = 5
CONNECT_SECONDS, READ_SECONDS, TOTAL_SECONDS = 5.0, 10.0, 30.0

_RETRYABLE_STATUS = frozenset((408, 425, 429, 500, 502, 503, 504))
_CHUNK = 65_536


class Fetcher:
    """Fetches what a worker may read. Used from many threads; connections are kept."""

    def __init__(self, access: Access, *, contact: str | None = None, connections: int = 32) -> None:
        self._access = access
        agent = f"askpix/{version('askpix')}" + (f" (+{contact})" if contact else "")
        self._http = _guarded_pool(access, headers={"User-Agent": agent, "Accept": "image/*"}, connections=connections)

    def fetch(self, reference: str) -> bytes:
        """Returns the bytes of an image.

        Raises:
            ImageError: they cannot or must not be had; the code says why.
        """
        if "\0" in reference or not reference.strip():
            raise ImageError("bad_reference", f"{reference[:80]!r} names no image")
        if (path := local_path(reference)) is not None:
            return self._file(path)
        scheme = reference.partition(":")[0].lower()
        if scheme in ("http", "https"):
            return self._url(reference)
        if scheme == "data":
            return _data(reference)
        raise ImageError("scheme_not_supported", f"askpix reads files, http, https and data, not {scheme}: references")

    def close(self) -> None:
        self._http.clear()

    def _file(self, path: Path) -> bytes:
        try:
            resolved = path.resolve()
            if not self._access.may_read(resolved):
                raise ImageError(
                    "not_allowed", f"{path} is outside the folders this worker may read; --files-root opens more"
                )
            if not resolved.exists():
                raise ImageError("file_not_found", f"there is no file {path}", retryable=True)
            if not resolved.is_file():
                raise ImageError("not_a_file", f"{path} is no file")
            if resolved.stat().st_size > MAX_BYTES:
                raise _too_many_bytes()
            return resolved.read_bytes()
        except (OSError, RuntimeError) as error:  # RuntimeError: a loop of symbolic links
            reason = getattr(error, "strerror", None) or str(error)
            raise ImageError("file_unreadable", f"{path} cannot be read: {reason.lower()}", retryable=True) from None

    def _url(self, url: str) -> bytes:
        shown = url if len(url) <= 200 else f"{url[:197]}..."
        try:
            parts = urlsplit(url)
            if parts.username is not None or parts.password is not None:
                raise ImageError("bad_url", "the URL holds a user name or password, which askpix does not send")
            if not parts.hostname:
                raise ImageError("bad_url", f"{shown} names no host")
            return self._download(url)
        except MaxRetryError as error:
            raise _explained(error.reason or error, shown) from None
        except (HTTPError, OSError, ValueError) as error:
            raise _explained(error, shown) from None

    def _download(self, url: str) -> bytes:
        with _deadline(TOTAL_SECONDS):
            return self._transfer(url)

    def _transfer(self, url: str) -> bytes:
        retries = urllib3.Retry(total=None, connect=0, read=0, status=0, other=0, redirect=MAX_REDIRECTS)
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
        response = self._http.request("GET", url, preload_content=False, retries=retries, timeout=timeout)
        whole = False
        try:
            if response.status != 200:
                raise ImageError(
                    f"http_{response.status}",
                    f"the server answered {response.status} {_plain(response.reason or '')}".rstrip(),
                    retryable=response.status in _RETRYABLE_STATUS,
                )
            data = bytearray()
            for chunk in response.stream(_CHUNK):
                data += chunk
                if len(data) > MAX_BYTES:
                    raise _too_many_bytes()
            whole = True
            return bytes(data)
        finally:
            # A body that was not read to its end would be taken for the next answer on this connection.
            if whole:
                response.release_conn()
            else:
                response.close()


_watched = threading.local()


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Ends this thread's transfer when its time is up, whatever it waits for: headers, a redirect, a slow body.

    A socket's timeout is for a single read, and a server that sends a byte a second never meets one. So a
    timer shuts the thread's sockets down, and what that raises is told apart here.
    """
    sockets: list[socket.socket] = []
    over = threading.Event()

    def end() -> None:
        over.set()
        for opened in sockets:
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    _watched.sockets = sockets
    too_late = ImageError("timeout", f"the image was not there after {seconds:.0f} s", retryable=True)
    try:
        yield
    except Exception:
        if over.is_set():
            raise too_late from None
        raise
    finally:
        timer.cancel()
        _watched.sockets = None
    if over.is_set():
        raise too_late


def _watch(opened: socket.socket | None) -> None:
    sockets = getattr(_watched, "sockets", None)
    if sockets is not None and opened is not None:
        sockets.append(opened)


def _plain(text: str) -> str:
    """Returns a server's words without what a terminal would act on."""
    return "".join(character for character in text if character.isprintable())[:100]


def _data(reference: str) -> bytes:
    head, comma, body = reference.partition(",")
    if not comma:
        raise ImageError("bad_reference", "the data URI holds no data")
    if len(body) > MAX_BYTES * 4:  # more than any way of writing so many bytes takes
        raise _too_many_bytes()
    try:
        data = unquote_to_bytes(body)
        data = b64decode(data, validate=True) if head.lower().endswith(";base64") else data
    except (binascii.Error, ValueError):
        raise ImageError("bad_reference", "the data URI is not valid base64") from None
    if len(data) > MAX_BYTES:
        raise _too_many_bytes()
    return data


def _too_many_bytes() -> ImageError:
    return ImageError("too_many_bytes", f"the file is larger than {MAX_BYTES // 1_000_000} MB")


class _RefusedError(HTTPError):
    """The address is not one that this worker may reach."""


def _explained(error: BaseException, url: str) -> ImageError:
    """Returns what a failed transfer means for a person."""
    return _by_cause(error, url) or _by_kind(error, url)


def _by_cause(error: BaseException, url: str) -> ImageError | None:
    """Looks for what is known among the errors that led to this one; urllib3 wraps them in its own."""
    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case _RefusedError():
                return ImageError("not_allowed", str(cause))
            case socket.gaierror() | UnicodeError():
                return ImageError("host_not_found", f"the host of {url} is not known", retryable=True)
            case ConnectionRefusedError():
                return ImageError("connection_refused", f"nothing answers at {url}", retryable=True)
            case IncompleteRead():
                return ImageError("connection_failed", f"{url} broke off before its end", retryable=True)
            case ConnectionError():
                return ImageError("connection_failed", f"{url} closed the connection", retryable=True)
        # urllib3 hands some causes on as an argument of its own error.
        held = cause.args[1] if isinstance(cause, ProtocolError) and len(cause.args) > 1 else None
        cause = held or cause.__cause__ or cause.__context__
    return None


def _by_kind(error: BaseException, url: str) -> ImageError:
    match error:
        case ConnectTimeoutError() | ReadTimeoutError() | TimeoutError():
            return ImageError("timeout", f"{url} did not answer in time", retryable=True)
        case SSLError():
            return ImageError("tls_failed", f"the secure connection to {url} failed: {_reason(error)}")
        case LocationParseError() | ValueError():
            return ImageError("bad_url", f"{url} is no valid URL")
        case ResponseError() if "redirect" in str(error):
            return ImageError("too_many_redirects", f"{url} redirects more than {MAX_REDIRECTS} times")
        case _:
            return ImageError("connection_failed", f"the connection to {url} failed: {_reason(error)}", retryable=True)


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _guarded_pool(access: Access, *, headers: dict[str, str], connections: int) -> urllib3.PoolManager:
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
            if not access.may_reach(ipaddress.ip_address(str(target[0]).partition("%")[0])):
                raise _RefusedError(f"{host} is not a public address; --allow-net opens a network")
            opened = socket.socket(family, kind, protocol)
            _watch(opened)
            try:
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
            _watch(self.sock)
            return super().getresponse()

    class GuardedHTTPS(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return connect(self)

        def getresponse(self) -> Any:
            _watch(self.sock)
            return super().getresponse()

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = GuardedHTTP

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = GuardedHTTPS

    options: dict[str, Any] = {"num_pools": 64, "maxsize": connections, "block": False}
    pool = urllib3.PoolManager(headers=headers, **options)
    pool.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
    return pool
