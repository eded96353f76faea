"""Answers of several images as those of one thing, by numbers that were worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from askpix.producer import Kind, Question
from askpix.producer.groups import Given, View, combined


def choice(name: str, text: str = "", /, kind: Kind = Kind.CHOICE, **probabilities: float) -> Given:
    best = text or max(probabilities, key=probabilities.__getitem__)
    scores = tuple(probabilities.values())
    return Given(name, kind, best, max(scores), tuple(probabilities), scores)


def said(name: str, text: str, confidence: float, kind: Kind = Kind.OPEN) -> Given:
    return Given(name, kind, text, confidence, None, None)


def views(*answers: tuple[Given, ...], asked: tuple[Question, ...] = ()) -> list[View]:
    return [View(given, asked) for given in answers]


def texts(*answers: tuple[Given, ...], asked: tuple[Question, ...]) -> dict[str, str]:
    return {answer.name: answer.text for answer in combined(views(*answers, asked=asked))}


COLOR = Question("what color?", name="color", choices=["red", "blue", "navy"])


def test_of_choices_the_probabilities_are_averaged() -> None:
    (answer,) = combined(
        views(
            (choice("color", red=0.6, blue=0.3, navy=0.1),),
            (choice("color", red=0.2, blue=0.7, navy=0.1),),
            (choice("color", red=0.1, blue=0.5, navy=0.4),),
            asked=(COLOR,),
        )
    )

    # (0.6 + 0.2 + 0.1) / 3 is 0.3, (0.3 + 0.7 + 0.5) / 3 is 0.5, (0.1 + 0.1 + 0.4) / 3 is 0.2
    assert (answer.text, answer.confidence) == ("blue", pytest.approx(0.5))


def test_terms_that_choices_share_are_added_after_averaging() -> None:
    mapped = COLOR.model_copy(update={"map": {"navy": "blue"}})

    (answer,) = combined(
        views(
            (choice("color", red=0.5, blue=0.1, navy=0.4),),
            (choice("color", red=0.4, blue=0.4, navy=0.2),),
            asked=(mapped,),
        )
    )

    # blue 0.25 + navy 0.3 against red 0.45
    assert (answer.text, answer.confidence) == ("blue", pytest.approx(0.55))


def test_what_is_not_sure_enough_is_so_by_the_average() -> None:
    careful = COLOR.model_copy(update={"below": 0.5, "then": "unknown"})
    sure = choice("color", red=0.9, blue=0.05, navy=0.05)
    against = choice("color", red=0.05, blue=0.9, navy=0.05)

    assert texts((sure,), (against,), asked=(careful,)) == {"color": "unknown"}  # 0.475 each
    # And the other way: each view alone was unsure of its text, the average of both is as unsure.
    assert texts((sure,), (sure,), asked=(careful,)) == {"color": "red"}


def test_of_choices_judged_one_by_one_each_is_averaged() -> None:
    prints = Question("is there a {choice} on it?", name="print", choices=["cat", "star"], multiple=True)

    (answer,) = combined(
        views(
            (choice("print", "cat", kind=Kind.MULTIPLE, cat=0.9, star=0.4),),
            (choice("print", "cat", kind=Kind.MULTIPLE, cat=0.5, star=0.8),),
            asked=(prints,),
        )
    )

    # cat 0.7, star 0.6: both, with 0.7 * 0.6
    assert (answer.text, answer.confidence) == ("cat, star", pytest.approx(0.42))


def test_of_texts_the_surest_is_taken_and_the_first_of_equals() -> None:
    answers = [said("caption", text, sure, Kind.CAPTION) for text, sure in (("a", 0.5), ("b", 0.8), ("c", 0.8))]

    (answer,) = combined(views(*[(answer,) for answer in answers]))

    assert (answer.text, answer.confidence) == ("b", 0.8)


@pytest.mark.parametrize(("scores", "mean", "text"), [((0.9, 0.2), 0.55, "yes"), ((0.6, 0.3), 0.45, "no")])
def test_how_well_a_text_fits_is_averaged(scores: tuple[float, ...], mean: float, text: str) -> None:
    asked = (Question("a red mug", name="fit", match=True),)

    (answer,) = combined(views(*[(said("fit", "yes", s, Kind.MATCH),) for s in scores], asked=asked))

    assert (answer.confidence, answer.text) == (pytest.approx(mean), text)


KIND = Question("what is it?", name="kind", choices=["shirt", "bag"])
SLEEVE = Question("how long?", name="sleeve", choices=["long", "short"], when={"kind": "shirt"})


def test_a_condition_is_held_against_the_groups_own_answer() -> None:
    # Given: two views that say bag, and one that says shirt, which alone was asked about its sleeves.
    shirt = (choice("kind", shirt=0.6, bag=0.4), choice("sleeve", long=0.9, short=0.1))
    bag = (choice("kind", shirt=0.1, bag=0.9),)

    assert texts(shirt, bag, bag, asked=(KIND, SLEEVE)) == {"kind": "bag"}
    # And where the group is a shirt after all, 0.433 of three, then 0.533.
    assert texts(shirt, shirt, bag, asked=(KIND, SLEEVE)) == {"kind": "bag"}
    unsure = (choice("kind", shirt=0.4, bag=0.6),)
    assert texts(shirt, shirt, unsure, asked=(KIND, SLEEVE)) == {"kind": "shirt", "sleeve": "long"}


def test_what_depends_on_an_answer_that_does_not_count_does_not_count_either() -> None:
    button = Question("buttons?", name="button", choices=["yes", "no"], when={"sleeve": ["long", "short"]})
    color = Question("which color?", name="cuff", after="sleeve")
    shirt = (
        choice("kind", shirt=0.6, bag=0.4),
        choice("sleeve", long=0.9, short=0.1),
        choice("button", yes=0.9, no=0.1),
        said("cuff", "red", 0.9),
    )
    bag = (choice("kind", shirt=0.1, bag=0.9),)

    assert texts(shirt, bag, asked=(KIND, SLEEVE, button, color)) == {"kind": "bag"}


def test_a_condition_on_one_of_several_terms_is_met_by_any() -> None:
    prints = Question("is there a {choice} on it?", name="print", choices=["cat", "star"], multiple=True)
    which = Question("which cat?", name="cat", when={"print": ["cat", "dog"]})
    given = (choice("print", "cat", kind=Kind.MULTIPLE, cat=0.9, star=0.8), said("cat", "tabby", 0.5))

    assert texts(given, asked=(prints, which)) == {"print": "cat, star", "cat": "tabby"}


def test_a_failed_image_takes_no_part() -> None:
    (answer,) = combined(
        [
            View((), (COLOR,)),
            *views((choice("color", red=0.6, blue=0.3, navy=0.1),), asked=(COLOR,)),
        ]
    )

    assert (answer.text, answer.confidence) == ("red", pytest.approx(0.6))


def test_nothing_was_answered_is_no_answers() -> None:
    assert combined([View((), (COLOR,))]) == ()


def test_questions_of_a_rows_own_come_after_the_others_each_by_its_name() -> None:
    own = (Question("how tall?", name="size"),)
    found = combined(
        [
            *views((said("what?", "a mug", 0.5),), asked=(Question("what?"),)),
            *views((said("size", "tall", 0.4),), asked=own),
        ]
    )

    assert [(answer.name, answer.text) for answer in found] == [("what?", "a mug"), ("size", "tall")]


@pytest.mark.parametrize(
    "answers",
    [
        # Choices that differ, as rows with questions of their own may have them: those like the first count.
        (choice("color", red=0.9, blue=0.1), choice("color", green=0.1, pink=0.9)),
        # What no askpix has written.
        (choice("color", red=0.9, blue=0.1), choice("color", red=float("nan"), blue=0.1)),
        (choice("color", red=0.9, blue=0.1)._replace(choices=None, probabilities=None),),
        (choice("color", red=1e308, blue=0.1), choice("color", red=1e308, blue=0.1)),
        (choice("color", red=float("inf"), blue=0.1), choice("color", "red", red=float("-inf"), blue=0.1)),
    ],
)
def test_answers_that_do_not_go_together_end_in_one_of_them(answers: tuple[Given, ...]) -> None:
    asked: Any = (Question("what color?", name="color", choices=["red", "blue"]),)

    (found,) = combined(views(*[(answer,) for answer in answers], asked=asked))

    assert found.text == "red"


def test_two_answers_of_one_name_in_a_row_stay_two() -> None:
    row = (said("q", "first", 0.5), said("q", "second", 0.5))

    assert [answer.text for answer in combined(views(row, row, asked=(Question("q"), Question("q"))))] == [
        "first",
        "second",
    ]
