"""Writes a job's gallery."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from askpix.producer.errors import InputError
from askpix.producer.followed import Job
from askpix.producer.locations import is_s3
from askpix.producer.own_files import check_outside
from askpix.producer.report.cards import Cards
from askpix.producer.report.columns import Columns
from askpix.producer.report.details import Details
from askpix.producer.report.embedding import clipped
from askpix.producer.report.forms import FileForm, FolderForm, Form, file_form, folder_form
from askpix.producer.report.pictures import (
    MakeThumbnails,
    Picture,
    Thumbnail,
    check_shown,
    digests_of,
    pictures_of,
)
from askpix.producer.report.shown_rows import rows_of
from askpix.producer.report.timeline import timeline
from askpix.producer.results import Results
from askpix.producer.rows import Row
from askpix.producer.storage import local_path, shortened

FILE_ITEMS = 2_000
"""That one page holds."""

MAX_ITEMS = 250_000
"""That a folder holds: their columns are in the browser's memory at once, and it sorts up to 2 ** 18."""

Told = Callable[[str, int, int], None]
"""Is told what is done, how much of it, and of how much."""

_CARDS = 2_000
_DETAILS = 250
"""Items in a block."""

_TITLE = 200
_FILE_ENDING = re.compile(r"\.[a-z]{2,5}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Gallery:
    """What was written."""

    path: Path
    items: int
    pictures: int
    """Thumbnails, each once however many items show it."""

    without: Counter[str]
    """Items whose picture could not be shown, by what their bytes came to."""


def write_gallery(
    job: Job,
    target: str | None = None,
    *,
    force: bool = False,
    make: MakeThumbnails | None = None,
    told: Told = lambda *_: None,
) -> Gallery:
    """Writes a page that shows the newest results of a job: images, answers, what failed and why.

    Args:
        target: a name that ends in .html for one page, else that of a folder; by default the job's own name and
            `-gallery` in the current folder, one page for up to FILE_ITEMS items.
        force: replace the gallery that is there.
        make: makes thumbnails; without it, images are left out.
        told: is told how far it is.

    Raises:
        InputError: this is no place for a gallery, or the job is too large for it.
        JobError: there is no result yet, or a result file is missing or damaged.
        StorageError: the target exists already, or cannot be written.
    """
    results = Results.of(job.folder)
    check_shown(results)
    expected = sum(job.spec.items_of(part) for part, _ in results.parts)
    name = job.folder.uri.rstrip("/").rpartition("/")[2] or "job"
    path, in_folder = _place(target, name, expected)
    check_outside(path, job.folder)
    title = clipped(name, _TITLE)
    opened: Callable[..., AbstractContextManager[FileForm] | AbstractContextManager[FolderForm]]
    opened = folder_form if in_folder else file_form
    with opened(path, title, force=force) as form:
        shown = _Pictures(results, form, make, told)
        written = _write_rows(
            results,
            form,
            shown,
            at_most=MAX_ITEMS if in_folder else FILE_ITEMS,
            each=lambda done: told("writing items", done, expected),
        )
        columns = written.columns
        index = columns.told() | {
            "job": {"name": title, "items": job.spec.items, "created": job.spec.created_at.isoformat()},
            "models": list(columns.models),
            "names": columns.names(),
            "blocks": {"cards": _CARDS, "details": _DETAILS},
            "pictures": make is not None,
            "timeline": timeline(results, written.items_of),
        }
        form.block("index", index)
    return Gallery(path=path, items=columns.count, pictures=len(shown), without=shown.without)


class _Pictures:
    """Which items have a thumbnail, and why others have none."""

    def __init__(self, results: Results, form: Form, make: MakeThumbnails | None, told: Told) -> None:
        self.without: Counter[str] = Counter()
        self._keys: dict[str, str] = {}
        """Of the thumbnails that are there, by the digests of their images."""
        self._problems: dict[str, str] = {}
        if make is None:
            return
        digests = digests_of(results)
        tried: dict[str, list[str]] = {}
        # The same image may be had from elsewhere, where another row names it by another reference.
        for wanted in (digests, self._problems):
            for thumbnail in make(self._missing(pictures_of(results, list(wanted), tried), form)):
                told("making thumbnails", len(self._keys) + len(self._problems), len(digests))
                self._take(thumbnail, form, tried)
            if not self._problems:
                break

    def _take(self, thumbnail: Thumbnail, form: Form, tried: dict[str, list[str]]) -> None:
        digest = thumbnail.picture.sha256
        if thumbnail.data is None:
            self._problems.setdefault(digest, thumbnail.problem or "error")
            tried.setdefault(digest, []).append(thumbnail.picture.reference)
        else:
            form.thumbnail(thumbnail)
            self._problems.pop(digest, None)
            self._keys[digest] = thumbnail.picture.key

    def __len__(self) -> int:
        return len(self._keys)

    def of(self, row: Row) -> str:
        """Returns what `Cards.add` takes of a row's picture."""
        digest = row.sha256 or ""
        if digest in self._problems:
            self.without[self._problems[digest]] += 1
            return f"!{self._problems[digest]}"
        return self._keys.get(digest, "")

    def _missing(self, pictures: Iterable[Picture], form: Form) -> Iterator[Picture]:
        for picture in pictures:
            if form.has(picture.key):
                self._keys[picture.sha256] = picture.key
            else:
                yield picture


@dataclass(slots=True)
class _Written:
    columns: Columns = field(default_factory=Columns)
    items_of: dict[tuple[int, int], int] = field(default_factory=dict)
    """How many rows each part has."""


def _write_rows(
    results: Results, form: Form, shown: _Pictures, *, at_most: int, each: Callable[[int], None]
) -> _Written:
    written = _Written()
    columns = written.columns
    cards, details = Cards(columns.number_of_name), Details()
    blocks: Counter[str] = Counter()

    def end(kind: str, block: Cards | Details) -> None:
        value: dict[str, Any] = block.told()
        form.block(f"{kind}-{blocks[kind]}", value)
        blocks[kind] += 1

    for part, round_ in results.parts:
        before = columns.count
        for row in rows_of(Results(results.folder, ((part, round_),))):
            columns.add(row)
            cards.add(row, shown.of(row))
            details.add(row)
            if len(cards) == _CARDS:
                end("cards", cards)
                cards = Cards(columns.number_of_name)
            if len(details) == _DETAILS:
                end("details", details)
                details = Details()
        written.items_of[part, round_] = columns.count - before
        each(columns.count)
        if columns.count > at_most:
            raise _too_large(columns.count, at_most)
    for kind, block in (("cards", cards), ("details", details)):
        if len(block):
            end(kind, block)
    return written


def _place(target: str | None, name: str, items: int) -> tuple[Path, bool]:
    """Returns where a gallery goes, and whether it is a folder."""
    if target is None:
        in_folder = items > FILE_ITEMS
        path = Path(f"{name}-gallery{'' if in_folder else '.html'}")
    elif is_s3(target):
        raise InputError(f"askpix writes galleries to this machine, not to {shortened(target)!r}: copy it from here")
    else:
        found = local_path(target) if target and "\0" not in target else None
        if found is None or not found.name:
            raise InputError(f"{shortened(target)!r} is no place for a gallery: give a name.html, or a folder")
        ending = found.suffix.lower()
        path, in_folder = found, target.endswith("/") or ending not in (".html", ".htm")
        if in_folder and not target.endswith("/") and _FILE_ENDING.fullmatch(ending):
            raise InputError(
                f"a gallery is a name.html or a folder, not {ending}: for other forms there is `askpix export`"
            )
    most = MAX_ITEMS if in_folder else FILE_ITEMS
    if items > most:
        raise _too_large(items, most)
    return path, in_folder


def _too_large(items: int, most: int) -> InputError:
    if most == FILE_ITEMS:
        return InputError(
            f"one page holds up to {most:,} items, and the job has {items:,}: give a folder, such as --to gallery/"
        )
    return InputError(f"a gallery holds up to {most:,} items, and the job has {items:,}: `askpix export` takes all")
