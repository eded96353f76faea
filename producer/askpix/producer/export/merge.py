"""Answers beside the rows of the user's own list."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import IO, Any

from askpix.producer.export.columns import WideColumns, wide_columns
from askpix.producer.export.form import Source
from askpix.producer.export.kept import Kept, group_key, item_key, key_of
from askpix.producer.export.own_lists import Entry, OwnList
from askpix.producer.ids import UniqueIds
from askpix.producer.items import Item
from askpix.producer.results import Line
from askpix.producer.submission import blocks


@dataclass(frozen=True, kw_only=True, slots=True)
class Merged:
    """What a merge came to."""

    rows: int
    """Of the list, empty ones included."""

    without: int
    """Of the list, those that the job has no result of."""

    left: int
    """Results of the job, or groups of them, that no row of the list is of."""


def merge(source: Source, own: OwnList, part_size: int, file: IO[bytes]) -> Merged:
    """Writes a list again, with a job's answers at the end of each row.

    A row is known by the id that it had when the job was made of its list; where lines are groups, by its group. The
    answers are kept in a temporary file meanwhile: memory does not depend on their number; with
    groups, some 300 bytes go to each.

    Args:
        part_size: of the job.

    Raises:
        InputError: the list cannot be read, or has an id twice.
        JobError: a result file is missing or damaged.
        StorageError: there is no room for temporary files.
    """
    columns = wide_columns(source, head=(), reserved=frozenset(own.names()))
    fields = [*columns.answer_fields(), *columns.error_fields()]
    count = _Count(by_group=source.by_group)
    with Kept() as kept:
        results = kept.put(
            (key_of(line), json.dumps([_shown(columns, line), columns.corrections(line)]).encode())
            for line in source.lines()
        )

        def rows() -> Iterator[tuple[Entry, list[Any] | None]]:
            for entry, identity in with_ids(own.entries(), part_size):
                key = _key(entry.item, identity, by_group=source.by_group)
                found = None if key is None else kept.find(key)
                count.add(key, is_found=found is not None)
                if found is None:
                    yield entry, None
                else:
                    shown, corrections = json.loads(found)
                    columns.corrected.tell((identity, name) for identity, name in corrections)
                    yield entry, shown

        own.write(file, fields, rows())
    return Merged(rows=count.rows, without=count.without, left=results - count.used)


def _shown(columns: WideColumns, line: Line) -> list[Any]:
    return [*columns.answers(line), line.error_code, line.error_message]


class _Count:
    def __init__(self, *, by_group: bool) -> None:
        self.rows = 0
        self.without = 0
        self.used = 0
        self._groups: set[bytes] | None = set() if by_group else None
        """Those that were used: several rows may be of one, where ids come once."""

    def add(self, key: bytes | None, *, is_found: bool) -> None:
        self.rows += 1
        if key is None or not is_found:
            self.without += 1
        elif self._groups is None:
            self.used += 1
        else:
            self._groups.add(key)
            self.used = len(self._groups)


def with_ids(entries: Iterator[Entry], part_size: int) -> Iterator[tuple[Entry, str | None]]:
    """Yields each row with the id that it has, or would have, in a job that is made of them.

    Raises:
        InputError: an id comes twice.
    """
    waiting: deque[Entry] = deque()

    def items() -> Iterator[Item]:
        for entry in entries:
            waiting.append(entry)
            if entry.item is not None:
                yield entry.item

    with closing(UniqueIds()) as ids:
        for block in blocks(items(), part_size):
            given = iter(ids.assign(block))
            left = len(block)
            while left:
                entry = waiting.popleft()
                yield entry, None if entry.item is None else next(given)
                left -= entry.item is not None
    yield from ((entry, None) for entry in waiting)


def _key(item: Item | None, identity: str | None, *, by_group: bool) -> bytes | None:
    if by_group and item is not None and item.group is not None:
        return group_key(item.group)
    return None if identity is None else item_key(identity)
