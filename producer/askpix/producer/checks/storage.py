"""Whether a storage root takes what jobs do to it: a folder of our own is made there, used and removed."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from askpix.producer.checks.finding import Finding, Mark
from askpix.producer.errors import StorageError
from askpix.producer.masking import Masking
from askpix.producer.storage import LocalStorage, Storage, local_path
from askpix.producer.storage_opening import open_storage

_LITTLE_BYTES = 1 << 30
"""Of room, below which it is said."""

_PROBE = "probe"
_FIRST, _SECOND = b"askpix tries whether it can write here\n", b"and once more\n"

_THINGS = {"NO_BUCKET": "bucket", "CREDENTIALS": "credentials", "DENIED": "rights", "TEMPORARY": "endpoint"}
"""What is wrong, by the trouble with S3."""

_NOTHING_ELSE = ("list", "write")
"""Steps after which it is of no use to try the next."""


def check_storage(uri: str) -> Iterator[Finding]:
    """Yields what came of each thing that is tried under a root; nothing of it is left."""
    found = partial(Finding, about=f"storage {Masking()(uri)}")
    try:
        storage = _scratch(uri)
    except StorageError as error:
        yield found(what="place", mark=Mark.WRONG, said=str(error))
        return
    steps = _steps(storage)
    try:
        for number, (what, step, said) in enumerate(steps, start=1):
            try:
                step()
            except FileNotFoundError:
                yield found(what=what, mark=Mark.WRONG, said="what was written a moment ago is not there")
            except StorageError as error:
                yield found(what=_thing(error) or what, mark=Mark.WRONG, said=str(error))
                if what in _NOTHING_ELSE:
                    for left, _, _ in steps[number:]:
                        yield found(what=left, mark=Mark.SKIPPED, said="what came before is wrong")
                    return
            else:
                yield found(what=what, mark=Mark.OK, said=said)
        yield from _room(storage, found)
    finally:
        _clean(storage)


def _scratch(uri: str) -> Storage:
    """Returns a new folder under a root, as a job's would be; it is made when it is written to."""
    path = None if uri.lower().startswith("s3://") else local_path(uri)
    if path is not None and not path.is_dir():
        is_what = (
            "is a file: a root is a folder" if path.exists() else "is not there: make it, or see whether it is mounted"
        )
        raise StorageError(f"{path} {is_what}")
    return open_storage(f"{uri.rstrip('/')}/askpix-check-{secrets.token_hex(6)}")


def _steps(storage: Storage) -> list[tuple[str, Callable[[], None], str]]:
    def listed() -> None:
        list(storage.names(""))

    def write() -> None:
        if not storage.create(_PROBE, _FIRST):
            raise StorageError(f"{storage.uri}/{_PROBE} is said to be there, and was never written")
        storage.write(_PROBE, _SECOND)

    def read() -> None:
        if storage.read(_PROBE) != _SECOND:
            raise StorageError(f"{storage.uri}/{_PROBE} holds something else than was last written: askpix needs that")
        if list(storage.names("")) != [_PROBE]:
            raise StorageError(f"{storage.uri} does not list what was written: askpix needs that")

    def delete() -> None:
        storage.remove(_PROBE)
        if storage.exists(_PROBE):
            raise StorageError(f"{storage.uri}/{_PROBE} is there still, though it was removed")

    return [
        ("list", listed, "folders can be listed"),
        ("write", write, "files can be created and replaced"),
        ("read", read, "what was written is read, and listed, at once"),
        ("delete", delete, "files can be removed"),
    ]


def _thing(error: StorageError) -> str | None:
    # By its name: whoever has no storage in S3 does not wait for its client to be imported.
    trouble = getattr(error, "trouble", None)
    return None if trouble is None else _THINGS.get(trouble.name)


def _room(storage: Storage, found: Callable[..., Finding]) -> Iterator[Finding]:
    if isinstance(storage, LocalStorage):
        free = shutil.disk_usage(storage.root.parent).free
        mark = Mark.OK if free > _LITTLE_BYTES else Mark.NOTE
        yield found(what="room", mark=mark, said=f"{free / 1e9:,.1f} GB are free")


def _clean(storage: Storage) -> None:
    with suppress(StorageError, OSError):
        storage.remove(_PROBE)
    if isinstance(storage, LocalStorage):
        with suppress(OSError):
            storage.root.rmdir()
