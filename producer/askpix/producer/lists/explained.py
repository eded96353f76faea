"""What is wrong with a file that cannot be read, for people."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from askpix.producer.errors import InputError


class Counted(Protocol):
    """Is read line by line."""

    number: int
    """Of the line that was read last, from 1."""


@contextmanager
def explained(name: str, lines: Counted | None = None) -> Iterator[None]:
    """Says of errors in reading which file they are of, and about where."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{name} is no whole gzip file: {str(error).lower()}; copy it again") from None
    except OSError as error:
        raise InputError(f"{name} cannot be read: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        where = f"{name}, after line {lines.number}," if lines is not None and lines.number else name
        raise InputError(
            f"{where} is not UTF-8 text: it holds the byte {error.object[error.start]:#04x}; save it as UTF-8"
        ) from None
