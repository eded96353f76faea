"""Choices whose likelihoods are known, as an answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from askpix.producer.questions import Question
from askpix.producer.rows import Answer, Choice, Kind


def choice_answer(
    question: Question, scores: Sequence[float], tokens: Sequence[int], prompt_tokens: int | None = None
) -> Answer:
    """Returns the likeliest choice of a question.

    A choice's probability is its likelihood as a whole answer, end token included, over the sum of all.

    Args:
        scores: log-likelihood of each choice.
        tokens: how many each has.
        prompt_tokens: how many the model was given; None where that is not counted.
    """
    assert question.choices is not None
    logs = np.array(scores)
    likelihoods = np.exp(logs - logs.max())
    probabilities = likelihoods / likelihoods.sum()
    best = int(probabilities.argmax())
    return Answer(
        name=question.title,
        kind=Kind.CHOICE,
        question=question.text,
        text=question.choices[best],
        confidence=float(probabilities[best]),
        tokens=tokens[best],
        choices=tuple(
            Choice(text=text, probability=float(probability))
            for text, probability in zip(question.choices, probabilities, strict=True)
        ),
        prompt_tokens=prompt_tokens,
    )
