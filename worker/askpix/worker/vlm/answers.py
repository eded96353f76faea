"""Answers out: what was generated or scored, as a person reads it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from askpix.producer.questions import title_of
from askpix.producer.rows import Alternative, Answer, Kind
from askpix.worker.engine.choosing import choice_answer
from askpix.worker.engine.failures import spoiled
from askpix.worker.error_codes import Code
from askpix.worker.item_errors import RequestError
from askpix.worker.vlm.schemas import schema_problem
from askpix.worker.vlm.work import Run, Said, VlmRequest

_SCHEMA_TRIES = 3
"""To have an answer that keeps to its schema, where what the pipeline keeps to is not all that the schema says."""


def outcome_of(run: Run, texts: tuple[Said, ...]) -> Answer | RequestError | Run | None:
    """Returns what a request has come to by the end of one of its runs.

    Returns:
        The answer, or why there is none; the run, where it is to go again; None where others are to end first.
    """
    request, question = run.request, run.request.question
    if reason := spoiled([number for said in texts for number in said.log_probabilities]):
        return reason
    request.found[run.number] = texts
    if question is not None and question.choices is not None:
        if texts[0].finish_reason != "stop":
            return RequestError(Code.TOO_LONG, "a choice has too many tokens")
        if len(request.found) < len(question.choices):
            return None
        said = [request.found[number][0].log_probabilities for number in range(len(question.choices))]
        return choice_answer(question, list(map(sum, said)), list(map(len, said)), request.prompt_tokens)
    schema = None if question is None else question.json_schema
    if schema is None:
        return text_answer(request, texts)
    problems = [schema_problem(said.text, schema) for said in texts]
    if good := [said for said, problem in zip(texts, problems, strict=True) if problem is None]:
        return text_answer(request, good)
    why = problems[0]
    if texts[0].finish_reason != "stop":
        why = f"it was cut off after {len(texts[0].log_probabilities)} tokens: give more as max_new_tokens"
    elif request.tries < _SCHEMA_TRIES:
        request.tries += 1
        return run
    return RequestError(Code.SCHEMA_UNMET, f"the answer is not as the schema says: {why}")


def text_answer(request: VlmRequest, texts: Sequence[Said]) -> Answer:
    """Returns a caption, an open answer or JSON: the first text, with the others as its alternatives."""
    question, best = request.question, texts[0]
    kind = Kind.CAPTION if question is None else Kind.JSON if question.json_schema is not None else Kind.OPEN
    return Answer(
        name=title_of(question),
        kind=kind,
        question=None if question is None else question.text,
        text=_whole(request, best),
        confidence=_confidence(best),
        tokens=len(best.log_probabilities),
        finish_reason=best.finish_reason,
        alternatives=tuple(
            Alternative(text=_whole(request, other), confidence=_confidence(other)) for other in texts[1:]
        )
        or None,
        prompt_tokens=request.prompt_tokens,
    )


def _whole(request: VlmRequest, said: Said) -> str:
    return (request.begun + said.text).strip()


def _confidence(said: Said) -> float:
    """Returns the geometric mean of the tokens' probabilities."""
    return math.exp(sum(said.log_probabilities) / max(len(said.log_probabilities), 1))
