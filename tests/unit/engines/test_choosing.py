"""How likely choices are, from their log-likelihoods and lengths."""

from __future__ import annotations

import math

import pytest

from askpix.worker.engine.choosing import probabilities_of


def test_choices_that_are_equally_long_keep_their_likelihoods() -> None:
    likelihoods = (0.2, 0.05, 0.15)
    found = probabilities_of([math.log(one) for one in likelihoods], [3, 3, 3])
    assert list(found) == pytest.approx([0.5, 0.125, 0.375])


def test_tokens_that_are_equally_likely_make_choices_equally_likely() -> None:
    # Each token has a probability of a tenth.
    assert list(probabilities_of([-2.3, -4.6, -11.5], [1, 2, 5])) == pytest.approx([1 / 3] * 3)


def test_a_longer_choice_of_likelier_tokens_wins() -> None:
    # Means of -1 and -0.75, at a mean length of 3: e^-3 against e^-2.25.
    short, long = probabilities_of([-2, -3], [2, 4])
    assert long / short == pytest.approx(math.exp(0.75))


def test_likelihoods_may_be_as_small_as_they_like() -> None:
    assert list(probabilities_of([-5_000, -2_000], [2, 2])) == [0.0, 1.0]
