"""SHA-256 of files, remembered for as long as a file stays what it was.

Hashing a model folder takes as long as loading it. A file that was hashed once is recognised by its place,
inode, size and both of its times; the time of its last change cannot be set, so that no later writing,
replacing or copying goes unnoticed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from pathlib import Path
from typing import Self

from pydantic import TypeAdapter, ValidationError

from askpix.worker.cache_folder import own_folder

_log = logging.getLogger(__name__)

_NAME = "digests.json"
_MOST = 1_000
"""Files that are remembered."""

_TICK_NS = 2_000_000_000
"""A file that was changed this shortly before may change again without its times showing it."""

_Known = dict[str, tuple[tuple[int, ...], str]]
_KNOWN: TypeAdapter[_Known] = TypeAdapter(_Known)


class Digests:
    """The digests that one user's processes know.

    Args:
        folder: where they are remembered, one that only this user can write to; None remembers nothing.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._path = None if folder is None else folder / _NAME

    @classmethod
    def beside(cls, cache: Path | None) -> Self:
        """Returns those that are remembered beside the compiled models of a cache folder, if there is one."""
        return cls(None if cache is None else own_folder(cache))

    def of(self, path: Path) -> str:
        """Returns a file's SHA-256 as 64 hexadecimal digits.

        Raises:
            OSError: it cannot be read.
        """
        known = self._load()
        name = str(path.absolute())
        with path.open("rb") as file:
            marks = _marks(os.fstat(file.fileno()))
            if name in known and known[name][0] == marks:
                return known[name][1]
            started = time.monotonic()
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            after = os.fstat(file.fileno())
        _log.debug("%s: hashed %.0f MB in %.2f s", path, after.st_size / 1e6, time.monotonic() - started)
        if _marks(after) == marks and time.time_ns() - after.st_ctime_ns > _TICK_NS:
            self._keep({**known, name: (marks, digest)})
        return digest

    def _load(self) -> _Known:
        if self._path is None:
            return {}
        try:
            return _KNOWN.validate_json(self._path.read_bytes())
        except (OSError, ValidationError):  # not there yet, or damaged: it is no more than a memory
            return {}

    def _keep(self, known: _Known) -> None:
        if self._path is None:
            return
        new = self._path.with_name(f".{_NAME}.{os.getpid()}")
        latest = dict(list(known.items())[-_MOST:])
        try:
            # In one step. Of two processes that do so at once, one is forgotten.
            new.write_text(json.dumps(latest))
            new.replace(self._path)
        except OSError as error:
            _log.debug("digests are not remembered: %s", error)


def _marks(facts: os.stat_result) -> tuple[int, ...]:
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns
