"""An object in S3 as a file that is read piece by piece."""

from __future__ import annotations

import io
import os
import re
import time
from contextlib import suppress
from typing import Any

from askpix.producer.locations import S3Location
from askpix.producer.s3_client import doing, get_object
from askpix.producer.s3_errors import S3Error, Trouble

_TRIES = 5
"""How often in a row a connection may break off without a single byte."""

_PAUSE_SECONDS = 0.05
"""Before the second try; twice as long before each further one."""

_RANGE = re.compile(r"bytes ([0-9]+)-[0-9]+/([0-9]+)", re.ASCII)


class S3Object(io.RawIOBase):
    """Reads an object from one answer, and asks for the rest of it again after a seek or a broken connection.

    All of it comes from the same version of the object. Not to be used by several threads at a time.

    Raises:
        FileNotFoundError: there is no such object.
        StorageError: it cannot be read.
    """

    def __init__(self, location: S3Location) -> None:
        super().__init__()
        self._location = location
        self._position = 0
        self._body: Any = None
        self._body_at = 0
        try:
            response = get_object(location)
        except S3Error as error:
            if error.trouble is Trouble.NO_OBJECT:
                raise FileNotFoundError(location.uri) from None
            raise
        self._body = response["Body"]
        self._size = int(response["ContentLength"])
        self._etag: str | None = response.get("ETag")

    @property
    def name(self) -> str:
        return self._location.uri

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        self._check_open()
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        self._check_open()
        if whence not in (os.SEEK_SET, os.SEEK_CUR, os.SEEK_END):
            raise ValueError(f"{whence} is no way to seek")
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("there is nothing before the beginning of a file")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        """Reads what comes, at least one byte unless it is the end.

        Raises:
            StorageError: the object cannot be read any more, or is not what it was.
        """
        self._check_open()
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), self._size - self._position)
        if wanted <= 0:
            return 0
        for attempt in range(_TRIES):
            self._place()
            try:
                data = self._some(wanted)
            except S3Error as error:
                self._let_go()
                if error.trouble is not Trouble.TEMPORARY or attempt == _TRIES - 1:
                    raise
                time.sleep(_PAUSE_SECONDS * 2**attempt)
                continue
            view[: len(data)] = data
            self._position += len(data)
            self._body_at = self._position
            return len(data)
        raise AssertionError("unreachable")

    def close(self) -> None:
        self._let_go()
        super().close()

    def _place(self) -> None:
        """Sees to it that the next byte of the body is the one at the position."""
        if self._body is not None and self._body_at != self._position:
            self._let_go()
        if self._body is None:
            self._body = self._ask()
            self._body_at = self._position

    def _some(self, wanted: int) -> bytes:
        with doing("cannot be read", self._location):
            data: bytes = self._body.read(wanted)
            if not data:
                raise EOFError  # before the end that the server had promised
            return data

    def _ask(self) -> Any:
        """Returns a body that begins at the position."""
        try:
            response = get_object(self._location, start=self._position, etag=self._etag)
        except S3Error as error:
            if error.trouble is Trouble.NO_OBJECT:
                raise self._changed("was removed") from error
            raise
        start, size = 0, int(response["ContentLength"])
        if found := _RANGE.fullmatch(response.get("ContentRange", "")):
            start, size = int(found[1]), int(found[2])
        if (start, size) != (self._position, self._size):
            response["Body"].close()
            if size == self._size and start != self._position:
                raise S3Error(
                    f"{self._location.shown} cannot be read: the server does not send parts of objects",
                    Trouble.UNSUPPORTED,
                )
            raise self._changed("was replaced by another")
        return response["Body"]

    def _changed(self, what: str) -> S3Error:
        return S3Error(f"{self._location.shown} {what} while it was read: run the same command again", Trouble.CHANGED)

    def _let_go(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            # The rest of the body is not waited for; the connection ends with it.
            with suppress(Exception):
                body.close()

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("the file is closed")
