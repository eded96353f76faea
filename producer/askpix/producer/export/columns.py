"""The columns of wide tables: some of ours, two for each question, and the caller's own."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from askpix.producer.cells import NOTHING, cell
from askpix.producer.errors import InputError
from askpix.producer.export.corrected import Corrected, Correction
from askpix.producer.export.form import Source
from askpix.producer.export.tables import MAX_COLUMNS, ColumnNames, rounded
from askpix.producer.results import Line, extra_values
from askpix.producer.rows import Kind
from askpix.producer.terms import joined, split, split_loosely
from askpix.producer.titles import ENDINGS, ERROR_COLUMNS, GROUP_COLUMNS, ITEM_COLUMNS

_NUMBERS = frozenset(("images", "images_failed"))

_FIELDS = {"images_failed": "failed", "reference": "image"}
"""Of a line, for columns that are called otherwise."""

_EXACT = 1 << 53
"""Up to which every whole number is a float."""

_Key = str | tuple[str, int]
"""Which of a row's answers: its name, and where several have it, also the how many-th of them."""

_Values = list[Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Attribute:
    """A question, as a column beside which its confidence is."""

    key: _Key
    column: str
    is_list: bool
    """Whether any number of terms may be so."""

    is_corrected: bool = False
    """Whether people have put any of its answers right."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Own:
    """One of the caller's columns."""

    key: str
    column: str
    kind: pa.DataType


@dataclass(frozen=True, kw_only=True, slots=True)
class WideColumns:
    """What a wide table has, from the first column to the last."""

    head: tuple[str, ...]
    attributes: tuple[Attribute, ...]
    errors: tuple[tuple[str, str], ...]
    """What it is of a line, and what the column is called."""

    own: tuple[Own, ...]
    corrected: Corrected
    """What people have put right, which is told what of it is written."""

    def schema(self) -> pa.Schema:
        """Returns names and types of all columns."""
        fields: list[tuple[str, pa.DataType]] = [
            (name, pa.int64() if name in _NUMBERS else pa.string()) for name in self.head
        ]
        fields += self.answer_fields()
        fields += self.error_fields()
        fields += [(own.column, own.kind) for own in self.own]
        return pa.schema(fields)

    def answer_fields(self) -> list[tuple[str, pa.DataType]]:
        """Returns names and types of the columns that `answers` has values for."""
        fields: list[tuple[str, pa.DataType]] = []
        for attribute in self.attributes:
            kind = pa.list_(pa.string()) if attribute.is_list else pa.string()
            fields += [(attribute.column, kind), (f"{attribute.column}_confidence", pa.float64())]
            fields += [(f"{attribute.column}_corrected", kind)] if attribute.is_corrected else []
        return fields

    def error_fields(self) -> list[tuple[str, pa.DataType]]:
        """Returns names and types of the columns of errors."""
        return [(column, pa.string()) for _, column in self.errors]

    def values(self, line: Line) -> _Values:
        """Returns a line's values, in the order of the columns."""
        self.corrected.tell(self.corrections(line))
        values: _Values = [_of_head(line, name) for name in self.head]
        values += self.answers(line)
        values += [getattr(line, name) for name, _ in self.errors]
        if self.own:
            extra = extra_values(line.extra)
            values += [_fitting(extra.get(own.key), own.kind) for own in self.own]
        return values

    def cells(self, line: Line) -> list[str]:
        """Returns a line's cells, in the order of the columns, the caller's own values as they were."""
        self.corrected.tell(self.corrections(line))
        extra = extra_values(line.extra) if self.own else {}
        return [
            *[cell(_of_head(line, name)) for name in self.head],
            *map(answer_cell, self.answers(line)),
            *[cell(getattr(line, name)) for name, _ in self.errors],
            *[cell(extra.get(own.key)) for own in self.own],
        ]

    def answers(self, line: Line) -> _Values:
        """Returns the values of a line's answers alone.

        They are text, or list of terms, and confidence of each question; and what people put right, where they did.
        """
        said = {}
        for answer in line.answers:
            key: _Key = answer.name
            number = 1
            while key in said:
                number += 1
                key = (answer.name, number)
            said[key] = answer
        values: _Values = []
        for attribute in self.attributes:
            found = said.get(attribute.key)
            if found is None:
                values += (None, None)
            else:
                sure = found.confidence
                values.append(split(found.text) if attribute.is_list else found.text)
                values.append(sure if sure is not None and math.isfinite(sure) else None)
            if attribute.is_corrected:
                right = (line.corrected or {}).get(str(attribute.key))
                values.append(right if right is None or not attribute.is_list else split_loosely(right))
        return values

    def corrections(self, line: Line) -> list[Correction]:
        """Returns the corrections that a line's values have in them."""
        return self.corrected.of_line(line, (str(one.key) for one in self.attributes if one.is_corrected))


def wide_columns(
    source: Source,
    *,
    head: tuple[str, ...] | None = None,
    errors: tuple[str, ...] = ERROR_COLUMNS,
    reserved: frozenset[str] = frozenset(),
) -> WideColumns:
    """Returns the columns of all that is exported, in one pass over it.

    The job's questions come first, in its order; then those that rows have of their own, and the caller's columns, each
    in the order in which they come up. Questions that no row has an answer to, but a correction, come after the rows'.
    No two columns have the same name, whether or not capitals are told apart: ours keep theirs, a question's gets
    `answer_` before it, one of the caller's `input_`.

    Args:
        head: what comes before the questions; by default what a table of items, or of groups, has.
        errors: what comes after them.
        reserved: names that others have, so that ours need another too.

    Raises:
        InputError: they are too many for a table.
        JobError: a result file is missing or damaged.
    """
    kinds: dict[_Key, set[str]] = {}
    own: dict[str, set[str]] = {}
    for key in _keys([question.title for question in source.questions]):
        kinds[key] = set()
    for asked in source.results.asked():
        for key, (_, kind) in zip(_keys([name for name, _ in asked.answers]), asked.answers, strict=True):
            kinds.setdefault(key, set()).add(kind)
        for name, value in extra_values(asked.extra).items():
            own.setdefault(name, set()).add(_kind(value))
        if 2 * len(kinds) + len(own) > MAX_COLUMNS:
            raise InputError(
                f"the rows have more than {MAX_COLUMNS} different columns, too many for a table: "
                "export with --form rows to .jsonl or .parquet"
            )
    names = source.corrected.names(source.results.ids()) if source.corrected else ()
    others = [name for name in names if name not in kinds]
    # Three columns each; for what finds no room it is told that it was left out.
    room = max(0, MAX_COLUMNS - len(own) - 2 * len(kinds) - (len(names) - len(others))) // 3
    kinds |= {name: set() for name in others[:room]}
    for place, key in enumerate(_keys([question.title for question in source.questions])):
        if source.questions[place].multiple:
            kinds[key].add(Kind.MULTIPLE)
    corrected = frozenset(names)
    head = head if head is not None else GROUP_COLUMNS if source.by_group else ITEM_COLUMNS
    taken = ColumnNames((*head, *reserved))
    named_errors = tuple((name, taken.free(name, before="answer_")) for name in errors)
    attributes = tuple(
        Attribute(
            key=key,
            column=_attribute_name(key, taken),
            is_list=found == {Kind.MULTIPLE},
            is_corrected=key in corrected,
        )
        for key, found in kinds.items()
    )
    return WideColumns(
        head=head,
        attributes=attributes,
        errors=named_errors,
        own=tuple(Own(key=name, column=_own_name(name, taken), kind=_type(found)) for name, found in own.items()),
        corrected=source.corrected,
    )


def answer_cell(value: Any) -> str:
    """Returns a cell of an answer: of a list its terms, of a confidence four places."""
    if isinstance(value, list):
        return cell(joined(value)) if value else NOTHING
    return cell(rounded(value) if isinstance(value, float) else value)


def _keys(names: list[str]) -> list[_Key]:
    seen: dict[str, int] = {}
    keys: list[_Key] = []
    for name in names:
        number = seen[name] = seen.get(name, 0) + 1
        keys.append(name if number == 1 else (name, number))
    return keys


def _attribute_name(key: _Key, taken: ColumnNames) -> str:
    name = key if isinstance(key, str) else f"{key[0]}_{key[1]}"
    return taken.free(name if name.strip() else "answer", before="answer_", endings=("", *ENDINGS))


def _own_name(name: str, taken: ColumnNames) -> str:
    return taken.free(_whole_text(name) if name.strip() else "input", before="input_")


def _of_head(line: Line, name: str) -> Any:
    return getattr(line, _FIELDS.get(name, name))


def _kind(value: Any) -> str:
    """Returns what kind of value one of the caller's columns holds; of whole numbers, also which columns take them."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int" if abs(value) <= _EXACT else "long" if -(1 << 63) <= value < 1 << 63 else "other"
    return {float: "float", str: "str"}.get(type(value), "other")


_TYPES: Mapping[frozenset[str], pa.DataType] = {
    frozenset(("bool",)): pa.bool_(),
    frozenset(("int",)): pa.int64(),
    frozenset(("long",)): pa.int64(),
    frozenset(("int", "long")): pa.int64(),
    frozenset(("float",)): pa.float64(),
    frozenset(("int", "float")): pa.float64(),
}


def _type(kinds: set[str]) -> pa.DataType:
    return _TYPES.get(frozenset(kinds - {"none"}), pa.string())


def _fitting(value: Any, kind: pa.DataType) -> Any:
    """Returns one of the caller's values as its column holds it: as it is, or, among others, as JSON text."""
    if value is None:
        return None
    if kind != pa.string():
        return float(value) if kind == pa.float64() else value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return _whole_text(text)


def _whole_text(text: str) -> str:
    """Returns a text in which half of a surrogate pair, which an escape can hold, is "?"."""
    return text if text.isascii() else text.encode(errors="replace").decode()
