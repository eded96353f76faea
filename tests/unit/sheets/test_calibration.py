"""What calibration finds from examples whose truth is known, and that it finds nothing where there is nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from helpers.tagged import answer
from pydantic import ValidationError

from askpix.producer.calibrating.calibrate import Outcomes
from askpix.producer.calibrating.examples import Example
from askpix.producer.calibrating.fitting import Evidence, Form, chosen, evidence, fitted, too_few
from askpix.producer.calibrating.measures import Outcome, measured
from askpix.producer.calibrating.whole import fitted_whole
from askpix.producer.calibration import Calibration
from askpix.producer.questions import Question

NAMES = ("red", "green", "blue", "black")
COLOR = Question("what color is it?", name="color", choices=NAMES)
PRINTS = Question("is there a {choice}?", name="prints", choices=NAMES, multiple=True)

Numbers = npt.NDArray[np.float64]


def softmax(scores: Numbers) -> Numbers:
    likelihoods = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Numbers = likelihoods / likelihoods.sum(axis=1, keepdims=True)
    return shares


def examples(question: Question, said: Numbers, labels: Sequence[str]) -> list[Example]:
    """Returns examples in which the model gave these probabilities [examples, choices]."""
    return [
        Example(answer=replace(answer(question, row.tolist()), name=question.title), label=label)
        for row, label in zip(said, labels, strict=True)
    ]


def chosen_ones(count: int, *, temperature: float = 1.0, shifts: Sequence[float] = (0, 0, 0, 0)) -> list[Example]:
    """Returns examples of a model that would be right as often as it says, were its numbers changed so."""
    rng = np.random.default_rng(11)
    true = rng.normal(0, 2, (count, len(NAMES)))
    labels = [NAMES[rng.choice(len(NAMES), p=row)] for row in softmax(true)]
    return examples(COLOR, softmax((true - np.array(shifts)) * temperature), labels)


def judged_ones(count: int, *, temperature: float = 1.0, shifts: Sequence[float] = (0, 0, 0, 0)) -> list[Example]:
    """Returns the like of choices that are judged one by one."""
    rng = np.random.default_rng(12)
    true = rng.normal(-1, 2, (count, len(NAMES)))
    so = rng.random(true.shape) < 1 / (1 + np.exp(-true))
    labels = [", ".join(name for name, is_so in zip(NAMES, row, strict=True) if is_so) for row in so]
    return examples(PRINTS, 1 / (1 + np.exp(-(true - np.array(shifts)) * temperature)), labels)


def seen(found: list[Example]) -> Evidence:
    return evidence(COLOR if found[0].answer.name == "color" else PRINTS, found)


@pytest.mark.parametrize("made", [chosen_ones, judged_ones])
def test_a_temperature_that_is_known_is_found(made: object) -> None:
    found = made(4_000, temperature=2.5)  # type: ignore[operator]

    assert chosen(seen(found)) is Form.TEMPERATURE
    calibration = fitted(seen(found), Form.TEMPERATURE)
    assert calibration is not None
    assert calibration.temperature == pytest.approx(2.5, rel=0.08)
    assert not calibration.shifts


@pytest.mark.parametrize("made", [chosen_ones, judged_ones])
def test_shifts_that_are_known_are_found(made: object) -> None:
    shifts = (1.5, -0.5, 0.0, -1.0)
    found = made(4_000, temperature=2.0, shifts=shifts)  # type: ignore[operator]

    assert chosen(seen(found)) is Form.SHIFTS
    calibration = fitted(seen(found), Form.SHIFTS)
    assert calibration is not None
    assert calibration.temperature == pytest.approx(2.0, rel=0.08)
    assert [calibration.shifts.get(name, 0) for name in NAMES] == pytest.approx(shifts, abs=0.2)


@pytest.mark.parametrize("count", [30, 300, 3_000])
@pytest.mark.parametrize("made", [chosen_ones, judged_ones])
def test_what_is_calibrated_already_stays_as_it_is(made: object, count: int) -> None:
    assert chosen(seen(made(count))) is Form.NONE  # type: ignore[operator]


def test_the_same_examples_give_the_same_calibration() -> None:
    first, second = (fitted(seen(chosen_ones(300, temperature=2.0)), Form.SHIFTS) for _ in range(2))

    assert first == second


def test_300_examples_make_others_better_and_do_not_overfit() -> None:
    # Given: 300 to fit to, and others of the same model.
    found = chosen_ones(5_300, temperature=3.0, shifts=(0.5, 0, 0, -0.5))
    few, others = found[:300], found[300:]

    # When
    calibration = fitted(seen(few), chosen(seen(few)))

    # Then
    before, after = (Outcomes().see(COLOR, each, others).figures(0.9).answers for each in (None, calibration))
    assert before.ece > 0.15
    assert after.ece < 0.04
    assert after.accuracy >= before.accuracy


def test_terms_that_merge_choices_are_fitted_as_one() -> None:
    # Given: a model that cannot tell green from blue, of which the shop makes one term, and is right of that.
    question = COLOR.model_copy(update={"map": {"green": "sea", "blue": "sea"}})
    rng = np.random.default_rng(5)
    own = softmax(rng.normal(0, 2, (3_000, 4)))
    terms = np.stack([own[:, 0], own[:, 1] + own[:, 2], own[:, 3]], axis=1)
    labels = [("red", "sea", "black")[rng.choice(3, p=row)] for row in terms]
    found = [
        Example(answer=answer(question, row.tolist()), label=label) for row, label in zip(own, labels, strict=True)
    ]

    # Then: nothing is to be changed, whichever of the two the model prefers.
    assert chosen(evidence(question, found)) is Form.NONE
    assert Outcomes().see(question, None, found).figures(0.9).answers.ece < 0.03


def test_a_choice_of_which_there_is_no_example_is_not_shifted() -> None:
    found = [each for each in chosen_ones(600, temperature=2.0, shifts=(1, 0, 0, -1)) if each.label != "blue"]

    calibration = fitted(seen(found), Form.SHIFTS)

    assert calibration is not None
    assert "blue" not in calibration.shifts
    assert calibration.shifts.keys() == {"red", "green", "black"}
    assert too_few(seen(found)) == {"blue": 0}


@pytest.mark.parametrize("question", [COLOR, PRINTS])
@pytest.mark.parametrize("right", [True, False])
def test_all_right_and_all_wrong_give_numbers_that_a_sheet_takes(question: Question, right: bool) -> None:
    sure = np.full((300, 4), 1e-9)
    sure[:, 0] = 1.0
    found = examples(question, sure, ["red" if right else "black"] * 300)

    for form in Form:
        calibration = fitted(evidence(question, found), form)
        assert (calibration is None) == (form is Form.NONE)
        if calibration is not None:
            assert 0.02 <= calibration.temperature <= 100
            outcomes = Outcomes().see(question, calibration, found).figures(0.9).answers
            assert (outcomes.confidence > 0.9) == right


@pytest.mark.parametrize("question", [COLOR, PRINTS])
def test_probabilities_of_0_and_1_are_taken_whatever_is_right(question: Question) -> None:
    sure = np.zeros((40, 4))
    sure[:, 0] = 1.0
    found = examples(question, sure, ["red"] * 30 + ["black"] * 10)

    calibration = fitted(evidence(question, found), chosen(evidence(question, found)))

    assert calibration is None or calibration.temperature > 1


@pytest.mark.parametrize("made", [chosen_ones, judged_ones])
def test_one_example_changes_little(made: object) -> None:
    found = seen(made(1))  # type: ignore[operator]

    for form in (Form.TEMPERATURE, Form.SHIFTS):
        calibration = fitted(found, form)
        assert calibration is not None
        assert calibration.temperature == pytest.approx(1, abs=0.8)
        assert calibration.shifts == {}


@pytest.mark.parametrize("question", [COLOR, PRINTS])
def test_the_losses_have_the_slopes_that_they_say(question: Question) -> None:
    """Against differences, with two choices that are called alike."""
    from askpix.producer.calibrating.fitting import _losses

    merged = question.model_copy(update={"map": {"red": "warm", "green": "warm"}})
    rng = np.random.default_rng(3)
    said = softmax(rng.normal(0, 1, (50, 4)))
    labels = [str(rng.choice(["warm", "blue", "black"])) for _ in said]
    found = evidence(merged, examples(merged, said, labels))
    at = rng.normal(0, 0.5, 5)

    slopes = _losses(found, at)[1]

    for place in range(5):
        step = np.zeros(5)
        step[place] = 1e-6
        rise = _losses(found, at + step)[0].sum() - _losses(found, at - step)[0].sum()
        assert slopes[place] == pytest.approx(rise / 2e-6, rel=1e-4, abs=1e-4)


# Answers of several terms. -----------------------------------------------------------------------


def hard_and_easy_ones(count: int) -> list[Example]:
    """Returns examples whose judgements are as often right as they say, but all wrong together, in one image in four
    that is hard: there the model is right half the time, and in the others always."""
    rng = np.random.default_rng(14)
    hard = rng.random(count) < 0.25
    so = rng.random((count, len(NAMES))) < 0.5
    right = ~hard[:, None] | (rng.random(count) < 0.5)[:, None]
    labels = [", ".join(name for name, is_so in zip(NAMES, row, strict=True) if is_so) for row in so]
    sure = np.full(so.shape, 0.875)
    return examples(PRINTS, np.where(so == right, sure, 1 - sure), labels)


def test_mistakes_that_come_together_are_told_from_those_that_do_not() -> None:
    # Given: 300 to fit to, and others. The product of four judgements says 0.59, and 0.875 of the answers are right.
    found = hard_and_easy_ones(5_300)
    few, others = found[:300], found[300:]
    apart = Outcomes().see(PRINTS, None, few)

    whole = fitted_whole(apart.answers)

    assert whole is not None
    changed = Calibration(whole=whole)
    before, after = (Outcomes().see(PRINTS, each, others).figures(0.9) for each in (None, changed))
    assert before.answers.ece > 0.2
    assert after.answers.ece < 0.04
    assert after.answers.accuracy == before.answers.accuracy
    assert after.judgements == before.judgements
    assert before.judgements is not None
    assert before.judgements.ece < 0.03


@pytest.mark.parametrize("count", [30, 300, 3_000])
def test_whole_answers_whose_judgements_are_independent_stay_as_they_are(count: int) -> None:
    assert fitted_whole(Outcomes().see(PRINTS, None, judged_ones(count)).answers) is None


@pytest.mark.parametrize("right", [True, False])
def test_whole_answers_that_are_all_right_or_all_wrong_give_numbers_that_a_sheet_takes(right: bool) -> None:
    whole = fitted_whole([Outcome(1.0 if number % 2 else 0.5, right) for number in range(60)])

    assert whole is not None
    assert 0.02 <= whole.temperature <= 100
    assert abs(whole.shift) < 99


def test_the_losses_of_whole_answers_have_the_slopes_that_they_say() -> None:
    from askpix.producer.calibrating.whole import _losses

    rng = np.random.default_rng(3)
    logs, right, at = rng.normal(0, 2, 50), rng.random(50) < 0.5, rng.normal(0, 0.5, 2)

    slopes = _losses(logs, right, at)[1]

    for step, slope in zip(np.eye(2) * 1e-6, slopes, strict=True):
        rise = _losses(logs, right, at + step)[0].sum() - _losses(logs, right, at - step)[0].sum()
        assert slope == pytest.approx(rise / 2e-6, rel=1e-4, abs=1e-4)


def test_what_is_done_to_whole_answers_is_for_choices_that_are_judged_one_by_one() -> None:
    with pytest.raises(ValidationError, match="whole is for multiple"):
        Question("q", choices=NAMES, calibration={"whole": {"shift": 1}})


# Measures. ---------------------------------------------------------------------------------------


def test_the_calibration_error_is_how_far_shares_are_from_confidence() -> None:
    outcomes = [Outcome(0.95, True)] * 6 + [Outcome(0.95, False)] * 2 + [Outcome(0.5, True)] * 2

    found = measured(outcomes, 0.7)

    assert found.accuracy == 0.8
    assert found.confidence == pytest.approx(0.86)
    assert found.ece == pytest.approx(0.8 * abs(0.75 - 0.95) + 0.2 * 0.5)
    assert [each is not None for each in found.bins].count(True) == 2
    assert found.bins[14] is not None
    assert found.bins[14].count == 8


@pytest.mark.parametrize(
    ("precision", "coverage", "above"), [(1.0, 0.25, 0.9), (0.75, 1.0, 0.2), (0.7, 1.0, 0.2), (0.99, 0.25, 0.9)]
)
def test_coverage_is_the_largest_share_of_that_precision(
    precision: float, coverage: float, above: float | None
) -> None:
    outcomes = [Outcome(0.2, True), Outcome(0.9, True), Outcome(0.6, False), Outcome(0.6, True)]

    found = measured(outcomes, precision)

    assert (found.coverage, found.above) == (coverage, above)


def test_nothing_goes_unchecked_where_the_surest_are_wrong() -> None:
    found = measured([Outcome(1.0, False), Outcome(1.0, True), Outcome(0.1, False)], 0.9)

    assert (found.coverage, found.above) == (0.0, None)


def test_confidences_of_0_and_1_are_in_the_first_and_in_the_last_bin() -> None:
    found = measured([Outcome(0.0, False), Outcome(1.0, True)], 0.9)

    assert found.ece == 0
    assert found.bins[0] is not None
    assert found.bins[14] is not None


def test_a_temperature_at_which_probabilities_are_no_numbers_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"greater than or equal to 0\.001"):
        Calibration(temperature=1e-310)

    coldest = COLOR.model_copy(update={"calibration": Calibration(temperature=0.001)})
    (right,) = examples(coldest, np.array([[1.0, 0.0, 0.0, 0.0]]), ["red"])
    assert [choice.probability for choice in right.answer.choices or ()] == [1, 0, 0, 0]


def test_a_calibration_is_measured_as_rows_are_judged() -> None:
    question = COLOR.model_copy(update={"map": {"red": "crimson"}, "below": 0.9, "then": "unknown"})
    found = [Example(answer=answer(COLOR, (0.5, 0.4, 0.05, 0.05)), label="crimson")]

    plain = Outcomes().see(question, None, found).answers
    shifted = Outcomes().see(question, Calibration(shifts={"green": 2.0}), found).answers

    assert plain == [Outcome(pytest.approx(0.5), True)]
    assert shifted[0].right is False
