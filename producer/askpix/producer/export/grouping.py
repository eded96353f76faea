"""The lines of a job whose items are put together by their groups."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from askpix.producer.export.corrected import Corrected
from askpix.producer.export.runs import Runs
from askpix.producer.export.views import Viewed, viewed
from askpix.producer.groups import View, combined
from askpix.producer.job_spec import JobSpec
from askpix.producer.results import Line, Results, extra_values
from askpix.producer.rows import Status


class Grouping:
    """A job's items by groups; each item without one is a line of its own.

    A group's rows are held where they lie together in the list; of a group that comes up again later, they wait in a
    temporary file. So memory goes with the largest group alone.

    Args:
        spec: None where there is no job.json, and so nobody knows what was asked.
        corrected: what people put right.
    """

    def __init__(self, results: Results, spec: JobSpec | None, corrected: Corrected) -> None:
        self._results = results
        self._corrected = corrected
        self._spec = spec
        self._asked = () if spec is None else spec.questions or ()

    def lines(self) -> Iterator[Line]:
        """Yields a line for each group, and for each item without one: where its last row stands.

        Raises:
            JobError: a result file, or an input file, is missing or damaged.
            StorageError: there is no room for temporary files.
        """
        with Runs(self._results.groups()) as runs:
            for rows in runs.whole(viewed(self._results, self._spec)):
                yield self._line(rows)

    def _line(self, rows: Sequence[Viewed]) -> Line:
        fine = [row for row in rows if row.status == Status.OK]
        first = (fine or rows)[0]
        return Line(
            id=first.id if first.group is None else None,
            group=first.group,
            image=first.image,
            status=first.status,
            error_code=first.error_code,
            error_message=first.error_message,
            sha256=None,
            extra=_shared(rows),
            answers=combined([View(row.answers, self._asked if row.own is None else row.own) for row in rows]),
            images=len(rows),
            failed=len(rows) - len(fine),
            corrected=self._corrected.of_item(first.id)
            if first.group is None
            else self._corrected.of_group(first.group, [row.id for row in rows]),
        )


def _shared(rows: Sequence[Viewed]) -> str | None:
    """Returns those of the caller's columns that are the same in all rows."""
    if len({row.extra for row in rows}) == 1:
        return rows[0].extra
    first, *others = [extra_values(row.extra) for row in rows]
    kept = {name: value for name, value in first.items() if all(_same(value, name, other) for other in others)}
    return json.dumps(kept, ensure_ascii=False) if kept else None


def _same(value: Any, name: str, other: dict[str, Any]) -> bool:
    # True is 1 to Python.
    return name in other and type(other[name]) is type(value) and bool(other[name] == value)
