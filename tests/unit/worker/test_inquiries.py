"""Questions of a sheet, asked of the demo model by the way that a worker takes: conditions, several of many, terms."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from catalogue import Product, draw
from helpers.engine_calls import handle, request

from askpix.producer.calibration import Calibration
from askpix.producer.items import Item, Turn
from askpix.producer.questions import Question, check_order
from askpix.producer.rows import Answer, Choice, Kind, Row, Status
from askpix.worker.asker import Asker, Asking
from askpix.worker.blip.engine import CAPACITY, BlipEngine
from askpix.worker.engine.base import Request
from askpix.worker.engine.ticket import Ticket
from askpix.worker.inquiry import Inquiry
from askpix.worker.item import ItemWork
from askpix.worker.loading import ImageFacts, LoadedImage
from askpix.worker.local import demo_model

SECONDS = 30

SHIRT = Product(kind="shirt", color="red", pattern="plain", count=1, background="gray", sleeves="long")
MUG = Product(kind="mug", color="blue", pattern="plain", count=1, background="wooden", prints=("star", "moon"))

KIND = Question("what is it?", name="kind", choices=("mug", "shirt", "shoe"))
SLEEVES = Question("how long are the sleeves?", name="sleeves", choices=("short", "long"), when={"kind": "shirt"})
PRINTS = Question("is there a {choice} on it?", name="prints", choices=("star", "heart", "moon"), multiple=True)


class Listening(BlipEngine):
    """The demo model, which remembers what it was asked."""

    def __init__(self) -> None:
        self.heard: list[Request] = []
        super().__init__(demo_model())

    def submit(self, request: Request) -> Ticket:
        self.heard.append(request)
        return super().submit(request)


@pytest.fixture(scope="module")
def engine() -> Iterator[Listening]:
    engine = Listening()
    yield engine
    engine.close()


def asked(engine: BlipEngine, product: Product, *questions: Question, fill: bool = True, **extra: Any) -> Row:
    """Returns the row of one item."""
    ended = threading.Event()
    item = Item(image="a.jpg", questions=questions, extra=extra)
    work = ItemWork(item, engine, started=0.0, ended=lambda _: ended.set())
    image = handle(engine, draw(product, random.Random(1)))
    work.ask(LoadedImage(ImageFacts(), image), None, Asking(fill=fill))
    assert ended.wait(SECONDS)
    return work.row()


def said(row: Row) -> Mapping[str, str]:
    assert row.status is Status.OK, row.error_message
    return {answer.name: answer.text for answer in row.answers}


def test_a_question_is_asked_where_its_condition_holds_and_else_is_not_in_the_row(engine: Listening) -> None:
    assert said(asked(engine, SHIRT, KIND, SLEEVES)) == {"kind": "shirt", "sleeves": "long"}
    assert said(asked(engine, MUG, KIND, SLEEVES)) == {"kind": "mug"}


def test_of_questions_that_are_called_alike_the_first_is_meant(engine: Listening) -> None:
    again = Question("kind", choices=("red", "blue"))
    check_order((KIND, again, SLEEVES))

    row = asked(engine, SHIRT, KIND, again, SLEEVES)

    assert [answer.name for answer in row.answers] == ["kind", "kind", "sleeves"]


def test_a_condition_on_what_was_not_asked_does_not_hold(engine: Listening) -> None:
    cuffs = Question("what color is it?", name="cuffs", when={"sleeves": ["long", "short"]})
    assert said(asked(engine, SHIRT, KIND, SLEEVES, cuffs)) == {"kind": "shirt", "sleeves": "long", "cuffs": "red"}
    assert said(asked(engine, MUG, KIND, SLEEVES, cuffs)) == {"kind": "mug"}


def test_all_conditions_have_to_hold(engine: Listening) -> None:
    color = Question("what color is it?", name="color", choices=("red", "blue"))
    both = Question("what is the pattern?", name="pattern", when={"kind": ["shirt", "mug"], "color": "blue"})
    assert "pattern" not in said(asked(engine, SHIRT, KIND, color, both))
    assert said(asked(engine, MUG, KIND, color, both))["pattern"] == "plain"


def test_a_condition_on_a_question_that_failed_does_not_hold_and_the_row_has_its_error(engine: Listening) -> None:
    broken = Question(" ", name="kind", choices=("mug", "shirt"))
    row = asked(engine, SHIRT, broken, SLEEVES)
    assert (row.status, row.error_code, row.answers) == (Status.ERROR, "empty_question", ())


def test_conditions_go_by_the_shops_terms(engine: Listening) -> None:
    top = KIND.model_copy(update={"map": {"shirt": "top"}})
    sleeves = SLEEVES.model_copy(update={"when": {"kind": ("top",)}})
    row = asked(engine, SHIRT, top, sleeves)
    assert said(row) == {"kind": "top", "sleeves": "long"}
    assert row.answers[0].said == "shirt"
    assert said(asked(engine, SHIRT, top, SLEEVES)) == {"kind": "top"}


def test_what_is_not_sure_enough_is_another_answer_to_conditions(engine: Listening) -> None:
    # Given: two words of which the model cannot know which is meant
    unsure = Question("what is it?", name="kind", choices=("mug", "shirt"), below=1.0, then="unknown")
    other = Question("what color is it?", name="color", when={"kind": "unknown"})
    row = asked(engine, SHIRT, unsure, SLEEVES, other)
    assert said(row) == {"kind": "unknown", "color": "red"}
    assert row.answers[0].said == "shirt"


def test_each_of_several_choices_is_judged_by_itself(engine: Listening) -> None:
    # When
    row = asked(engine, MUG, PRINTS)
    (answer,) = row.answers

    # Then
    assert (answer.kind, answer.name, answer.question, answer.text) == (
        Kind.MULTIPLE, "prints", "is there a {choice} on it?", "star, moon",
    )  # fmt: skip
    alone = []
    image = handle(engine, draw(MUG, random.Random(1)))
    for word in ("star", "heart", "moon"):
        one = engine.submit(request(image, Question(f"is there a {word} on it?", choices=("yes", "no"))))
        alone.append(one.result(SECONDS))
    assert answer.choices is not None
    assert [choice.text for choice in answer.choices] == ["star", "heart", "moon"]
    yes = [one.choices[0].probability for one in alone if one.choices]
    assert [choice.probability for choice in answer.choices] == pytest.approx(yes, abs=1e-6)
    assert answer.confidence == pytest.approx(yes[0] * (1 - yes[1]) * yes[2], abs=1e-6)
    assert answer.tokens == sum(one.tokens for one in alone)


def test_none_of_several_choices_is_an_empty_text(engine: Listening) -> None:
    row = asked(engine, SHIRT, PRINTS)
    assert said(row) == {"prints": ""}


def test_a_condition_on_several_terms_holds_where_one_of_them_is_so(engine: Listening) -> None:
    night = Question("what color is it?", name="night", when={"prints": "moon"})
    day = Question("what color is it?", name="day", when={"prints": ["heart", "sun"]})
    assert said(asked(engine, MUG, PRINTS, night, day)) == {"prints": "star, moon", "night": "blue"}


def test_a_choice_stands_in_the_text_beside_columns_one_of_which_is_called_so(engine: Listening) -> None:
    question = Question("{{is}} there a {choice} on the {thing}?", choices=("star", "{thing}"), multiple=True)
    engine.heard.clear()

    row = asked(engine, MUG, question, thing="mug", choice="wrong")

    assert [one.question.text for one in engine.heard if one.question] == [
        "{is} there a star on the mug?", "{is} there a {thing} on the mug?",
    ]  # fmt: skip
    assert row.answers[0].name == question.text
    assert row.answers[0].question == "{is} there a {choice} on the mug?"

    # Where no columns are filled in, as of an ask, all else is as it was written.
    engine.heard.clear()
    asked(engine, MUG, question, fill=False)
    assert engine.heard[0].question is not None
    assert engine.heard[0].question.text == "{{is}} there a star on the {thing}?"


def test_a_missing_column_is_said_of_the_whole_question(engine: Listening) -> None:
    question = Question("is there a {choice} on the {thing}?", choices=("star", "moon"), multiple=True)
    row = asked(engine, MUG, question)
    assert (row.error_code, row.answers) == ("missing_value", ())


def test_the_model_is_asked_what_it_knows_of_and_nothing_of_what_the_shop_makes_of_it(engine: Listening) -> None:
    engine.heard.clear()
    calibration = Calibration(temperature=2, shifts={"mug": 0.5})
    kind = KIND.model_copy(
        update={"map": {"mug": "cup"}, "below": 0.1, "then": "?", "calibration": calibration, "when": None}
    )
    prints = PRINTS.model_copy(update={"map": {"star": "stars"}, "below": 0.1, "then": "?"})

    row = asked(engine, MUG, kind, prints)

    assert {name for one in engine.heard if one.question for name in one.question.to_record()} == {
        "text", "name", "choices", "match",
    }  # fmt: skip
    assert said(row) == {"kind": "cup", "prints": "stars, moon"}
    assert len(row.answers[0].raw or ()) == len(row.answers[0].choices or ())


def test_a_condition_on_no_question_is_an_error_of_its_own(engine: Listening) -> None:
    row = asked(engine, SHIRT, KIND.model_copy(update={"name": "other"}), SLEEVES)
    assert (row.status, row.error_code) == (Status.ERROR, "no_such_question")
    assert [answer.name for answer in row.answers] == ["other"]


def test_what_is_asked_for_an_answer_finds_room_however_much_is_under_way(engine: Listening) -> None:
    # Given: as many items as have no room together, each of which asks on the engine's thread
    picture = draw(SHIRT, random.Random(1))
    items, done = CAPACITY + 20, threading.Semaphore(0)
    works = []
    for number in range(items):
        item = Item(image=f"{number}.jpg", questions=(KIND, SLEEVES, PRINTS))
        works.append(ItemWork(item, engine, started=0.0, ended=lambda _: done.release()))

    # When
    shared = handle(engine, picture)
    for work in works:
        work.ask(LoadedImage(ImageFacts(), shared), None, Asking())

    # Then
    for _ in works:
        assert done.acquire(timeout=SECONDS)
    assert {tuple(said(work.row()).items()) for work in works} == {
        (("kind", "shirt"), ("sleeves", "long"), ("prints", "")),
    }


def test_a_cancelled_item_has_no_row_that_looks_complete(engine: Listening) -> None:
    ended = threading.Event()
    work = ItemWork(
        Item(image="a.jpg", questions=(KIND, SLEEVES, PRINTS)), engine, started=0.0, ended=lambda _: ended.set()
    )
    work.cancel()
    work.ask(LoadedImage(ImageFacts(), handle(engine, draw(SHIRT, random.Random(1)))), None, Asking())
    assert ended.wait(SECONDS)
    assert work.row().error_code == "cancelled"


def test_pieces_of_what_is_in_the_shops_terms_are_the_rows_text(engine: Listening) -> None:
    picture = draw(MUG, random.Random(1))
    for question, text in ((PRINTS, "star, moon"), (Question("what is it?", map={"Mug": "cup"}), "cup")):
        work = ItemWork(Item(image="a.jpg", questions=(question,)), engine, started=0.0)
        work.ask(LoadedImage(ImageFacts(), handle(engine, picture)), None, Asking(stream=True))
        assert "".join(work.pieces(0.0)) == work.row().answers[0].text == text


def test_a_model_is_told_again_what_it_said_itself_and_not_what_calibration_made_of_it() -> None:
    # Given
    shifts = Calibration(shifts={"shirt": 9.0, "mug": 0.0})
    kind = Inquiry(Question("what is it?", choices=("mug", "shirt"), calibration=shifts))
    several = Inquiry(Question("a {choice}?", choices=("mug", "shirt"), multiple=True, calibration=shifts))

    # When
    kind.ask(_asker(mug=0.75, shirt=0.25))
    several.ask(_asker(yes=0.25, no=0.75))

    # Then
    assert (kind.answer().text, several.answer().text) == ("shirt", "shirt")
    assert kind.said(("a.jpg",)) == (Turn("what is it?", "mug", ("a.jpg",)),)
    assert several.said(("a.jpg",)) == (Turn("a mug?", "no", ("a.jpg",)), Turn("a shirt?", "no"))


class _Sure:
    """An engine of which it is known what it says."""

    def __init__(self, **choices: float) -> None:
        self._choices = tuple(Choice(text=word, probability=p) for word, p in choices.items())

    def submit(self, request: Request) -> Ticket:
        assert request.question is not None
        asked, best = request.question.text, max(self._choices, key=lambda choice: choice.probability)
        ticket = Ticket()
        ticket.resolve(
            Answer(
                name=asked, kind=Kind.CHOICE, question=asked, text=best.text, confidence=best.probability, tokens=1,
                choices=self._choices,
            )
        )  # fmt: skip
        return ticket


def _asker(**choices: float) -> Asker:
    return Asker(Item(image="a.jpg"), _Sure(**choices), (), Asking())  # type: ignore[arg-type]
