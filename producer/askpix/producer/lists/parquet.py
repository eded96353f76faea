"""Lists as Parquet files, read a few rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as kinds

from askpix.producer.columns import Columns, Layout
from askpix.producer.errors import InputError
from askpix.producer.items import Item
from askpix.producer.lists.form import ListForm

_BATCH_ROWS = 2_048
_BATCH_BYTES = 16_000_000
"""Of the rows that are held at once, by the file's own account."""

_BUFFER_BYTES = 1 << 20
"""Read at once of each column: without it, Arrow holds whole row groups."""


def read_parquet(file: IO[bytes], columns: Columns, name: str) -> Iterator[Item]:
    """Yields the items of a Parquet file.

    Dates, times and decimals become text as ISO 8601 and in full; NaN becomes null.

    Raises:
        InputError: it is damaged, has no column of images, or columns that JSON cannot hold.
    """
    source, layout = opened(file, columns, name)
    rows = 0
    for _, records in read_batches(source, name):
        for row, record in enumerate(records, rows + 1):
            try:
                yield layout.item(record)
            except InputError as error:
                raise InputError(f"{name}, row {row}: {error}") from None
        rows += len(records)


def opened(file: IO[bytes], columns: Columns, name: str) -> tuple[pq.ParquetFile, Layout]:
    """Returns a Parquet file, and where its columns are; raises InputError."""
    with _explained(name):
        raw = pa.PythonFile(file, mode="r")  # type: ignore[arg-type]  # it is a file in all but its class
        source = pq.ParquetFile(raw, pre_buffer=False, buffer_size=_BUFFER_BYTES)
    return source, _layout(source.schema_arrow, columns, name)


def read_batches(source: pq.ParquetFile, name: str) -> Iterator[tuple[pa.RecordBatch, list[tuple[Any, ...]]]]:
    """Yields some rows at a time, as they are and as JSON values; raises InputError."""
    batches = source.iter_batches(batch_size=_batch_rows(source.metadata), use_threads=False)
    while True:
        with _explained(name):
            batch = next(batches, None)
            if batch is None:
                return
            values = [_plain(column) for column in batch.columns]
        yield batch, list(zip(*values, strict=True))


def _layout(schema: pa.Schema, columns: Columns, name: str) -> Layout:
    for place, column in enumerate(schema.names):
        if column in schema.names[:place]:
            raise InputError(f"{name} has two columns {column!r}: rename one of them")
    try:
        layout = Layout(schema.names, columns)
    except InputError as error:
        raise InputError(f"{name} has {error}") from None
    for field in schema:
        target = _json_type(field.type)
        images = field.name == layout.image
        if target is None or (images and not _is_text(target)):
            problem = "which is no reference" if images else "which JSON has no form for"
            advice = "give the images' paths or URLs" if images else "leave the column out, or write it as text"
            raise InputError(f"{name}: the column {field.name!r} holds {str(field.type)[:80]}, {problem}: {advice}")
    return layout


def _batch_rows(metadata: pq.FileMetaData) -> int:
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    largest = max((group.total_byte_size / max(1, group.num_rows) for group in groups), default=0)
    return max(1, min(_BATCH_ROWS, int(_BATCH_BYTES / max(1, largest))))


def _plain(column: pa.Array[Any]) -> list[Any]:
    """Returns a column's values as JSON values."""
    target = _json_type(column.type)
    if target != column.type:
        is_moment = kinds.is_timestamp(column.type)
        column = column.cast(target)
        if is_moment:
            column = pc.replace_substring(column, " ", "T", max_replacements=1)
    if kinds.is_floating(column.type):
        column = pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type))
    values: list[Any] = column.to_pylist()
    return values


def _is_text(kind: pa.DataType) -> bool:
    return kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind) or kinds.is_null(kind)


def _json_type(kind: Any) -> pa.DataType | None:
    """Returns the type whose values are JSON values, or None where there is none without loss."""
    if _is_text(kind) or kinds.is_boolean(kind) or kinds.is_integer(kind) or kinds.is_floating(kind):
        return kind  # type: ignore[no-any-return]
    if kinds.is_decimal(kind) or kinds.is_timestamp(kind) or kinds.is_date(kind) or kinds.is_time(kind):
        return pa.string()
    if kinds.is_dictionary(kind):
        return _json_type(kind.value_type)
    if kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind):
        return _rebuilt(kind, [kind.value_type], lambda inner: pa.list_(inner[0]))
    if kinds.is_struct(kind):
        names = [field.name for field in kind]
        return _rebuilt(
            kind, [field.type for field in kind], lambda inner: pa.struct(list(zip(names, inner, strict=True)))
        )
    if kinds.is_map(kind):
        return _rebuilt(kind, [kind.key_type, kind.item_type], lambda inner: pa.map_(*inner))
    return None


def _rebuilt(
    kind: pa.DataType, inside: list[pa.DataType], build: Callable[[list[pa.DataType]], pa.DataType]
) -> pa.DataType | None:
    """Returns a type that holds others with those that JSON has; itself, where nothing changes."""
    inner = [target for target in map(_json_type, inside) if target is not None]
    if len(inner) < len(inside):
        return None
    return kind if inner == inside else build(inner)


@contextmanager
def _explained(name: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{name} is no Parquet file, or damaged: {' '.join(str(error).split())[:200]}") from None


FORM = ListForm(files={".parquet": read_parquet})
