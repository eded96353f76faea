"""The images of a job that its gallery may show."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from askpix.producer.errors import JobError
from askpix.producer.results import Results

_COLUMNS = ["image", "sha256", "width", "height"]
_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEY_DIGITS = 24


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """An image that a worker was allowed to read, decoded, and wrote the digest of."""

    reference: str
    sha256: str
    """In hexadecimal. Only bytes that have it are shown: so no list can smuggle in what no worker has read."""

    width: int
    height: int
    """As it is shown, in pixels, as its row says."""

    @property
    def key(self) -> str:
        """What its thumbnail is called."""
        return self.sha256[:_KEY_DIGITS]


@dataclass(frozen=True, kw_only=True, slots=True)
class Thumbnail:
    """What became of a picture: a small WebP, or the error code that says why there is none."""

    picture: Picture
    data: bytes | None = None
    problem: str | None = None


MakeThumbnails = Callable[[Iterable[Picture]], Iterator[Thumbnail]]
"""Returns a thumbnail for each picture, in their order; what fails is one with a problem. Pictures are to be taken one
after the other: a reference can hold a whole image."""


def digests_of(results: Results) -> frozenset[str]:
    """Returns the digests of all images that a job's rows tell; those without one, no worker has read.

    Raises:
        JobError: a result file is missing or damaged.
    """
    return frozenset(picture.sha256 for part, round_ in results.parts for picture in _of_part(results, part, round_))


def pictures_of(results: Results, digests: Collection[str], tried: Mapping[str, Collection[str]]) -> Iterator[Picture]:
    """Yields an image for each digest, as the first row names it that has it.

    Args:
        tried: references that are not wanted, by digest.

    Raises:
        JobError: a result file is missing or damaged.
    """
    left = set(digests)
    for part, round_ in results.parts:
        for picture in _of_part(results, part, round_):
            if picture.sha256 in left and picture.reference not in tried.get(picture.sha256, ()):
                left.remove(picture.sha256)
                yield picture


def check_shown(results: Results) -> None:
    """Raises JobError where there is nothing to show."""
    if not results.parts:
        uri = results.folder.uri
        raise JobError(f"{uri} has no results yet, and so nothing to show: `askpix status {uri}` says how far it is")


def _of_part(results: Results, part: int, round_: int) -> Iterator[Picture]:
    table = results.folder.read_result_table(part, round_, _COLUMNS)
    if not set(_COLUMNS) <= set(table.column_names):
        return
    try:
        records = table.select(_COLUMNS).to_pylist()
    except (pa.ArrowException, KeyError, ValueError, OverflowError) as error:
        raise results.folder.damaged_result(part, round_, " ".join(str(error).split())[:200]) from None
    for record in records:
        image, sha256, width, height = (record[name] for name in _COLUMNS)
        if not (isinstance(image, str) and isinstance(width, int) and isinstance(height, int)):
            continue
        if isinstance(sha256, str) and _SHA256.fullmatch(sha256) and width > 0 and height > 0:
            yield Picture(reference=image, sha256=sha256, width=width, height=height)
