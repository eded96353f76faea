"""An answer as it is kept, and back. What is read is believed of nobody: a value that does not fit is none."""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from askpix.producer.generation import MAX_NEW_TOKENS, MAX_ROWS
from askpix.producer.questions import NO, YES, Question, title_of
from askpix.producer.rows import Alternative, Answer, Choice, Kind

MAX_BYTES = 1 << 20
"""Of one value."""

_MAX_SIDE = 1 << 20
_MAX_CHARACTERS = 200_000
_ROUNDED = 1e-6
"""By how much probabilities may miss what they add up to."""

_Text = Annotated[str, Field(max_length=_MAX_CHARACTERS)]
_Probability = Annotated[float, Field(ge=0, le=1 + _ROUNDED)]


class _Kept(BaseModel):
    """An answer without what its question says."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    text: _Text | None = None
    confidence: _Probability | None = None
    """Both follow from the probabilities where there are choices, and are not kept then."""

    tokens: Annotated[int, Field(ge=0, le=MAX_NEW_TOKENS)]
    finish_reason: Annotated[str, Field(pattern="^(stop|length)$")] = "stop"
    probabilities: Annotated[list[_Probability], Field(max_length=1_000)] | None = None
    """Of the choices, in their order."""

    alternatives: Annotated[list[tuple[_Text, _Probability]], Field(max_length=MAX_ROWS)] | None = None
    prompt_tokens: Annotated[int, Field(ge=0, le=1 << 31)] | None = None


_Side = Annotated[int, Field(ge=1, le=_MAX_SIDE)]
_SIZE: TypeAdapter[tuple[int, int]] = TypeAdapter(tuple[_Side, _Side], config=ConfigDict(strict=True))


def kept(answer: Answer) -> bytes:
    """Returns an answer as it is kept."""
    value = {
        **({} if answer.choices else {"text": answer.text, "confidence": answer.confidence}),
        "tokens": answer.tokens,
        "finish_reason": answer.finish_reason,
        "probabilities": answer.choices and [choice.probability for choice in answer.choices],
        "alternatives": answer.alternatives and [[other.text, other.confidence] for other in answer.alternatives],
        "prompt_tokens": answer.prompt_tokens,
    }
    given = {name: held for name, held in value.items() if held is not None}
    return json.dumps(given, ensure_ascii=False, separators=(",", ":")).encode()


def recalled(value: bytes, question: Question | None) -> Answer | None:
    """Returns the answer to a question, from what was kept of it; None where that is none.

    Args:
        question: None for a caption.
    """
    if len(value) > MAX_BYTES:
        return None
    try:
        found = _Kept.model_validate_json(value)
        kind = _kind(question, found)
        choices = _choices(question, found.probabilities)
        text, confidence = _said(found, choices)
    except (ValidationError, ValueError, RecursionError):
        return None
    return Answer(
        name=title_of(question),
        kind=kind,
        question=None if question is None else question.text,
        text=text,
        confidence=confidence,
        tokens=found.tokens,
        choices=choices,
        finish_reason=found.finish_reason,
        alternatives=_alternatives(found),
        prompt_tokens=found.prompt_tokens,
        cached=True,
    )


def kept_size(width: int, height: int) -> bytes:
    """Returns an image's size as it is kept."""
    return json.dumps([width, height]).encode()


def recalled_size(value: bytes | None) -> tuple[int, int] | None:
    """Returns width and height of an image, from what was kept of them; None where that is none."""
    try:
        return None if value is None else _SIZE.validate_json(value[:100])
    except ValidationError:
        return None


def _kind(question: Question | None, found: _Kept) -> Kind:
    """Returns what the answer to a question is.

    Raises:
        ValueError: it is not what the question asks for.
    """
    if (question is not None and question.choices is not None) != (found.probabilities is not None):
        raise ValueError("it chooses of what was not asked")
    if question is None:
        return Kind.CAPTION
    if question.match:
        if found.text not in (YES, NO):
            raise ValueError("it says neither yes nor no")
        return Kind.MATCH
    if question.choices is not None:
        probabilities = found.probabilities or []
        if len(probabilities) != len(question.choices) or abs(sum(probabilities) - 1) > _ROUNDED:
            raise ValueError("these are no probabilities of the choices")
        return Kind.CHOICE
    if question.json_schema is not None:
        json.loads(found.text or "")
        return Kind.JSON
    return Kind.OPEN


def _said(found: _Kept, choices: tuple[Choice, ...] | None) -> tuple[str, float]:
    """Returns an answer's text, and how sure the model was of it: of choices, the likeliest.

    Raises:
        ValueError: it is said where it follows, or not said where it does not.
    """
    if choices is None:
        if found.text is None or found.confidence is None:
            raise ValueError("it says nothing")
        return found.text, found.confidence
    if found.text is not None or found.confidence is not None:
        raise ValueError("it says what follows from it")
    best = max(choices, key=lambda choice: choice.probability)
    return best.text, best.probability


def _choices(question: Question | None, probabilities: list[float] | None) -> tuple[Choice, ...] | None:
    if question is None or question.choices is None or probabilities is None:
        return None
    return tuple(
        Choice(text=text, probability=probability)
        for text, probability in zip(question.choices, probabilities, strict=True)
    )


def _alternatives(found: _Kept) -> tuple[Alternative, ...] | None:
    if not found.alternatives:
        return None
    return tuple(Alternative(text=text, confidence=confidence) for text, confidence in found.alternatives)
