"""The one door through which images come: references to bytes. Every reference is taken for hostile."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from askpix.producer.storage import local_path
from askpix.worker.access import Access
from askpix.worker.error_codes import Code
from askpix.worker.images.fetch_rules import SCHEMES, FetchRules, Take
from askpix.worker.images.schemes.reader import Reader, Wanted
from askpix.worker.item_errors import ImageError

_READERS: dict[str, type[Reader]] = {
    scheme: import_module(f"askpix.worker.images.schemes.{scheme}").READER for scheme in SCHEMES
}
"""By schemes: a new one is a module of its name, and its name in `Scheme` of producer/settings.py."""


class Fetcher:
    """Fetches what a worker may read. Used from many threads.

    Args:
        access: what that is.
        rules: how it does so.
    """

    def __init__(self, access: Access, rules: FetchRules | None = None) -> None:
        self._rules = rules or FetchRules()
        opened = {kind: kind(access, self._rules) for kind in dict.fromkeys(_READERS.values())}
        self._readers = {scheme: opened[kind] for scheme, kind in _READERS.items()}

    def fetch(self, reference: str, *, own_bucket: str | None = None, take: Take | None = None) -> bytes:
        """Returns the bytes of an image.

        Args:
            reference: a path or URI.
            own_bucket: the bucket in which the job itself is, whose images it may read.
            take: is told how many bytes are about to be held, and may wait.

        Raises:
            ImageError: they cannot or must not be had; the code says why.
        """
        if "\0" in reference or not reference.strip():
            raise ImageError(Code.BAD_REFERENCE, f"{reference[:80]!r} names no image")
        scheme = _scheme_of(reference)
        reader = self._readers.get(scheme)
        if reader is None:
            raise ImageError(
                Code.SCHEME_NOT_SUPPORTED, f"askpix reads paths and {', '.join(SCHEMES)}, not {scheme[:40]}: references"
            )
        self._rules.check_scheme(scheme)
        wanted = Wanted(reference=reference, own_bucket=own_bucket)
        return reader.read(wanted if take is None else replace(wanted, take=take))

    def close(self) -> None:
        for reader in self._readers.values():
            reader.close()


def is_on_disk(reference: str) -> bool:
    """Returns whether an image is read from a disk of this machine."""
    reader = _READERS.get(_scheme_of(reference))
    return reader is not None and reader.on_disk


def _scheme_of(reference: str) -> str:
    return "file" if local_path(reference) is not None else reference.partition(":")[0].lower()


def host_of(reference: str) -> str | None:
    """Returns the host that an image is fetched from, with its port where it is not the usual one; None where it is no
    web server. It is the same for all ways of writing it."""
    if reference[:5].lower() not in ("http:", "https"):
        return None
    try:
        # As it is read when the connection is made.
        parts = parse_url(reference)
    except LocationParseError:
        return None
    if not parts.host:
        return None
    name = parts.host.rstrip(".").lower()
    return name if parts.port in (None, 80, 443) else f"{name}:{parts.port}"
