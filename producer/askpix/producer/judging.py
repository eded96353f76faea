"""From what a model says to what a row says: calibration, the shop's own terms, and what is not sure enough.

The model's own numbers are kept apart from all of this, so that none of it is a reason to ask the model again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from askpix.producer.calibration import Calibration
from askpix.producer.questions import Question
from askpix.producer.rows import Answer, Choice, Kind
from askpix.producer.terms import joined, split

_LEAST = 1e-300
"""A probability of 0 has no logarithm."""


def judged(question: Question, answer: Answer) -> Answer:
    """Returns what a row says where a model gave this answer."""
    return settled(question, calibrated(question, answer))


def calibrated(question: Question, answer: Answer) -> Answer:
    """Returns an answer whose choices have calibrated probabilities, and the model's own beside them."""
    if question.calibration is None or answer.choices is None:
        return answer
    own = answer.raw or tuple(choice.probability for choice in answer.choices)
    texts = [choice.text for choice in answer.choices]
    change = _one_by_one if answer.kind == Kind.MULTIPLE else _together
    new = change(question.calibration, texts, own)
    choices = tuple(Choice(text=text, probability=p) for text, p in zip(texts, new, strict=True))
    return replace(answer, choices=choices, raw=own)


def settled(question: Question, answer: Answer) -> Answer:
    """Returns an answer in the question's own terms, and with what stands for all that is not sure enough."""
    match answer.kind:
        case Kind.CHOICE:
            answer = _chosen(question, answer)
        case Kind.MULTIPLE:
            answer = _any_of(question, answer)
        case Kind.MATCH:
            return answer
        case _:
            if question.map is not None:
                words = {word.casefold(): term for word, term in question.map.items()}
                answer = _said(answer, words.get(answer.text.strip().casefold(), answer.text))
    if question.below is not None and question.then is not None and answer.confidence < question.below:
        answer = _said(answer, question.then)
    return answer


def certainty(answer: Answer) -> float | None:
    """Returns how sure the model is: of a text that does not fit, as sure as of one that does; None, or another number
    that is no likelihood, where a file of others has that."""
    sure: float | None = answer.confidence
    return max(sure, 1 - sure) if answer.kind is Kind.MATCH and sure is not None and 0 <= sure <= 1 else sure


def said_terms(kind: Kind, text: str) -> frozenset[str]:
    """Returns what conditions compare an answer by: its text, or the terms of which any number may be so."""
    return frozenset((split(text) if kind is Kind.MULTIPLE else ()) or (text,))


def probabilities_of_terms(question: Question, answer: Answer) -> dict[str, float]:
    """Returns how likely each term is, of the choices of which one is so; those of choices that are called alike
    together."""
    found: dict[str, float] = {}
    for choice in answer.choices or ():
        term = _term(question.map, choice.text)
        found[term] = found.get(term, 0.0) + choice.probability
    return found


def _chosen(question: Question, answer: Answer) -> Answer:
    assert answer.choices
    terms = probabilities_of_terms(question, answer)
    best = max(terms, key=terms.__getitem__)
    own = [choice for choice in answer.choices if _term(question.map, choice.text) == best]
    word = max(own, key=lambda choice: choice.probability).text
    return _said(replace(answer, text=word, said=None, confidence=min(terms[best], 1.0)), best)


def _any_of(question: Question, answer: Answer) -> Answer:
    assert answer.choices
    chosen = [choice.text for choice in answer.choices if choice.probability >= 0.5]
    sure = math.prod(max(choice.probability, 1 - choice.probability) for choice in answer.choices)
    if question.calibration is not None and (whole := question.calibration.whole) is not None:
        sure = _logistic(_log_odds(sure) / whole.temperature + whole.shift)
    terms = dict.fromkeys(_term(question.map, word) for word in chosen)
    return _said(replace(answer, text=joined(chosen), said=None, confidence=sure), joined(terms))


def _said(answer: Answer, text: str) -> Answer:
    """Returns an answer with another text, which keeps what the model said."""
    if text == answer.text:
        return answer
    return replace(answer, text=text, said=answer.text if answer.said is None else answer.said)


def _term(words: Mapping[str, str] | None, word: str) -> str:
    return word if words is None else words.get(word, word)


def _together(calibration: Calibration, texts: Sequence[str], probabilities: Sequence[float]) -> list[float]:
    logs = [
        math.log(max(p, _LEAST)) / calibration.temperature + calibration.shifts.get(text, 0.0)
        for text, p in zip(texts, probabilities, strict=True)
    ]
    greatest = max(logs)
    likelihoods = [math.exp(log - greatest) for log in logs]
    total = sum(likelihoods)
    return [likelihood / total for likelihood in likelihoods]


def _one_by_one(calibration: Calibration, texts: Sequence[str], probabilities: Sequence[float]) -> list[float]:
    return [
        _logistic(_log_odds(p) / calibration.temperature + calibration.shifts.get(text, 0.0))
        for text, p in zip(texts, probabilities, strict=True)
    ]


def _log_odds(probability: float) -> float:
    return math.log(max(probability, _LEAST)) - math.log(max(1 - probability, _LEAST))


def _logistic(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds)) if log_odds >= 0 else math.exp(log_odds) / (1 + math.exp(log_odds))
