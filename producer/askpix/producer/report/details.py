"""All that is known of an item, as the page shows it when it is opened."""

from __future__ import annotations

from typing import Any

from askpix.producer.judging import said_terms
from askpix.producer.report.embedding import as_text, clipped, finite, reference
from askpix.producer.results import extra_values
from askpix.producer.rows import Answer, Row

_REFERENCE = 4_000
_EXTRA_COLUMNS = 200
_EXTRA = 20_000
"""Characters of one of the caller's own columns."""


class Details:
    """A block of items, in full."""

    def __init__(self) -> None:
        self._items: list[dict[str, Any]] = []
        self._makers: dict[tuple[str, str, str, str], int] = {}
        """Who answered, which is the same for most: its number."""

    def __len__(self) -> int:
        return len(self._items)

    def add(self, row: Row) -> None:
        maker = self._makers.setdefault((row.model, row.fingerprint, row.precision, row.device), len(self._makers))
        values = {
            "id": reference(row.id, _REFERENCE),
            "image": reference(row.image, _REFERENCE),
            "group": row.group,
            "answers": list(map(_answer, row.answers)),
            "code": row.error_code,
            "message": row.error_message,
            "retryable": row.retryable,
            "width": row.width,
            "height": row.height,
            "sha256": row.sha256,
            "attempts": row.attempts,
            "seconds": finite(row.seconds),
            "extra": _extra(row.extra),
            "maker": maker,
        }
        # Without what is not there, which is most of it.
        self._items.append({name: value for name, value in values.items() if value is not None and value != []})

    def told(self) -> dict[str, Any]:
        """Returns them as JSON values."""
        return {"makers": list(self._makers), "items": self._items}


def _answer(answer: Answer) -> dict[str, Any]:
    values: dict[str, Any] = {
        "name": answer.name,
        "kind": answer.kind.value,
        "question": answer.question,
        "text": answer.text,
        "said": answer.said,
        "confidence": finite(answer.confidence),
        "choices": [[choice.text, finite(choice.probability, 6)] for choice in answer.choices or ()],
        "chosen": _chosen(answer),
        "raw": [finite(probability, 6) for probability in answer.raw or ()],
        "alternatives": [[other.text, finite(other.confidence)] for other in answer.alternatives or ()],
        "cutOff": answer.finish_reason == "length",
        "tokens": answer.tokens,
        "promptTokens": answer.prompt_tokens,
        "cached": answer.cached,
    }
    return {name: value for name, value in values.items() if value is not None and value is not False and value != []}


def _chosen(answer: Answer) -> list[str]:
    """Returns those of the choices that the model took, in its own words."""
    said = said_terms(answer.kind, answer.text if answer.said is None else answer.said)
    return [choice.text for choice in answer.choices or () if choice.text in said]


def _extra(text: str | None) -> list[list[str]]:
    """Returns the caller's own columns, names and values as texts."""
    columns = list(extra_values(text).items())
    told = [[clipped(name, _REFERENCE), clipped(as_text(value), _EXTRA)] for name, value in columns[:_EXTRA_COLUMNS]]
    if len(columns) > len(told):
        told.append(["\N{HORIZONTAL ELLIPSIS}", f"{len(columns) - len(told)} more columns, in the job's results"])
    return told
