"""Results as groups are made of them, read column by column: of millions of choices, none is an object of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import pyarrow as pa

from askpix.producer.groups import Given
from askpix.producer.job_spec import JobSpec
from askpix.producer.questions import Question
from askpix.producer.results import Results
from askpix.producer.rows import Kind

_ROW = ("id", "group", "image", "status", "error_code", "error_message", "extra")
_GIVEN = ("name", "kind", "text", "confidence", "choices")
_Array = Any
"""Of Arrow: which kind of it, the schema says."""

_KINDS: Mapping[str, Kind] = {kind.value: kind for kind in Kind}


class Viewed(NamedTuple):
    """What the line of a group tells of one of its items."""

    id: str
    group: str | None
    image: str
    status: str
    error_code: str | None
    error_message: str | None
    extra: str | None
    answers: tuple[Given, ...]
    own: tuple[Question, ...] | None
    """Its questions, where they are not the job's."""


def viewed(results: Results, spec: JobSpec | None) -> Iterator[Viewed]:
    """Yields the items of a job, in its order; one part is held at a time.

    Args:
        spec: None where there is no job.json, and so nobody knows what was asked.

    Raises:
        JobError: a result file, or an input file, is missing or damaged.
    """
    for part, round_ in results.parts:
        own = {} if spec is None else results.folder.read_own_questions(part, spec.id)
        yield from results.kept(part, _of_part(results, part, round_, own))


def _of_part(results: Results, part: int, round_: int, own: Mapping[str, tuple[Question, ...]]) -> Iterator[Viewed]:
    table = results.table(part, round_, _ROW, _GIVEN).combine_chunks()
    if not table.num_rows:
        return
    columns = [_array(table[name]) for name in _ROW]
    answers = _array(table["answers"])
    try:
        _check_whole(columns[0], columns[2], columns[3], answers)
        given = _given(answers.flatten())
    except (KeyError, ValueError, pa.ArrowException) as error:
        raise results.folder.damaged_result(part, round_, str(error)) from None
    places = iter(pairwise(_places(answers)))
    for values in zip(*[column.to_pylist() for column in columns], strict=True):
        start, end = next(places)
        yield Viewed._make((*values, tuple(given[start:end]), own.get(str(values[0]))))


def _given(answers: _Array) -> list[Given]:
    """Returns answers; raises ValueError where they lack what each has."""
    name, kind, text, confidence, choices = [answers.field(field) for field in _GIVEN]
    _check_whole(answers, name, kind, text)
    kinds = [_KINDS.get(value) for value in kind.to_pylist()]
    if None in kinds:
        raise ValueError("an answer is of a kind that this askpix does not know")
    texts, probabilities = _choices(choices)
    columns = (_shared(name), kinds, text.to_pylist(), confidence.to_pylist(), texts, probabilities)
    return list(map(Given._make, zip(*columns, strict=True)))


def _choices(choices: _Array) -> tuple[Sequence[tuple[str, ...] | None], Sequence[tuple[float, ...] | None]]:
    """Returns the texts and the probabilities of each answer's choices, None where it has none. The same texts are the
    same object."""
    flat = choices.flatten()
    text, probability = flat.field("text"), flat.field("probability")
    _check_whole(flat, text, probability)
    words, numbers = _shared(text), probability.to_pylist()
    known: dict[tuple[str, ...], tuple[str, ...]] = {}
    texts: list[tuple[str, ...] | None] = []
    probabilities: list[tuple[float, ...] | None] = []
    for (start, end), is_there in zip(pairwise(_places(choices)), choices.is_valid().to_pylist(), strict=True):
        own = tuple(words[start:end])
        texts.append(known.setdefault(own, own) if is_there else None)
        probabilities.append(tuple(numbers[start:end]) if is_there else None)
    return texts, probabilities


def _shared(texts: _Array) -> list[str]:
    """Returns texts of which equal ones are one object."""
    encoded = texts.dictionary_encode()
    words = encoded.dictionary.to_pylist()
    return [words[place] for place in encoded.indices.to_pylist()]


def _places(lists: _Array) -> list[int]:
    """Returns where each list begins in all of them one after the other, and at last where the last ends."""
    places = [0]
    for length in lists.value_lengths().to_pylist():
        places.append(places[-1] + (length or 0))
    return places


def _array(column: _Array) -> _Array:
    """Returns a column that is one chunk, or none."""
    return column.chunk(0)


def _check_whole(*arrays: _Array) -> None:
    if any(array.null_count for array in arrays):
        raise ValueError("a row, or an answer of it, lacks a value")
