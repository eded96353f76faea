"""Image references to bytes: files, S3, http and https URLs, data URIs. Every reference is taken for hostile."""

from __future__ import annotations

import binascii
import os
import stat
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass
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
from askpix.worker.images.again import seconds_until
from askpix.worker.images.explained import explained
from askpix.worker.images.guarded import CONNECT_SECONDS, MAX_REDIRECTS, deadline, guarded_pool

MAX_BYTES = 20_000_000
"""Bytes that an image file may have, also after a transfer's own compression."""

READ_SECONDS, TOTAL_SECONDS = 10.0, 30.0

_OPT_OUTS = frozenset(("noai", "noimageai", "noindex", "noimageindex", "none"))
_RULES_WITH_VALUES = frozenset(("unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"))
_RETRYABLE_STATUS = frozenset((408, 425, 429, 500, 502, 503, 504))
_CHUNK = 65_536
_SHOWN = 200


SCHEMES = ("https", "http", "s3", "file", "data")


@dataclass(frozen=True, kw_only=True, slots=True)
class Manners:
    """How a worker fetches."""

    contact: str | None = None
    """A web or mail address for those who run the sites."""

    schemes: tuple[str, ...] = SCHEMES
    """Kinds of references that are read at all; `file` stands for paths too."""

    heed_opt_out: bool = True
    """Whether images are left alone whose server says that they are not for machines to learn from or index."""

    seconds: float | None = None
    """That an image may take, where they are fewer than TOTAL_SECONDS."""

    connections: int = 32
    """That are kept open."""


class Fetcher:
    """Fetches what a worker may read. Used from many threads; connections are kept.

    Args:
        access: what that is.
        manners: how it does so.
    """

    def __init__(self, access: Access, manners: Manners | None = None) -> None:
        self._access = access
        self._manners = manners or Manners()
        contact, connections = self._manners.contact, self._manners.connections
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
        path = local_path(reference)
        scheme = "file" if path is not None else reference.partition(":")[0].lower()
        # A file of another machine, say.
        if scheme not in SCHEMES or (scheme == "file" and path is None):
            raise ImageError(
                "scheme_not_supported", f"askpix reads files, s3, http, https and data, not {scheme[:40]}: references"
            )
        if scheme not in self._manners.schemes:
            raise ImageError(NOT_ALLOWED, f"this worker reads no {scheme}: references; ASKPIX_SCHEMES opens them")
        if path is not None:
            return self._file(path)
        if is_s3(reference):
            return self._object(reference, own_bucket)
        return _data(reference) if scheme == "data" else self._url(reference)

    def close(self) -> None:
        self._http.clear()

    def _seconds(self) -> float:
        return TOTAL_SECONDS if self._manners.seconds is None else min(self._manners.seconds, TOTAL_SECONDS)

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

        data = read_object(location, limit=MAX_BYTES, seconds=self._seconds(), connections=self._manners.connections)
        if data is None:
            raise _too_many_bytes()
        return data

    def _url(self, url: str) -> bytes:
        shown = _shown(url)
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
                    after=seconds_until(response.headers.get("Retry-After")),
                )
            if self._manners.heed_opt_out and (said := opted_out(response.headers.getlist("X-Robots-Tag"))):
                raise ImageError(
                    "opted_out", f"the server says {said} of it; ASKPIX_HEED_OPT_OUT=false takes it anyway"
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


def host_of(reference: str) -> str | None:
    """Returns the host that an image is fetched from, None where that is no web server."""
    if reference[:5].lower() not in ("http:", "https"):
        return None
    try:
        return urlsplit(reference).hostname
    except ValueError:
        return None


def opted_out(values: Iterable[str]) -> str | None:
    """Returns what X-Robots-Tag headers say against the use of an image, None where they say nothing.

    A value is a list of rules, which may begin with the name of the program that it is for: `noai, noindex`, or
    `askpix: noai`.
    """
    for value in values:
        agent, colon, rules = value.partition(":")
        if not colon or "," in agent or agent.strip().lower() in _RULES_WITH_VALUES:
            rules = value
        elif agent.strip().lower() not in ("askpix", "*"):
            continue
        for rule in rules.split(","):
            if (word := rule.strip().lower()) in _OPT_OUTS:
                return word
    return None


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


def _shown(url: str) -> str:
    """Returns a URL as it is said to people: not too long, and with nothing that a terminal or a table acts on."""
    short = url if len(url) <= _SHOWN else f"{url[: _SHOWN - 3]}..."
    return short if short.isprintable() else ascii(short)[1:-1]


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
