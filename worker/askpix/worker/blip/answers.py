"""Answers out: what was decoded or scored, as a person reads it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from askpix.producer.questions import NO, YES, title_of
from askpix.producer.rows import Alternative, Answer, Kind
from askpix.worker.blip.sequences import Text
from askpix.worker.blip.text import BlipTokenizer
from askpix.worker.blip.work import BlipRequest

_MATCHES = 0.5
"""From where on a text fits its image."""


def text_answer(request: BlipRequest, texts: Sequence[Text], tokenizer: BlipTokenizer) -> Answer:
    """Returns a caption or an open answer: the first text, with the others as its alternatives.

    The confidence is the geometric mean of the generated tokens' probabilities, the end token included.
    """
    question, best = request.question, texts[0]
    return Answer(
        name=title_of(question),
        kind=Kind.CAPTION if question is None else Kind.OPEN,
        question=None if question is None else question.text,
        text=tokenizer.decode([*request.prompt_ids, *best.tokens]),
        confidence=_confidence(best),
        tokens=len(best.tokens),
        finish_reason="stop" if best.tokens[-1] == tokenizer.end else "length",
        alternatives=tuple(
            Alternative(text=tokenizer.decode([*request.prompt_ids, *other.tokens]), confidence=_confidence(other))
            for other in texts[1:]
        )
        or None,
    )


def _confidence(text: Text) -> float:
    return math.exp(sum(text.log_probabilities) / len(text.log_probabilities))


def match_answer(request: BlipRequest, score: float) -> Answer:
    """Returns how likely it is that a text fits its image."""
    question = request.question
    assert question is not None
    return Answer(
        name=question.title,
        kind=Kind.MATCH,
        question=question.text,
        text=YES if score >= _MATCHES else NO,
        confidence=score,
        tokens=0,
    )
