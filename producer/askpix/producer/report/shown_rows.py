"""A job's rows as its gallery takes them: texts are texts, whoever wrote them; numbers may be missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa

from askpix.producer.records import row_from_record
from askpix.producer.results import Results
from askpix.producer.rows import Answer, Row


def rows_of(results: Results) -> Iterator[Row]:
    """Yields the newest rows, in the order of the input; a text that is missing is an empty one.

    Raises:
        JobError: a result file is missing or damaged, or holds what no result is.
    """
    for (part, round_), table in zip(results.parts, results.tables(), strict=True):
        try:
            rows = [_mended(row_from_record(record)) for record in table.to_pylist()]
        except (pa.ArrowException, KeyError, TypeError, ValueError, AttributeError) as error:
            raise results.folder.damaged_result(part, round_, " ".join(str(error).split())[:200]) from None
        yield from rows


def _mended(row: Row) -> Row:
    texts = (row.id, row.image, row.model, row.fingerprint, row.precision, row.device)
    if None not in texts and all(map(_is_whole, row.answers)):
        return row
    return replace(
        row,
        id=row.id or "",
        image=row.image or "",
        model=row.model or "",
        fingerprint=row.fingerprint or "",
        precision=row.precision or "",
        device=row.device or "",
        answers=tuple(map(_mended_answer, row.answers)),
    )


def _is_whole(answer: Answer) -> bool:
    choices = (choice.text for choice in answer.choices or ())
    return None not in (answer.name, answer.text, *choices, *(other.text for other in answer.alternatives or ()))


def _mended_answer(answer: Answer) -> Answer:
    return replace(
        answer,
        name=answer.name or "",
        text=answer.text or "",
        choices=answer.choices and tuple(replace(choice, text=choice.text or "") for choice in answer.choices),
        alternatives=answer.alternatives and tuple(replace(one, text=one.text or "") for one in answer.alternatives),
    )
