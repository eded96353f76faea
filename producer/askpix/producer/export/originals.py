"""The images of a job, read once more: for folders and archives that hold them beside their answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """An image that a worker was allowed to read, and wrote the digest of."""

    reference: str
    sha256: str
    """In hexadecimal. Only bytes that have it are exported: so no list can smuggle in what no worker has read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Original:
    """What became of a wanted image: its bytes, or the error code that says why there are none."""

    data: bytes | None = None
    problem: str | None = None


ReadOriginals = Callable[[Iterable[Wanted]], Iterator[Original]]
"""Returns an original for each that is wanted, in their order. They are to be taken one after the other: each can hold
a whole image."""
