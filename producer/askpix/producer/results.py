"""The results of a job as exports read them: the newest rows of the parts that were done when the export began."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import compress
from typing import Any, NamedTuple, TypeVar

import pyarrow as pa

from askpix.producer.errors import JobError
from askpix.producer.job_folder import JobFolder
from askpix.producer.records import RESULT_SCHEMA, row_to_record
from askpix.producer.rows import Row, Status

_Row = TypeVar("_Row")

_SAID = ("name", "kind", "text", "confidence")
_LINE = ("id", "group", "image", "status", "error_code", "error_message", "sha256", "extra")


class Said(NamedTuple):
    """An answer, as far as wide tables tell it."""

    name: str
    kind: str
    text: str
    confidence: float | None


class Line(NamedTuple):
    """What wide tables tell of an item, or of a group of items together."""

    id: str | None
    """None of a group."""

    group: str | None
    image: str
    status: str
    error_code: str | None
    error_message: str | None
    sha256: str | None
    extra: str | None
    answers: tuple[Said, ...]
    images: int = 1
    failed: int = 0
    """Of the images."""

    corrected: Mapping[str, str] | None = None
    """What people put right, by the name of the question."""


class Asked(NamedTuple):
    """What an item has columns for."""

    answers: tuple[tuple[str, str], ...]
    """Name and kind of each answer."""

    extra: str | None


@dataclass(frozen=True, slots=True)
class Results:
    """Result files that are fixed, so that two passes over a job which is still at work see the same rows."""

    folder: JobFolder
    parts: tuple[tuple[int, int], ...]
    """Number and round of each."""

    left_out: Mapping[int, bytes] = field(default_factory=dict)
    """By the number of a part, 1 for each of its rows that is left out, and 0 for each other."""

    @classmethod
    def of(cls, folder: JobFolder) -> Results:
        """Returns the newest results that a job folder holds now.

        Raises:
            StorageError: the folder cannot be listed.
        """
        return cls(folder, tuple(folder.results().items()))

    def rows(self) -> Iterator[Row]:
        """Yields the rows, in the order of the input; one part is held at a time.

        Raises:
            JobError: a result file is missing or damaged.
        """
        for part, round_ in self.parts:
            yield from self.kept(part, self.folder.read_result(part, round_))

    def lines(self) -> Iterator[Line]:
        """Yields what wide tables tell of the rows, without reading the other columns.

        Raises:
            JobError: a result file is missing or damaged.
        """
        for part, round_ in self.parts:
            records = self._records(part, round_, _LINE, _SAID)
            yield from self.kept(part, (_line(record) for record in records))

    def asked(self) -> Iterator[Asked]:
        """Yields what rows have columns for.

        Raises:
            JobError: a result file is missing or damaged.
        """
        for part, round_ in self.parts:
            records = self._records(part, round_, ("extra",), ("name", "kind"))
            for record in self.kept(part, records):
                yield Asked(tuple([(answer["name"], answer["kind"]) for answer in record["answers"]]), record["extra"])

    def tables(self) -> Iterator[pa.Table]:
        """Yields the rows of each part as a table of RESULT_SCHEMA, whichever version wrote it.

        Raises:
            JobError: a result file is missing or damaged.
        """
        for part, round_ in self.parts:
            table = self.folder.read_result_table(part, round_)
            table = table if table.schema.equals(RESULT_SCHEMA) else self._adapted(part, round_)
            without = self.left_out.get(part)
            yield table if without is None else table.filter(pa.array([not left for left in without]))

    def extras(self) -> Iterator[str | None]:
        """Yields what `rows` has as `extra`, without reading the other columns.

        Raises:
            JobError: a result file is missing or damaged.
        """
        for part, round_ in self.parts:
            yield from self.kept(part, self._column(part, round_, "extra"))

    def kept(self, part: int, rows: Iterable[_Row]) -> Iterator[_Row]:
        """Yields those of a part's rows that are not left out."""
        without = self.left_out.get(part)
        return iter(rows) if without is None else compress(rows, (not left for left in without))

    def ids(self) -> Iterator[str]:
        """Yields the id of each row, without reading the other columns.

        Raises:
            JobError: a result file is missing or damaged.
        """
        for part, round_ in self.parts:
            yield from self.kept(part, self._column(part, round_, "id"))

    def groups(self) -> Iterator[str | None]:
        """Yields the group of each row, without reading the other columns.

        Raises:
            JobError: a result file is missing or damaged.
        """
        for part, round_ in self.parts:
            yield from self.kept(part, self._column(part, round_, "group"))

    def table(self, part: int, round_: int, columns: tuple[str, ...], of_answers: tuple[str, ...]) -> pa.Table:
        """Returns some columns of all of a part's rows, and of their answers; more of them where another version wrote
        the file.

        Raises:
            JobError: the file is missing or damaged.
        """
        schema = _narrowed(columns, of_answers)
        wanted: list[str] = []
        for name in schema.names:
            wanted += [f"answers.list.element.{inner}" for inner in of_answers] if name == "answers" else [name]
        table = self.folder.read_result_table(part, round_, wanted)
        # Columns come in the order in which they are asked for.
        return table if table.schema.equals(schema) else self._adapted(part, round_)

    def _column(self, part: int, round_: int, name: str) -> list[Any]:
        table = self.folder.read_result_table(part, round_, [name])
        is_known = table.schema.equals(pa.schema([RESULT_SCHEMA.field(name)]))
        values: list[Any] = (table if is_known else self._adapted(part, round_))[name].to_pylist()
        return values

    def _records(
        self, part: int, round_: int, columns: tuple[str, ...], of_answers: tuple[str, ...]
    ) -> list[dict[str, Any]]:
        """Returns some columns of a part's rows, and of their answers."""
        records: list[dict[str, Any]] = self.table(part, round_, columns, of_answers).to_pylist()
        for record in records:
            if not _is_whole(record):
                raise self.folder.damaged_result(part, round_, "a row, or an answer of it, lacks a value")
        return records

    def _adapted(self, part: int, round_: int) -> pa.Table:
        records = [row_to_record(row) for row in self.folder.read_result(part, round_)]
        try:
            return pa.Table.from_pylist(records, schema=RESULT_SCHEMA)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            raise JobError(
                f"{self.folder.uri}: the results of part {part} have columns of other types than this askpix writes"
            ) from None


def is_answered(line: Line) -> bool:
    """Returns whether an item went well, and has an answer."""
    return line.status == Status.OK and bool(line.answers)


def _is_whole(record: Mapping[str, Any]) -> bool:
    """Returns whether a row has what each has, as far as it was read."""
    if record.get("id", "") is None or record.get("image", "") is None or record["answers"] is None:
        return False
    for answer in record["answers"]:
        if answer is None or answer["name"] is None or answer["kind"] is None or answer.get("text", "") is None:
            return False
    return True


@cache
def _narrowed(columns: tuple[str, ...], of_answers: tuple[str, ...]) -> pa.Schema:
    """Returns the schema of a result file of which only these columns are read."""
    answer = RESULT_SCHEMA.field("answers").type.value_type
    fields = []
    for column in RESULT_SCHEMA:
        if column.name == "answers":
            kept = [answer.field(place) for place in range(answer.num_fields) if answer.field(place).name in of_answers]
            fields.append(column.with_type(pa.list_(pa.struct(kept))))
        elif column.name in columns:
            fields.append(column)
    return pa.schema(fields)


def _line(record: dict[str, Any]) -> Line:
    answers = tuple([Said(said["name"], said["kind"], said["text"], said["confidence"]) for said in record["answers"]])
    return Line._make((*[record[name] for name in _LINE], answers, 1, 0, None))


def extra_values(text: str | None) -> dict[str, Any]:
    """Returns the caller's columns of a row, NaN and infinity, which JSON lacks, as None.

    What is no JSON object, which no askpix has written, is one column `extra`.
    """
    if not text:
        return {}
    try:
        values = json.loads(text, parse_constant=lambda _: None, parse_float=_finite)
    except (ValueError, RecursionError):
        values = None
    return values if isinstance(values, dict) else {"extra": text}


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None
