"""The one door through which images come: references to bytes. Every reference is taken for hostile."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import unquote_to_bytes

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from askpix.producer.errors import StorageError
from askpix.producer.locations import S3Location
from askpix.producer.storage import local_path
from askpix.worker.access import Access
from askpix.worker.errors import NOT_ALLOWED, ImageError
from askpix.worker.images.files import read_file
from askpix.worker.images.manners import Manners, Take
from askpix.worker.images.web import Web


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """An image, as a reader is asked for it."""

    reference: str

    own_bucket: str | None = None
    """In which the job itself is, whose images it may read."""

    take: Take = lambda _: None
    """Is told how many bytes are about to be held."""


Reader = Callable[[Wanted], bytes]
"""Returns the bytes of an image, or raises ImageError."""


class Fetcher:
    """Fetches what a worker may read. Used from many threads.

    Args:
        access: what that is.
        manners: how it does so.
    """

    def __init__(self, access: Access, manners: Manners | None = None) -> None:
        self._access = access
        self._manners = manners or Manners()
        self._web = Web(access, self._manners)
        self._readers: dict[str, Reader] = {
            "https": self._page,
            "http": self._page,
            "s3": self._object,
            "file": self._file,
            "data": self._data,
        }

    def fetch(self, reference: str, *, own_bucket: str | None = None, take: Take | None = None) -> bytes:
        """Returns the bytes of an image.

        Args:
            reference: a path or URI.
            own_bucket: the bucket in which the job itself is, whose images it may read.
            take: is told how many bytes are about to be held, and may wait.

        Raises:
            ImageError: they cannot or must not be had; the code says why.
        """
        if "\0" in reference or not reference.strip():
            raise ImageError("bad_reference", f"{reference[:80]!r} names no image")
        scheme = "file" if local_path(reference) is not None else reference.partition(":")[0].lower()
        reader = self._readers.get(scheme)
        # A file of another machine is a file that is no path here.
        if reader is None or (scheme == "file" and local_path(reference) is None):
            raise ImageError(
                "scheme_not_supported", f"askpix reads files, s3, http, https and data, not {scheme[:40]}: references"
            )
        self._manners.check_scheme(scheme)
        wanted = Wanted(reference=reference, own_bucket=own_bucket)
        return reader(wanted if take is None else replace(wanted, take=take))

    def close(self) -> None:
        self._web.close()

    def _page(self, wanted: Wanted) -> bytes:
        return self._web.read(wanted.reference, wanted.take)

    def _file(self, wanted: Wanted) -> bytes:
        path = local_path(wanted.reference)
        assert path is not None  # or it would not be asked
        return read_file(path, self._access, self._manners, wanted.take)

    def _object(self, wanted: Wanted) -> bytes:
        try:
            location = S3Location.parse(wanted.reference)
        except StorageError as error:
            raise ImageError("bad_reference", str(error)) from None
        if not location.key or wanted.reference.endswith("/"):
            raise ImageError("bad_reference", f"{location.shown} names no object: write it as s3://bucket/key")
        if not self._access.may_read_object(location, wanted.own_bucket):
            raise ImageError(
                NOT_ALLOWED,
                f"{location.shown} is in no bucket this worker may read; --allow-bucket {location.bucket} opens it",
            )
        # Who has no images in S3 does not wait for its client to be imported.
        from askpix.worker.images.objects import read_object

        return read_object(location, self._manners, wanted.take)

    def _data(self, wanted: Wanted) -> bytes:
        head, comma, body = wanted.reference.partition(",")
        if not comma:
            raise ImageError("bad_reference", "the data URI holds no data")
        # No way of writing a byte takes more than four times as many.
        self._manners.check_bytes(len(body) // 4)
        wanted.take(len(body))
        try:
            data = unquote_to_bytes(body)
            data = b64decode(data, validate=True) if head.lower().endswith(";base64") else data
        except (binascii.Error, ValueError):
            raise ImageError("bad_reference", "the data URI is not valid base64") from None
        self._manners.check_bytes(len(data))
        return data


def host_of(reference: str) -> str | None:
    """Returns the host that an image is fetched from, with its port where it is not the usual one; None where it is no
    web server. It is the same for all ways of writing it."""
    if reference[:5].lower() not in ("http:", "https"):
        return None
    try:
        # As it is read when the connection is made.
        parts = parse_url(reference)
    except LocationParseError:
        return None
    if not parts.host:
        return None
    name = parts.host.rstrip(".").lower()
    return name if parts.port in (None, 80, 443) else f"{name}:{parts.port}"
