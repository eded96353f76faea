"""Groups of which not all items lie together in a list: how often each comes up, and its rows until the last time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import Any

from askpix.producer.export.kept import Temporary, explained, group_key
from askpix.producer.export.views import Viewed
from askpix.producer.groups import Given
from askpix.producer.questions import Question
from askpix.producer.rows import Kind

_AT_ONCE = 10_000


class Runs(Temporary):
    """Runs of rows of one group, one after the other in a list: those of a group that comes up again later wait.

    What waits is in a temporary file, as is how often each group comes up. So no more than one run is held.

    Args:
        groups: of each row, in the order of the list.

    Raises:
        StorageError: there is no room for temporary files.
    """

    def __init__(self, groups: Iterable[str | None]) -> None:
        super().__init__(
            "runs (key blob primary key, left integer not null) without rowid",
            "waiting (key blob not null, place integer not null, rows text not null, primary key (key, place)) "
            "without rowid",
        )
        keys = ((group_key(group),) for group, _ in groupby(groups) if group is not None)
        with explained():
            while block := list(islice(keys, _AT_ONCE)):
                self._database.execute("begin")
                self._database.executemany(
                    "insert into runs values (?, 1) on conflict (key) do update set left = left + 1", block
                )
                self._database.execute("commit")
            # Groups that come up once are most often all that there are: nothing is looked up then.
            self._database.execute("delete from runs where left = 1")
            self._come_again = bool(self._database.execute("select count(*) from runs").fetchone()[0])
        self._place = 0

    def whole(self, rows: Iterable[Viewed]) -> Iterator[Sequence[Viewed]]:
        """Yields the rows of each group, and each row without one: where its last row stands.

        Raises:
            StorageError: there is no room for temporary files.
        """
        for group, run in groupby(rows, key=lambda row: row.group):
            if group is None:
                yield from ((row,) for row in run)
            elif left := self._left(key := group_key(group)):
                self._wait(key, run, left - 1)
                if left == 1:
                    yield self._taken(key)
            else:
                yield tuple(run)

    def _left(self, key: bytes) -> int:
        """Returns how often a group comes up from here on; 0 of one that comes up but once."""
        if not self._come_again:
            return 0
        with explained():
            found = self._database.execute("select left from runs where key = ?", (key,)).fetchone()
        return int(found[0]) if found is not None else 0

    def _wait(self, key: bytes, run: Iterable[Viewed], left: int) -> None:
        while block := list(islice(run, _AT_ONCE)):
            with explained():
                self._database.execute(
                    "insert into waiting values (?, ?, ?)", (key, self._place, json.dumps(list(map(_told, block))))
                )
            self._place += 1
        with explained():
            self._database.execute("update runs set left = ? where key = ?", (left, key))

    def _taken(self, key: bytes) -> Sequence[Viewed]:
        with explained():
            blocks = self._database.execute("select rows from waiting where key = ? order by place", (key,)).fetchall()
            self._database.execute("delete from waiting where key = ?", (key,))
        return [_read(row) for (text,) in blocks for row in json.loads(text)]


def _told(row: Viewed) -> list[Any]:
    own = None if row.own is None else [question.to_record() for question in row.own]
    return [*row[:-2], row.answers, own]


def _read(row: list[Any]) -> Viewed:
    *values, answers, own = row
    given = tuple(
        [Given(name, Kind(kind), text, sure, _tuple(c), _tuple(p)) for name, kind, text, sure, c, p in answers]
    )
    return Viewed._make((*values, given, None if own is None else tuple(map(Question.parse, own))))


def _tuple(values: list[Any] | None) -> tuple[Any, ...] | None:
    return None if values is None else tuple(values)
