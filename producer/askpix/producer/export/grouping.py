"""The lines of a job whose items are put together by their groups."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from askpix.producer.groups import View, combined
from askpix.producer.job_spec import JobSpec
from askpix.producer.results import Line, Results, Said, extra_values
from askpix.producer.rows import Answer, Row, Status

Corrections = Mapping[str, Mapping[str, str]]
"""By the item's id and the question's name, what a person says that the answer should be."""


class Grouping:
    """A job's items by groups; each item without one is a line of its own.

    A group's rows are held from its first to its last: how many that are is counted beforehand. So memory goes with how
    far the images of a group lie apart in the list, beside some 150 bytes for each group.

    Args:
        spec: None where there is no job.json, and so nobody knows what was asked.
        corrected: what people put right, by item and question. Of a group, it is what those agree on that say anything.
    """

    def __init__(self, results: Results, spec: JobSpec | None, corrected: Corrections | None = None) -> None:
        self._results = results
        self._corrected = corrected or {}
        self._spec = spec
        self._asked = () if spec is None else spec.questions or ()

    @cached_property
    def _sizes(self) -> Counter[str]:
        return Counter(line.group for line in self._results.lines() if line.group is not None)

    def lines(self) -> Iterator[Line]:
        """Yields a line for each group, and for each item without one: where its last row stands.

        Raises:
            JobError: a result file, or an input file, is missing or damaged.
        """
        sizes = self._sizes
        open_groups: dict[str, list[View]] = {}
        for view in self._views():
            group = view.row.group
            if group is None:
                yield self._line(None, [view])
                continue
            held = open_groups.setdefault(group, [])
            held.append(view)
            if len(held) == sizes[group]:
                yield self._line(group, open_groups.pop(group))

    def _views(self) -> Iterator[View]:
        folder, spec = self._results.folder, self._spec
        for part, round_ in self._results.parts:
            items = [] if spec is None else folder.read_input(part, spec.id)
            own = {item.id: item.questions for item in items if item.questions is not None}
            for row in folder.read_result(part, round_):
                yield View(row=row, questions=own.get(row.id, self._asked))

    def _line(self, group: str | None, views: Sequence[View]) -> Line:
        rows = [view.row for view in views]
        fine = [row for row in rows if row.status is Status.OK]
        first = (fine or rows)[0]
        return Line(
            id=first.id if group is None else None,
            group=group,
            image=first.image,
            status=first.status.value,
            error_code=first.error_code,
            error_message=first.error_message,
            sha256=None,
            extra=_shared(rows),
            answers=tuple(_said(answer) for answer in combined(views)),
            images=len(rows),
            failed=len(rows) - len(fine),
            corrected=_agreed([self._corrected[row.id] for row in rows if row.id in self._corrected]),
        )


def _said(answer: Answer) -> Said:
    return Said(answer.name, answer.kind.value, answer.text, answer.confidence)


def _agreed(said: Sequence[Mapping[str, str]]) -> dict[str, str] | None:
    """Returns what all corrections of a question say that there are."""
    names = dict.fromkeys(name for one in said for name in one)
    texts = {name: {one[name] for one in said if name in one} for name in names}
    return {name: found.pop() for name, found in texts.items() if len(found) == 1} or None


def _shared(rows: Sequence[Row]) -> str | None:
    """Returns those of the caller's columns that are the same in all rows."""
    if len({row.extra for row in rows}) == 1:
        return rows[0].extra
    first, *others = [extra_values(row.extra) for row in rows]
    kept = {name: value for name, value in first.items() if all(_same(value, name, other) for other in others)}
    return json.dumps(kept, ensure_ascii=False) if kept else None


def _same(value: Any, name: str, other: dict[str, Any]) -> bool:
    # True is 1 to Python.
    return name in other and type(other[name]) is type(value) and bool(other[name] == value)
