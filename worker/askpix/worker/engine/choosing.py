"""Choices whose likelihoods are known, as an answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from askpix.producer.questions import Question
from askpix.producer.rows import Answer, Choice, Kind


def choice_answer(
    question: Question, scores: Sequence[float], tokens: Sequence[int], prompt_tokens: int | None = None
) -> Answer:
    """Returns the likeliest choice of a question.

    Args:
        scores: log-likelihood of each choice as a whole answer, end token included.
        tokens: how many each has, that one included.
        prompt_tokens: how many the model was given; None where that is not counted.
    """
    assert question.choices is not None
    probabilities = probabilities_of(scores, tokens)
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


def probabilities_of(scores: Sequence[float], tokens: Sequence[int]) -> npt.NDArray[np.float64]:
    """Returns how likely each of some choices is, of which one is so; float64 [C].

    Each token takes its share off a likelihood, so that of choices of unequal lengths the longer ones mostly lose. So a
    log-likelihood counts as that of a choice of the choices' mean length, of tokens as likely: it is divided by its own
    length, and multiplied by the mean one. Where choices are equally long, these are the likelihoods themselves, over
    the sum of all.

    Measured with the demo model, whose words have one to four pieces, on 3,000 fresh pictures, and on 1,500 with so
    much noise that it is often wrong: accuracy and expected calibration error of the likelihoods over their sum, of
    this, and of the bare means of the tokens' logarithms.

        what is asked          likelihood     this           means
        kind, 2 to 3 tokens     .998  .001     .998  .001     .998  .047
        color, 2 to 5          1.000  .000    1.000  .000    1.000  .079
        print, 2 to 7           .998  .001     .998  .004     .998  .203
        kind, noisy             .702  .242     .701  .241     .701  .131
        color, noisy            .843  .115     .842  .115     .842  .095
        print, noisy            .830  .139     .831  .136     .831  .166

    Bare means are too near each other to be probabilities. What the mean length costs, where a long word once begun is
    all but certain to end, is a tenth of a percent of what is hard to see. What it gives shows with random
    weights, which know nothing: the rank of a choice by its likelihood is that by its length (a correlation of -0.98),
    and by this it is not (0.04).

    Args:
        scores: log-likelihood of each.
        tokens: how many each has, the end token included.
    """
    lengths = np.array(tokens, np.float64)
    logs = np.array(scores, np.float64) * (lengths.mean() / lengths)
    likelihoods = np.exp(logs - logs.max())
    probabilities: npt.NDArray[np.float64] = likelihoods / likelihoods.sum()
    return probabilities
