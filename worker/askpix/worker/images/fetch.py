"""Image references to bytes: files, S3, http and https URLs, data URIs. Every reference is taken for hostile."""

from __future__ import annotations

import binascii
import os
import stat
from base64 import b64decode
from importlib.metadata import version
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError

from askpix.producer.errors import StorageError
from askpix.producer.locations import S3Location, is_s3
from askpix.producer.storage import local_path
from askpix.worker.access import Access
from askpix.worker.errors import NOT_ALLOWED, ImageError
from askpix.worker.images.explained import explained
from askpix.worker.images.guarded import CONNECT_SECONDS, MAX_REDIRECTS, deadline, guarded_pool

MAX_BYTES = 20_000_000
"""Bytes that an image file may have, also after a transfer's own compression."""

READ_SECONDS, TOTAL_SECONDS = 10.0, 30.0

_RETRYABLE_STATUS = frozenset((408, 425, 429, 500, 502, 503, 504))
_CHUNK = 65_536


class Fetcher:
    """Fetches what a worker may read. Used from many threads; connections are kept.

    Args:
        access: what that is.
        contact: an address for those who run the sites.
        connections: how many are kept.
        seconds: that an image may take, where they are fewer than TOTAL_SECONDS.
    """

    def __init__(
        self, access: Access, *, contact: str | None = None, connections: int = 32, seconds: float | None = None
    ) -> None:
        self._access = access
        self._most_seconds = seconds
        self._connections = connections
        agent = f"askpix/{version('askpix')}" + (f" (+{contact})" if contact else "")
        self._http = guarded_pool(access, headers={"User-Agent": agent, "Accept": "image/*"}, connections=connections)

    def fetch(self, reference: str, *, own_bucket: str | None = None) -> bytes:
        """Returns the bytes of an image.

        Args:
            reference: a path or URI.
            own_bucket: the bucket in which the job itself is, whose images it may read.

        Raises:
            ImageError: they cannot or must not be had; the code says why.
        """
        if "\0" in reference or not reference.strip():
            raise ImageError("bad_reference", f"{reference[:80]!r} names no image")
        if (path := local_path(reference)) is not None:
            return self._file(path)
        if is_s3(reference):
            return self._object(reference, own_bucket)
        scheme = reference.partition(":")[0].lower()
        if scheme in ("http", "https"):
            return self._url(reference)
        if scheme == "data":
            return _data(reference)
        raise ImageError(
            "scheme_not_supported", f"askpix reads files, s3, http, https and data, not {scheme}: references"
        )

    def close(self) -> None:
        self._http.clear()

    def _seconds(self) -> float:
        return TOTAL_SECONDS if self._most_seconds is None else min(self._most_seconds, TOTAL_SECONDS)

    def _file(self, path: Path) -> bytes:
        try:
            # As few calls of the system as can be: at each, another thread takes the interpreter.
            resolved = os.path.realpath(path)
            if not self._access.may_read(Path(resolved)):
                raise ImageError(
                    NOT_ALLOWED, f"{path} is outside the folders this worker may read; --files-root opens more"
                )
            # Not waited for, as a pipe would be; and no link that was put there since.
            handle = os.open(resolved, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
            try:
                return _whole(handle, path)
            finally:
                os.close(handle)
        except (FileNotFoundError, NotADirectoryError):
            raise ImageError("file_not_found", f"there is no file {path}", retryable=True) from None
        except (OSError, RuntimeError) as error:  # RuntimeError: a loop of symbolic links
            reason = getattr(error, "strerror", None) or str(error)
            raise ImageError("file_unreadable", f"{path} cannot be read: {reason.lower()}", retryable=True) from None

    def _object(self, uri: str, own_bucket: str | None) -> bytes:
        try:
            location = S3Location.parse(uri)
        except StorageError as error:
            raise ImageError("bad_reference", str(error)) from None
        if not location.key or uri.endswith("/"):
            raise ImageError("bad_reference", f"{location.shown} names no object: write it as s3://bucket/key")
        if not self._access.may_read_object(location, own_bucket):
            raise ImageError(
                NOT_ALLOWED,
                f"{location.shown} is in no bucket this worker may read; --allow-bucket {location.bucket} opens it",
            )
        # Who has no images in S3 does not wait for its client to be imported.
        from askpix.worker.images.objects import read_object

        data = read_object(location, limit=MAX_BYTES, seconds=self._seconds(), connections=self._connections)
        if data is None:
            raise _too_many_bytes()
        return data

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
            raise explained(error.reason or error, shown) from None
        except (HTTPError, OSError, ValueError) as error:
            raise explained(error, shown) from None

    def _download(self, url: str) -> bytes:
        with deadline(self._seconds()):
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


def _whole(handle: int, path: Path) -> bytes:
    """Returns the bytes of an open file, which is `path` to people."""
    facts = os.fstat(handle)
    if not stat.S_ISREG(facts.st_mode):
        raise ImageError("not_a_file", f"{path} is no file")
    if facts.st_size > MAX_BYTES:
        raise _too_many_bytes()
    data = os.read(handle, facts.st_size)
    # Some systems give less at a time.
    while len(data) < facts.st_size and (more := os.read(handle, facts.st_size - len(data))):
        data += more
    return data


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
