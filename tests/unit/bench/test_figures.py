"""What the benchmark makes of its rounds: spreads, ratios against floors, and growth of memory."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from bench.blip.checks import WrongTextError, check_lengths, check_same
from bench.blip.figures import Spread, growth, rate, rates, ratios
from bench.blip.tasks import CAPTIONS, QUESTIONS, TEN_QUESTIONS, Said

ROUNDS = [
    {"captions": {"engine-int8": 8.0, "notebook": 2.0}},
    {"captions": {"engine-int8": 4.0, "notebook": 1.0}},
    {"captions": {"engine-int8": 9.0, "notebook": 1.0}},
]


def test_a_spread_is_the_median_between_the_extremes() -> None:
    assert Spread.of([5.0, 1.0, 2.0]) == Spread(median=2.0, lowest=1.0, highest=5.0)
    assert rates(ROUNDS)["captions"]["engine-int8"] == Spread(median=8.0, lowest=4.0, highest=9.0)


def test_ratios_are_taken_within_each_round_and_only_of_forms_that_took_part() -> None:
    # 8/2, 4/1 and 9/1; the ratio of the medians would be 8.
    (ratio,) = ratios(ROUNDS)
    assert (ratio.comparison.over, ratio.comparison.under) == ("engine-int8", "notebook")
    assert ratio.spread == Spread(median=4.0, lowest=4.0, highest=9.0)


@pytest.mark.parametrize(("slower", "holds"), [(1.0, True), (0.99, False)])
def test_a_ratio_holds_when_its_median_reaches_the_floor(slower: float, holds: bool) -> None:
    # The floor of captions against the notebook is 4.
    rounds = [{"captions": {"engine-int8": 4.0 * slower, "notebook": 1.0}}]
    (ratio,) = ratios(rounds)
    assert ratio.holds is holds


def test_a_rate_is_the_slope_over_what_comes_in_steps() -> None:
    # Given: eight at a time, every two seconds
    readings = [(2.0 * step, 8 * step + place) for step in range(6) for place in range(8)]

    # Then: from the first to the last it would be 47 in 10 s
    assert rate(readings) == pytest.approx(4.0)


def test_growth_is_of_the_medians_of_the_second_and_the_last_fifth() -> None:
    # Given: a start that grows, and one sample that stands out
    resident = [100.0, 900.0, 1000.0, 1000.0, 1000.0, 1001.0, 1001.0, 1002.0, 5000.0, 1003.0]

    # Then: the second fifth is the third and fourth sample; the last, the ninth and tenth
    assert growth(resident) == (5000.0 + 1003.0) / 2 - 1000.0
    assert math.isnan(growth(resident[:4]))


def test_texts_that_differ_from_those_of_transformers_are_refused() -> None:
    # Given
    expected = [Said(text="a", tokens=12), Said(text="b", tokens=12)]

    # Then
    check_same("engine", CAPTIONS, expected, expected)
    with pytest.raises(WrongTextError, match="number 1"):
        check_same("engine", CAPTIONS, [expected[0], replace(expected[1], tokens=11)], expected)
    with pytest.raises(WrongTextError, match="shows nothing"):
        check_same("engine", CAPTIONS, expected[:1], expected[:1])


@pytest.mark.parametrize("tokens", [(12, 12, 11), (), (13,)])
def test_timed_texts_of_another_length_are_refused(tokens: tuple[int, ...]) -> None:
    check_lengths("engine", CAPTIONS, (12, 12))
    with pytest.raises(WrongTextError, match="tokens"):
        check_lengths("engine", CAPTIONS, tokens)


def test_all_questions_of_an_image_come_before_those_of_the_next(pixels: list[object]) -> None:
    pairs = TEN_QUESTIONS.pairs(pixels, 12)  # type: ignore[arg-type]
    assert [question for _, question in pairs] == [*QUESTIONS, *QUESTIONS[:2]]
    assert [image for image, _ in pairs] == [pixels[0]] * 10 + [pixels[1]] * 2


@pytest.fixture
def pixels() -> list[object]:
    return [object(), object()]
