"""What a worker may read and write. Checked for each message and each image: both come from strangers.

It says yes or no. URLs are refused in `images/web.py`, and the addresses that their hosts turn out to have in
`images/guarded_connections.py`; which addresses these are is said in `allowed_addresses.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from askpix.producer.errors import AskpixError, MessageError, StorageError
from askpix.producer.locations import S3Location, is_s3
from askpix.producer.own_files import FOLDERS
from askpix.producer.storage import Storage, local_path, shortened
from askpix.producer.storage_opening import open_storage
from askpix.worker.allowed_addresses import WEB_PORTS, Address, Opened, address_in, is_public, is_public_name, unwrapped

Place = Path | S3Location
"""Where a folder or file is."""

MAX_OUTPUT_FOLDERS = 8
"""How deep below a storage root the output of an ask may lie: each folder on the way is looked into."""

_JOB_FILES = frozenset(("job.json", "model.json"))
_PARQUET_ALONE = frozenset(("input", "results"))
"""Folders in which a job reads no JSON file. Outputs of asks may well be in such."""

_JOB_FOLDER = re.compile(rf"{'|'.join(sorted(FOLDERS - _PARQUET_ALONE))}|.*\.(json|parquet)", re.IGNORECASE | re.DOTALL)
"""Folders in which a job may read others, and those that would stand where a job needs a file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """A worker's own settings; no message can widen them."""

    storage_roots: tuple[Place, ...] = ()
    """Folders, on disks and in S3, under which job folders may be read and written."""

    files_roots: tuple[Path, ...] = ()
    """Folders under which images may be read."""

    networks: tuple[Opened, ...] = ()
    """From where images may be fetched beside public web servers."""

    buckets: tuple[S3Location, ...] = ()
    """Buckets, or folders in them, from which images may be read."""

    @classmethod
    def of(
        cls,
        *,
        storage_roots: Iterable[str] = (),
        files_roots: Iterable[str] = (),
        networks: Iterable[str] = (),
        buckets: Iterable[str] = (),
    ) -> Access:
        """Returns the access that options name.

        Raises:
            AskpixError: one of them is no folder, no network or no bucket.
        """
        return cls(
            storage_roots=tuple(map(_storage_root, storage_roots)),
            files_roots=tuple(_root(root, "--files-root", "no local folder") for root in files_roots),
            networks=tuple(map(Opened.parse, networks)),
            buckets=tuple(map(_bucket, buckets)),
        )

    def open_job(self, uri: str) -> Storage:
        """Returns the storage of a job folder that a message names.

        Raises:
            MessageError: it is outside the worker's storage roots, or no storage at all.
            StorageError: no job can be kept there.
        """
        place = self._place(uri)
        if place is None:
            raise MessageError(
                f"the job folder {shortened(uri)!r} is outside this worker's storage roots", reason="outside"
            )
        return open_storage(_uri(place))

    def open_output(self, uri: str) -> tuple[Storage, str]:
        """Returns where the result of an ask goes, which its message names: a folder's storage and a file's name.

        Whoever may send asks may not change a job by it: neither one that is there, nor one that is being written.

        Raises:
            MessageError: it is outside the worker's storage roots, no `.json` file, or may be part of a job.
            StorageError: whether it is part of a job cannot be told.
        """
        place = self._place(uri)
        if place is None:
            raise _no_output(uri, "is outside this worker's storage roots")
        # The outermost root, so that no job folder on the way is overlooked.
        root = min(filter(partial(_is_under, place), self.storage_roots), key=lambda root: len(_uri(root)))
        *folders, name = _segments(place, root) or [""]
        if not name.endswith(".json") or name.startswith(".") or uri.endswith("/"):
            raise _no_output(uri, "must be a file under a storage root, with a name that ends in .json")
        if len(folders) > MAX_OUTPUT_FOLDERS:
            raise _no_output(uri, f"lies more than {MAX_OUTPUT_FOLDERS} folders below the storage root")
        # Some file systems take capitals for small letters.
        if name.lower() in _JOB_FILES or any(map(_JOB_FOLDER.fullmatch, folders)):
            raise _no_output(uri, "could be part of a job")
        around = [_inside(root, folders[:depth]) for depth in range(len(folders), -1, -1)]
        storages = [open_storage(_uri(folder)) for folder in around if not _is_bucket(folder)]
        if not storages:
            raise _no_output(uri, "must be in a folder of the bucket")
        if any(storage.exists("job.json") for storage in storages):
            raise _no_output(uri, "lies in a job folder")
        return storages[0], name

    def may_read_object(self, location: S3Location, own_bucket: str | None) -> bool:
        """Returns whether an image may be read from S3: out of `buckets`, or out of the bucket of the job itself."""
        return location.bucket == own_bucket or any(map(location.is_under, self.buckets))

    def may_read(self, path: Path) -> bool:
        """Returns whether an image file may be read; `path` must be resolved."""
        return any(map(path.is_relative_to, self.files_roots))

    def _place(self, uri: str) -> Place | None:
        """Returns where a URI really leads, None where that is under no storage root."""
        place: Place | None = None
        if is_s3(uri):
            with suppress(StorageError):
                place = S3Location.parse(uri)
        elif "\0" not in uri and (path := local_path(uri)) is not None and path.is_absolute():
            place = _resolved(path)
        return place if place is not None and any(map(partial(_is_under, place), self.storage_roots)) else None

    def may_connect(self, host: str, address: Address, port: int) -> bool:
        """Returns whether an image may be fetched from a host, at that address and port.

        It may from public addresses, at the ports of the web, and from what is opened beside these.
        """
        if any(opened.covers(host, unwrapped(address), port) for opened in self.networks):
            return True
        return port in WEB_PORTS and is_public(address)

    def may_ask_for(self, host: str, port: int) -> bool:
        """Returns whether a proxy may be asked for a host, which looks its name up in our place.

        It may for public addresses and for names that could be public, at the ports of the web, and for what is opened.
        """
        address = address_in(host)
        if address is not None:
            return self.may_connect(host, address, port)
        if any(opened.covers_name(host, port) for opened in self.networks):
            return True
        return port in WEB_PORTS and is_public_name(host)


def _is_under(place: Place, root: Place) -> bool:
    if isinstance(place, S3Location):
        return isinstance(root, S3Location) and place.is_under(root)
    return isinstance(root, Path) and place.is_relative_to(root)


def _segments(place: Place, root: Place) -> list[str]:
    """Returns the names that lead from a root to a place under it."""
    if isinstance(place, Path):
        return list(place.relative_to(str(root)).parts)
    inside = place.key.removeprefix(root.key if isinstance(root, S3Location) else "").lstrip("/")
    return inside.split("/") if inside else []


def _inside(root: Place, folders: list[str]) -> Place:
    if isinstance(root, Path):
        return root.joinpath(*folders)
    return root.joined("/".join(folders)) if folders else root


def _is_bucket(place: Place) -> bool:
    return isinstance(place, S3Location) and not place.key


def _uri(place: Place) -> str:
    return place.uri if isinstance(place, S3Location) else str(place)


def _resolved(path: Path) -> Path | None:
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # too long a name, a loop of symbolic links
        return None


def _no_output(uri: str, why: str) -> MessageError:
    return MessageError(f"the output {shortened(uri)!r} {why}", reason="outside")


def _storage_root(value: str) -> Place:
    if is_s3(value):
        return _location(value, "--storage-root")
    return _root(value, "--storage-root", "no local folder and no s3://bucket/prefix")


def _root(value: str, option: str, none: str) -> Path:
    path = local_path(value) if value else None
    if path is None:
        raise AskpixError(f"{option} {value!r} is {none}")
    return path.resolve()


def _bucket(value: str) -> S3Location:
    return _location(value if is_s3(value) else f"s3://{value}", "--allow-bucket")


def _location(value: str, option: str) -> S3Location:
    try:
        return S3Location.parse(value.strip())
    except StorageError as error:
        raise AskpixError(f"{option}: {error}") from None
