"""The Parquet files of a job folder: read and written, and what is told of those that are missing or damaged."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from askpix.producer.errors import InputError, JobError
from askpix.producer.storage import Storage

_Parsed = TypeVar("_Parsed")


class JobTables:
    """The tables that lie in a job folder, by their names in it."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def write(self, name: str, schema: pa.Schema, records: Iterator[Mapping[str, Any]]) -> None:
        """Writes a table whole, in one atomic step."""
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(list(records), schema=schema), buffer, compression="zstd")
        self._storage.write(name, buffer.getvalue())

    def read(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """Returns a table, or some columns of it, of the version that wrote it.

        Raises:
            JobError: the file is missing or damaged.
        """
        file = self._open(name)
        try:
            # Without Arrow's threads: they can abort a short-lived process at its exit (10 of 240 exports did).
            table = file.read(columns, use_threads=False)
            # Arrow reads bytes that are no UTF-8 as text, at which Python fails later; 13 us for 256 rows.
            table.validate(full=True)
            return table
        except (pa.ArrowException, OSError, ValueError) as error:
            raise self.damaged(name, _line(error)) from None

    def parsed(
        self, name: str, parse: Callable[[Mapping[str, Any]], _Parsed], columns: list[str] | None = None
    ) -> list[_Parsed]:
        """Returns what each record of a table stands for.

        Raises:
            JobError: the file is missing or damaged, or a record is none that `parse` takes.
        """
        try:
            return [parse(record) for record in self._records(name, columns)]
        except (KeyError, TypeError, ValueError, AttributeError, InputError) as error:
            raise JobError(f"{self._storage.uri}/{name} is not of this askpix version: {_line(error)}") from None

    def damaged(self, name: str, what: str) -> JobError:
        """Returns what is raised of a file that is there and is not what it should be."""
        return JobError(f"{self._storage.uri}/{name} is damaged ({what}): {self._way_out(name)}")

    def _records(self, name: str, columns: list[str] | None = None) -> list[dict[str, Any]]:
        try:
            records: list[dict[str, Any]] = self.read(name, columns).to_pylist()
        except (pa.ArrowException, ValueError, OverflowError) as error:
            raise self.damaged(name, _line(error)) from None
        return records

    def _open(self, name: str) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(pa.BufferReader(self._storage.read(name)), pre_buffer=False)
        except FileNotFoundError:
            way_out = self._way_out(name).removeprefix("remove it, then ")
            raise JobError(f"{self._storage.uri}/{name} is missing: {way_out}") from None
        except (pa.ArrowException, OSError, ValueError) as error:
            raise self.damaged(name, _line(error)) from None

    def _way_out(self, name: str) -> str:
        if name.startswith("input/"):
            return "submit the job again into a new folder"
        return f"remove it, then `askpix resume {self._storage.uri}` does its part again"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
