"""`file:`, and paths: images on disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from askpix.producer.storage import local_path
from askpix.worker.access import Access
from askpix.worker.error_codes import Code
from askpix.worker.images.fetch_rules import FetchRules, Take
from askpix.worker.images.schemes.reader import Reader, Wanted
from askpix.worker.item_errors import ImageError


class FileReader(Reader):
    """Reads files under the folders that are opened."""

    on_disk = True

    def read(self, wanted: Wanted) -> bytes:
        path = local_path(wanted.reference)
        if path is None:
            raise ImageError(Code.SCHEME_NOT_SUPPORTED, "askpix reads no files of other machines")
        return read_file(path, self._access, self._rules, wanted.take)


def read_file(path: Path, access: Access, rules: FetchRules, take: Take) -> bytes:
    """Returns the bytes of a file, where that is one that may be read.

    Raises:
        ImageError: `not_allowed`, `file_not_found`, `file_unreadable`, `not_a_file` or `too_many_bytes`.
    """
    try:
        # As few calls of the system as can be: at each, another thread takes the interpreter.
        resolved = os.path.realpath(path)
        if not access.may_read(Path(resolved)):
            raise ImageError(
                Code.NOT_ALLOWED, f"{path} is outside the folders this worker may read; --files-root opens more"
            )
        # Not waited for, as a pipe would be; and no link that was put there since.
        handle = os.open(resolved, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        try:
            return _whole(handle, path, rules, take)
        finally:
            os.close(handle)
    except (FileNotFoundError, NotADirectoryError):
        raise ImageError(Code.FILE_NOT_FOUND, f"there is no file {path}", retryable=True) from None
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of symbolic links
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(Code.FILE_UNREADABLE, f"{path} cannot be read: {reason.lower()}", retryable=True) from None


def _whole(handle: int, path: Path, rules: FetchRules, take: Take) -> bytes:
    """Returns the bytes of an open file, which is `path` to people."""
    facts = os.fstat(handle)
    if not stat.S_ISREG(facts.st_mode):
        raise ImageError(Code.NOT_A_FILE, f"{path} is no file")
    rules.check_bytes(facts.st_size)
    take(facts.st_size)
    data = os.read(handle, facts.st_size)
    # Some systems give less at a time.
    while len(data) < facts.st_size and (more := os.read(handle, facts.st_size - len(data))):
        data += more
    return data


READER = FileReader
