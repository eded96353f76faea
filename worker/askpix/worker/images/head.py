"""The head of an HTTP answer, of which no more is read than a server that means well sends."""

from __future__ import annotations

import http.client
from typing import Any

MAX_HEAD_BYTES = 65_536


class BoundedResponse(http.client.HTTPResponse):
    """Reads so much of a head, all of its lines and all that go before the last one included, and no more.

    http.client itself takes a hundred lines of 64 KB.
    """

    def begin(self) -> None:
        file: Any = self.fp
        lines: Any = _Lines(file)
        self.fp = lines
        try:
            super().begin()
        finally:
            # Unless it was closed.
            if self.fp is lines:
                self.fp = file


class _Lines:
    """A file of which so many bytes can be read, in lines."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._left = MAX_HEAD_BYTES

    def readline(self, limit: int) -> bytes:
        line: bytes = self._file.readline(min(limit, self._left + 1))
        self._left -= len(line)
        if self._left < 0:
            raise http.client.HTTPException(f"its head has more than {MAX_HEAD_BYTES:,} bytes")
        return line

    def close(self) -> None:
        self._file.close()

    def flush(self) -> None:
        self._file.flush()
