"""The results of a job as exports read them: the newest rows of the parts that were done when the export began."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from askpix.producer.errors import JobError
from askpix.producer.job import JobFolder
from askpix.producer.rows import RESULT_SCHEMA, Row, row_to_record


@dataclass(frozen=True, slots=True)
class Results:
    """Result files that are fixed, so that two passes over a job which is still at work see the same rows."""

    folder: JobFolder
    parts: tuple[tuple[int, int], ...]
    """Number and round of each."""

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
            yield from self.folder.read_result(part, round_)

    def tables(self) -> Iterator[pa.Table]:
        """Yields the rows of each part as a table of RESULT_SCHEMA, whichever version wrote it.

        Raises:
            JobError: a result file is missing or damaged.
        """
        for part, round_ in self.parts:
            table = self.folder.read_result_table(part, round_)
            yield table if table.schema.equals(RESULT_SCHEMA) else self._adapted(part, round_)

    def extras(self) -> Iterator[str | None]:
        """Yields what `rows` has as `extra`, without reading the other columns.

        Raises:
            JobError: a result file is missing or damaged.
        """
        for part, round_ in self.parts:
            table = self.folder.read_result_table(part, round_, ["extra"])
            if "extra" in table.column_names:
                yield from table["extra"].to_pylist()

    def _adapted(self, part: int, round_: int) -> pa.Table:
        records = [row_to_record(row) for row in self.folder.read_result(part, round_)]
        try:
            return pa.Table.from_pylist(records, schema=RESULT_SCHEMA)
        except (pa.ArrowException, TypeError, ValueError):
            raise JobError(
                f"{self.folder.uri}: the results of part {part} have columns of other types than this askpix writes"
            ) from None


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
