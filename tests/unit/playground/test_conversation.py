"""A conversation: what of it a model is told again, which images it has, and what it forgets."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path

from helpers.sitting import CHAT, Ask, Words, ask, messages, playground, source

from askpix.producer.errors import AskpixError
from askpix.worker.playground.conversation import Conversation, Said
from askpix.worker.playground.dropped import Dropped, Picture
from askpix.worker.playground.models import Chosen
from askpix.worker.playground.playground import Playground, Shown
from askpix.worker.playground.sitting import Sitting

__all__ = ["ask", "playground", "source"]


def _pictures(shown: tuple[Shown, ...]) -> list[tuple[int, str] | None]:
    """Returns the pictures that the messages of a person show, with their numbers."""
    said = [message for message in shown[0].messages or () if message.role == "user"]
    return [(one.number, one.picture.path.stem) if one.picture else None for one in said]


# Conversations.


def _said(question: str, answer: str, image: bytes = b"a") -> Said:
    return Said(about=Picture(Path("a.jpg"), hashlib.sha256(image).hexdigest()), question=question, answer=answer)


def _asking(image: bytes = b"a") -> Dropped:
    return Dropped(Picture(Path("now.jpg"), hashlib.sha256(image).hexdigest()), image)


def _gone(_: Picture) -> Dropped:
    raise AskpixError("it is gone")


def test_a_conversation_is_about_one_thing() -> None:
    sitting = Sitting()
    ask = sitting.begin()
    talk = sitting.conversation(ask, 0, (CHAT, "a"))
    sitting.add(ask, talk, _said("what is it?", "a mug"))
    again = sitting.conversation(sitting.begin(), 0, (CHAT, "a"))
    assert [said.question for said in again.turns] == ["what is it?"]
    for about in ((CHAT, "b"), (Chosen(model="other", precision="f32"), "b"), (CHAT, "a")):
        ask = sitting.begin()
        talk = sitting.conversation(ask, 0, about)
        assert talk.turns == []
        sitting.add(ask, talk, _said("what?", "that"))


def test_a_model_is_told_the_last_twenty_turns_and_no_endless_ones() -> None:
    talk = Conversation(about=None)
    for number in range(25):
        talk.add(_said(str(number), "a" * 30_000))
    told = talk.recalled(_asking(), _gone)
    assert [turn.question for turn in told.history] == [str(number) for number in range(5, 25)]
    assert {len(turn.answer) for turn in told.history} == {20_000}
    # The one image is shown with the first of them.
    assert [len(turn.images) for turn in told.history] == [1, *[0] * 19]
    assert told.images == [b"a"]


def test_images_that_are_gone_take_what_was_said_of_them_along() -> None:
    talk = Conversation(about=None)
    for image in (b"a", b"a", b"b", b"c"):
        talk.add(_said("what?", "that", image))
    files = {_said("", "", image).about.digest: image for image in (b"b", b"c")}

    def read(picture: Picture) -> Dropped:
        return Dropped(picture, files[picture.digest]) if picture.digest in files else _gone(picture)

    told = talk.recalled(_asking(b"c"), read)
    assert told.images == [b"b", b"c"]
    assert [len(turn.images) for turn in told.history] == [1, 1]


def test_no_more_is_shown_than_an_ask_may_have() -> None:
    talk = Conversation(about=None)
    large = {number: bytes([number]) * 6_000_000 for number in range(4)}
    for image in large.values():
        talk.add(_said("what?", "that", image))
    files = {_said("", "", image).about.digest: image for image in large.values()}
    told = talk.recalled(_asking(large[0]), lambda picture: Dropped(picture, files[picture.digest]))
    # Twenty million bytes, each time that one is shown.
    assert [image[0] for image in told.images] == [2, 3, 0]
    assert len(told.turns) == 2


def test_a_conversation_goes_on_with_as_many_turns_as_the_model_takes(ask: Ask, source: Words) -> None:
    source.takes = 3
    for number in range(7):
        last = list(ask("a", f"{number}?"))[-1]
        assert last[0].told.problem is None
    assert [turn.question for turn in source.histories[-1]] == ["3?", "4?", "5?"]
    assert last[0].told.facts == "confidence 1.00 · told the last 3 of 6 turns"
    assert len(messages(last)) == 14

    # It tells no more than it can be told with none.
    source.takes = -1
    (shown,) = list(ask("a", "too much?"))[-1]
    assert shown.told.problem == "these come to too many tokens"


def test_turns_that_were_too_many_are_not_told_again_at_each_question(ask: Ask, source: Words) -> None:
    for number in range(9):
        list(ask("a", f"{number}?"))
    source.takes = 3
    source.told.clear()
    list(ask("a", "9?"))
    assert source.told == [9, 8, 7, 6, 5, 4, 3]

    # With the turn that has come since, and only if that is too much, with one less.
    source.told.clear()
    list(ask("a", "10?"))
    assert source.told == [4, 3]

    # A question that is refused with none changes nothing, and one that has more room is told more.
    source.takes = -1
    list(ask("a", "too much?"))
    source.takes = 100
    source.told.clear()
    list(ask("a", "11?"))
    list(ask("a", "12?"))
    assert source.told == [4, 5]


def test_a_new_image_joins_the_conversation_and_is_shown_at_its_turn(ask: Ask, source: Words) -> None:
    for image, question in (("a", "what is it?"), ("a", "and its colour?"), ("b", "and this?"), ("b", "larger?")):
        last = list(ask(image, question))[-1]
    assert _pictures(last) == [(1, "a"), None, (2, "b"), None]
    assert source.shown[-1] == [b"a", b"b"]
    assert [len(turn.images) for turn in source.histories[-1]] == [1, 0, 1]
    # The second was new when it was asked about; and one that comes back is shown again.
    assert source.shown[2] == [b"a", b"b"]
    assert [len(turn.images) for turn in source.histories[2]] == [1, 0]
    assert _pictures(list(ask("a", "and again?"))[-1])[-1] == (3, "a")
    assert source.shown[-1] == [b"a", b"b", b"a"]


def test_a_model_that_looks_at_one_image_begins_anew_with_another(ask: Ask, source: Words) -> None:
    one = Chosen(model="of one", precision="f32")
    for image, question in (("a", "what is it?"), ("a", "and its colour?"), ("b", "and this?")):
        last = list(ask(image, question, model=one))[-1]
    assert messages(last)[0] == "and this?"
    assert _pictures(last) == [(1, "b")]
    assert source.shown[-1] == [b"b"]
    assert source.histories[-1] == ()


def test_with_the_oldest_turns_go_the_images_that_only_they_were_about(ask: Ask, source: Words) -> None:
    source.takes = 2
    for image, question in (("a", "1"), ("a", "2"), ("b", "3"), ("b", "4")):
        last = list(ask(image, question))[-1]
    # It keeps the image that its question is about, and the one of the turn that is left of it.
    assert last[0].told.facts == "confidence 1.00 · told the last 2 of 3 turns"
    assert source.shown[-1] == [b"a", b"b"]
    assert [(turn.question, len(turn.images)) for turn in source.histories[-1]] == [("2", 1), ("3", 1)]

    last = list(ask("b", "5"))[-1]
    assert last[0].told.facts == "confidence 1.00 · told the last 2 of 4 turns and 1 of 2 images"
    assert source.shown[-1] == [b"b"]
    assert [(turn.question, len(turn.images)) for turn in source.histories[-1]] == [("3", 1), ("4", 0)]
    # All is shown all the same.
    assert _pictures(last) == [(1, "a"), None, (2, "b"), None, None]


def test_of_many_images_a_model_is_shown_the_last_eight(ask: Ask, source: Words) -> None:
    for image in "abcdefghij":
        last = list(ask(image, "what is it?"))[-1]
    assert b"".join(source.shown[-1]) == b"cdefghij"
    assert len(source.histories[-1]) == 7
    assert last[0].told.facts == "confidence 1.00 · told the last 7 of 9 turns and 8 of 10 images"


def test_of_a_long_conversation_the_last_fifty_turns_are_shown(ask: Ask) -> None:
    for number in range(53):
        last = list(ask("a", f"{number}?"))[-1]
    assert last[0].told.facts == "confidence 1.00 · told the last 20 of 50 turns"
    assert messages(list(ask("a", "and?"))[-1])[0] == "3?"


def test_a_conversation_goes_on_after_an_answer_that_was_stopped(ask: Ask, playground: Playground) -> None:
    first = ask("a", "what is it?")
    next(first)
    playground.stop("page")
    assert list(first)[-1][0].told.facts == "stopped"
    assert messages(list(ask("a", "and now?"))[-1])[:3] == ["what is it?", "word0 ", "and now?"]


def test_what_is_asked_of_another_image_has_nothing_of_the_answer_that_it_stopped(ask: Ask) -> None:
    # Given: a model that looks at one image.
    ask = partial(ask, model=Chosen(model="of one", precision="f32"))
    first = ask("a", "what is in a?")
    next(first)

    # When
    second = ask("b", "what is in b?")
    next(second)

    # Then: the first one is shown no more, whenever it ends, and is in nobody's conversation.
    assert list(first) == []
    assert messages(list(second)[-1]) == ["what is in b?", "word0 word1 word2 "]
    assert messages(list(ask("b", "and?"))[-1])[0] == "what is in b?"
    assert messages(list(ask("a", "and?"))[-1])[0] == "and?"


def test_what_was_asked_over_is_not_in_the_conversation(ask: Ask) -> None:
    first = ask("a", "this one?")
    next(first)
    second = ask("a", "or that one?")
    next(second)
    assert list(first) == []
    assert messages(list(second)[-1])[0] == "or that one?"


def test_clearing_covers_what_was_asked_before_what_was_asked_last(ask: Ask, playground: Playground) -> None:
    # Given: one that has not ended, and one after it.
    first, second = ask("a", "one?"), ask("a", "two?")
    next(first)
    next(second)

    # When
    playground.clear("page")

    # Then: both show nothing, and nothing is remembered.
    assert [messages(shown) for shown in (*first, *second)] == [[], []]
    assert messages(list(ask("a", "three?"))[-1])[0] == "three?"


def test_what_is_asked_after_clearing_is_not_blotted_out_by_what_was_cleared(ask: Ask, playground: Playground) -> None:
    first = ask("a", "one?")
    next(first)
    playground.clear("page")
    second = ask("a", "two?")
    next(second)
    assert list(first) == []
    assert messages(list(second)[-1]) == ["two?", "word0 word1 word2 "]
