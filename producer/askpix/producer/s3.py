"""Job folders and lists in S3, or in any server that speaks its protocol."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

from askpix.producer.errors import StorageError
from askpix.producer.locations import S3Location
from askpix.producer.s3_client import doing, get_object, s3_client
from askpix.producer.s3_errors import S3Error, Trouble, no_bucket
from askpix.producer.s3_object import S3Object
from askpix.producer.storage import Storage, check_size

_TRIES = 5
"""How often a body that breaks off is asked for, and a write that collides is sent."""

_PAUSE_SECONDS = 0.05
"""Before the second try; twice as long before each further one."""

_BUFFER_BYTES = 1 << 18

_buckets_seen: set[tuple[str, str]] = set()
"""Endpoints and buckets that are known to be there."""


class S3Storage(Storage):
    """A folder of objects: a bucket and the beginning of their keys. Writing an object is atomic by nature."""

    def __init__(self, uri: str) -> None:
        self.location = S3Location.parse(uri)
        if not self.location.key:
            raise StorageError(
                f"{self.location.shown} is a whole bucket: give a job a folder of its own in it, "
                f"such as {self.location.shown}/jobs/first"
            )
        self.uri = self.location.uri

    def read(self, name: str, *, most: int | None = None) -> bytes:
        location = self.location.joined(name)
        try:
            return _whole(location, most)
        except S3Error as error:
            if error.trouble is Trouble.NO_OBJECT:
                raise FileNotFoundError(location.uri) from None
            raise

    def write(self, name: str, data: bytes, *, settled: bool = True) -> None:  # noqa: ARG002 - it always is
        self._put(name, data)

    def create(self, name: str, data: bytes) -> bool:
        """As in `Storage`. On a server without conditional writes, of two that create at once both may be told True."""
        # Some servers take the condition and do not keep it; those are right at least when nobody else writes.
        if self.exists(name):
            return False
        for attempt in range(_TRIES):
            try:
                self._put(name, data, IfNoneMatch="*")
            except S3Error as error:
                if error.trouble is Trouble.CHANGED:
                    # The answer to a first try may have been lost: then what is in the way is our own.
                    return error.tried_again and self._holds(name, data)
                if error.trouble is Trouble.UNSUPPORTED:
                    self._put(name, data)
                    return True
                if error.trouble is not Trouble.CONFLICT or attempt == _TRIES - 1:
                    raise
            else:
                return True
            time.sleep(_PAUSE_SECONDS * 2**attempt)
        raise AssertionError("unreachable")

    def exists(self, name: str) -> bool:
        location = self.location.joined(name)
        try:
            with doing("cannot be read", location):
                s3_client().head_object(Bucket=location.bucket, Key=location.key)
        except S3Error as error:
            if error.trouble is not Trouble.NO_OBJECT:
                raise
            self._look_for_bucket()
            return False
        return True

    def names(self, folder: str) -> Iterator[str]:
        yield from sorted(name for name, _ in self._listed(folder))

    def times(self, folder: str) -> dict[str, float]:
        return {name: entry["LastModified"].timestamp() for name, entry in self._listed(folder)}

    def remove(self, name: str) -> None:
        location = self.location.joined(name)
        try:
            with doing("cannot be removed", location):
                s3_client().delete_object(Bucket=location.bucket, Key=location.key)
        except S3Error as error:
            if error.trouble is not Trouble.NO_OBJECT:
                raise

    def _listed(self, folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yields the names of the objects in a folder, with what S3 says of each."""
        inside = self.location.joined(folder) if folder else self.location
        for page in _pages(inside, Delimiter="/"):
            for entry in page.get("Contents", ()):
                name = entry["Key"].rpartition("/")[2]
                if name and not name.startswith("."):
                    yield name, entry

    def _put(self, name: str, data: bytes, **conditions: str) -> None:
        location = self.location.joined(name)
        with doing("cannot be written", location):
            s3_client().put_object(Bucket=location.bucket, Key=location.key, Body=data, **conditions)

    def _holds(self, name: str, data: bytes) -> bool:
        with suppress(FileNotFoundError):
            return self.read(name) == data
        return False

    def _look_for_bucket(self) -> None:
        """Tells a missing object from a missing bucket, which a question for the head of an object does not."""
        seen = (str(s3_client().meta.endpoint_url), self.location.bucket)
        if seen not in _buckets_seen:
            check_bucket(self.location)
            _buckets_seen.add(seen)


def check_bucket(location: S3Location) -> None:
    """Raises S3Error where a location's bucket is not there, or does not answer."""
    try:
        with doing("cannot be read", location):
            s3_client().head_bucket(Bucket=location.bucket)
    except S3Error as error:
        if error.trouble is Trouble.NO_OBJECT:
            raise no_bucket(f"{location.shown} cannot be read", location.bucket) from error
        if error.trouble is not Trouble.DENIED:  # that it may not be looked at says that it is there
            raise


def open_object(uri: str) -> io.BufferedReader:
    """Opens an object of any size for reading as a binary file that can seek, without ever holding all of it.

    Raises:
        FileNotFoundError: there is no such object.
        StorageError: it cannot be read; reading may raise that too, also when the object is replaced meanwhile.
    """
    return io.BufferedReader(S3Object(S3Location.parse(uri)), buffer_size=_BUFFER_BYTES)


def list_objects(uri: str) -> Iterator[str]:
    """Yields the URIs of all objects inside a folder or bucket and its folders, in the order of their keys.

    Raises:
        StorageError: they cannot be listed.
    """
    location = S3Location.parse(uri)
    for page in _pages(location):
        for entry in page.get("Contents", ()):
            if not entry["Key"].endswith("/"):  # stands for a folder
                yield S3Location(location.bucket, entry["Key"]).uri


def _whole(location: S3Location, most: int | None) -> bytes:
    # The client sends a request again that got no answer, but not one whose answer broke off.
    for attempt in range(_TRIES):
        response = get_object(location)
        size = response.get("ContentLength")
        try:
            with closing(response["Body"]) as body:
                check_size(location.shown, size or 0, most)
                with doing("cannot be read", location):
                    data: bytes = body.read(None if most is None or size is not None else most + 1)
            check_size(location.shown, len(data), most)
            return data
        except S3Error as error:
            if error.trouble is not Trouble.TEMPORARY or attempt == _TRIES - 1:
                raise
        time.sleep(_PAUSE_SECONDS * 2**attempt)
    raise AssertionError("unreachable")


def _pages(location: S3Location, **options: str) -> Iterator[dict[str, Any]]:
    prefix = f"{location.key}/" if location.key else ""
    with doing("cannot be listed", location):
        pages = iter(
            s3_client().get_paginator("list_objects_v2").paginate(Bucket=location.bucket, Prefix=prefix, **options)
        )
    while True:
        # What the caller does with a page is none of this module's trouble.
        with doing("cannot be listed", location):
            page = next(pages, None)
        if page is None:
            return
        yield page
