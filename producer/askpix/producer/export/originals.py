"""The images of a job, read once more: for folders and archives that hold them beside their answers."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from askpix.producer.results import Line, is_answered
from askpix.producer.words import counted

UNREAD = "image_unread"
"""Code of an image that no worker has read, or not told the digest of."""


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


@dataclass(slots=True)
class Missed:
    """Images that were not to be had, by the code of why."""

    codes: Counter[str] = field(default_factory=Counter)

    def notes(self) -> tuple[str, ...]:
        """Returns what is to be told of them."""
        if not self.codes:
            return ()
        why = ", ".join(f"{count} x {code}" for code, count in self.codes.most_common(5))
        return (f"{counted(self.codes.total(), 'image')} could not be had again ({why})",)


class Answered:
    """Those lines that have an answer, and so a file; counts the others.

    Args:
        lines: are read once.
    """

    def __init__(self, lines: Iterable[Line]) -> None:
        self._lines = lines
        self.items = 0
        self.without = 0

    def __iter__(self) -> Iterator[Line]:
        for line in self._lines:
            self.items += 1
            if is_answered(line):
                yield line
            else:
                self.without += 1


def with_originals(lines: Iterable[Line], read: ReadOriginals, missed: Missed) -> Iterator[tuple[Line, bytes]]:
    """Yields each line with the bytes of its image; those whose image is not to be had are noted instead.

    Args:
        missed: is told of these.
    """
    waiting: deque[Line] = deque()

    def wanted() -> Iterator[Wanted]:
        for line in lines:
            if line.sha256 is None:
                missed.codes[UNREAD] += 1
                continue
            waiting.append(line)
            yield Wanted(reference=line.image, sha256=line.sha256)

    for original in read(wanted()):
        line = waiting.popleft()
        if original.data is None:
            missed.codes[original.problem or UNREAD] += 1
        else:
            yield line, original.data


_SIGNATURES = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"GIF8", ".gif"),
    (b"BM", ".bmp"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
)


def suffix_of(data: bytes) -> str:
    """Returns what an image file's name should end in, by its first bytes; `.jpg` where they say nothing."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ".webp"
    if data[4:12] in (b"ftypavif", b"ftypavis"):
        return ".avif"
    return next((suffix for signature, suffix in _SIGNATURES if data.startswith(signature)), ".jpg")
