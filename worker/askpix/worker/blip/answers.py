"""Answers out: what was decoded or scored, as a person reads it."""

from __future__ import annotations

import math

import numpy as np

from askpix.producer.rows import Answer, Choice, Kind
from askpix.worker.blip.lane import Sequence
from askpix.worker.blip.text import BlipTokenizer
from askpix.worker.blip.work import Job


def text_answer(job: Job, sequence: Sequence, tokenizer: BlipTokenizer) -> Answer:
    """Returns a caption or an open answer.

    The confidence is the geometric mean of the generated tokens' probabilities, the end token included.
    """
    question = job.question
    return Answer(
        name="caption" if question is None else question.name or question.text,
        kind=Kind.CAPTION if question is None else Kind.OPEN,
        question=None if question is None else question.text,
        text=tokenizer.decode([*sequence.prompt, *sequence.tokens]),
        confidence=math.exp(sum(sequence.log_probabilities) / len(sequence.log_probabilities)),
        tokens=len(sequence.tokens),
        finish_reason="stop" if sequence.tokens[-1] == tokenizer.end else "length",
    )


def choice_answer(job: Job) -> Answer:
    """Returns the likeliest choice of a job whose choices all have their scores.

    A choice's probability is its likelihood as a whole answer, end token included, over the sum of all.
    """
    question = job.question
    assert question is not None
    assert question.choices is not None
    scores = np.array([job.scores[index] for index in range(len(question.choices))])
    likelihoods = np.exp(scores - scores.max())
    probabilities = likelihoods / likelihoods.sum()
    best = int(probabilities.argmax())
    return Answer(
        name=question.name or question.text,
        kind=Kind.CHOICE,
        question=question.text,
        text=question.choices[best],
        confidence=float(probabilities[best]),
        tokens=len(job.choice_ids[best]),
        choices=tuple(
            Choice(text=text, probability=float(probability))
            for text, probability in zip(question.choices, probabilities, strict=True)
        ),
    )
