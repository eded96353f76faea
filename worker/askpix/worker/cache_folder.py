"""The folder in which a user's workers keep what the next start need not do again.

It holds compiled models, which are executed, digests, which are believed, and answers. So it must be the user's own.
Nothing in it is missed when it is deleted, at any time.
"""

from __future__ import annotations

import fcntl
import logging
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_log = logging.getLogger(__name__)

KEEP_DAYS = 30
"""That a compiled model is kept after it was last loaded."""


def own_folder(parent: Path, name: str = "models", what: str = "compiled models") -> Path | None:
    """Returns a folder in `parent`, made for this user alone; None, with a warning, where that fails.

    The parent itself may belong to anyone, as a volume in a container does.

    Args:
        what: would be kept there, in words for a person.
    """
    folder = parent.absolute() / name
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        # Not what a symbolic link leads to, which whoever owns the parent could change.
        facts = folder.lstat()
    except OSError as error:
        _log.warning("%s cannot be kept in %s: %s", what, folder, error.strerror)
        return None
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & 0o022:
        _log.warning("%s are not kept in %s: it is not a folder that only this user can write to", what, folder)
        return None
    if not os.access(folder, os.W_OK):
        _log.warning("%s cannot be kept in %s: it is read-only", what, folder)
        return None
    return folder


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Lets one process at a time into a block, so that none reads what another one is writing.

    A process that ends, however it ends, lets go.
    """
    try:
        file = (folder / ".lock").open("w")
    except OSError:  # a full disk, say: nothing will be written then
        yield
        return
    with file:
        with suppress(OSError):  # not every network file system has locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def settle(folder: Path) -> None:
    """Makes what was just written to a folder safe, and removes what has not been used for long.

    OpenVINO notices a compiled model that was cut off, but not one whose end a power failure left as zeros.
    """
    now = time.time()
    # GPUs keep the kernels of graphs with varying shapes in files of their own.
    for blob in (*folder.glob("*.blob"), *folder.glob("*.cl_cache")):
        with suppress(OSError):  # someone else has just removed it
            facts = blob.stat()
            if now - max(facts.st_mtime, facts.st_atime) > KEEP_DAYS * 24 * 3600:
                blob.unlink()
            elif now - facts.st_mtime < 600:
                _flush(blob)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
