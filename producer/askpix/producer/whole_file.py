"""A file on this machine that is written whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from askpix.producer.errors import StorageError


@contextmanager
def whole_file(path: Path, *, force: bool) -> Iterator[IO[bytes]]:
    """Gives a file that takes the place of `path` at the end; when that fails, what was there stays.

    Raises:
        StorageError: there is a file already, and no `force`; or none can be written.
    """
    with write_errors(path):
        check_free(path, force=force)
        partial = path.with_name(f".partial-{secrets.token_hex(8)}")
        try:
            with partial.open("xb") as file:
                yield file
            check_free(path, force=force)
            partial.replace(path)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)


def check_free(path: Path, *, force: bool) -> None:
    """Raises StorageError where there is a file already, and no `force`."""
    if not force and os.path.lexists(path):
        raise StorageError(f"{path} exists already: choose another name, or --force")


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Raises StorageError of what goes wrong in writing."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StorageError(f"{path} cannot be written: the disk is full; make room and try again") from error
        raise StorageError(f"{path} cannot be written: {(error.strerror or str(error)).lower()}") from error
