"""What is shown of a text while it is generated: only what the whole text begins with."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence

import pytest

from askpix.producer.rows import Answer, Kind
from askpix.worker.engine.growing import Growing, pieces_of
from askpix.worker.engine.settled import Settled, before_stops
from askpix.worker.engine.ticket import Ticket
from askpix.worker.item_errors import RequestError


def answer(text: str) -> Answer:
    return Answer(name="a", kind=Kind.OPEN, text=text, confidence=1.0, tokens=1)


def as_bytes(ids: Sequence[int]) -> str:
    """A tokenizer whose tokens are bytes."""
    return bytes(ids).decode(errors="replace")


def tidied(ids: Sequence[int]) -> str:
    """One that takes spaces away before full stops and contractions, as some do."""
    return as_bytes(ids).replace(" .", ".").replace(" n't", "n't")


def steps(text: str, stops: Sequence[str] = (), begun: str = "") -> list[str]:
    """Returns what is certain after each token."""
    settled = Settled(as_bytes, begun, stops)
    data = text.encode()
    return [settled(data[:number]) for number in range(len(data) + 1)]


@pytest.mark.parametrize("text", ["größer 色 🙂🙂 ✓", "\ufffd\ufffda", " leading and trailing \n", "a\x1c b", "🙂"])
def test_what_is_certain_only_grows_and_begins_the_whole(text: str) -> None:
    seen = steps(text)
    for before, after in zip(seen, [*seen[1:], text.strip()], strict=True):
        assert after.startswith(before)
        assert not before.endswith("\ufffd")


def test_bytes_that_are_no_characters_are_shown_when_what_follows_is() -> None:
    settled = Settled(as_bytes, "", ())
    data = b"a\xe2\x82\xff\xf0bcdef"
    assert [settled(data[:number]) for number in (5, 6, 8, 10)] == ["a", "a", "a", f"{as_bytes(data[:5])}bc"]


def test_what_a_tokenizer_takes_back_was_never_shown() -> None:
    settled, data = Settled(tidied, "", ()), b"I did n't . No ."
    seen = [settled(data[:number]) for number in range(len(data) + 1)]
    assert all(tidied(data).startswith(text) for text in seen)
    assert seen[-1] == "I didn't. N"


@pytest.mark.parametrize("stops", [("END",), ("D", "END"), ("\n\n",), ("EN", "x"), ("bEND", "cb"), (" END", "D\n")])
def test_no_stop_is_shown_nor_what_may_begin_one(stops: tuple[str, ...]) -> None:
    text = "abc E EN bEND\n\nmore of it"
    whole = before_stops(text, stops).strip()
    seen = steps(text, stops)
    assert all(whole.startswith(shown) for shown in seen)
    assert all(after.startswith(before) for before, after in itertools.pairwise(seen))


def test_what_may_begin_a_stop_is_shown_when_it_does_not() -> None:
    seen = steps("a ### b ## c....", ("####",))
    assert "a" in seen
    assert not {"a #", "a ##"} & set(seen)
    assert seen[-1].startswith("a ### b ## c")


def test_a_prompt_is_certain_from_the_start() -> None:
    assert steps("xyz", begun=" a red ")[0] == "a red"
    assert steps("xyzabc", begun=" a red ")[-1] == "a red xyz"


def test_pieces_add_up_to_the_whole() -> None:
    assert list(pieces_of(["", "a", "a", "ab"], lambda: "abc")) == ["a", "b", "c"]
    assert list(pieces_of([], lambda: "abc")) == ["abc"]
    assert list(pieces_of(["ab"], lambda: "ab")) == ["ab"]
    assert list(pieces_of([], lambda: "")) == []


def test_a_text_that_begins_anew_is_told_from_where_it_was() -> None:
    assert list(pieces_of(["ab", "", "a", "abc"], lambda: "abcd")) == ["ab", "c", "d"]


@pytest.mark.parametrize(("texts", "whole"), [(["ab", "ax", "axy"], "axyz"), (["ab"], "ac"), (["ab"], "a")])
def test_a_text_that_comes_out_otherwise_is_an_error(texts: list[str], whole: str) -> None:
    with pytest.raises(RequestError, match="came out otherwise") as caught:
        list(pieces_of(texts, lambda: whole))
    assert caught.value.retryable


def test_a_ticket_without_a_growing_text_gives_its_answer_in_one() -> None:
    ticket = Ticket()
    ticket.resolve(answer("a mug"))
    assert list(ticket.pieces(0)) == ["a mug"]


def test_a_reader_is_told_of_the_end_however_it_comes() -> None:
    growing = Growing(as_bytes)
    ticket, read = Ticket(growing=growing), list[str]()

    def reader() -> None:
        with pytest.raises(RequestError, match="cancelled"):
            read.extend(ticket.pieces(30))

    thread = threading.Thread(target=reader)
    thread.start()
    growing.begin()
    growing.add(b"ab")
    ticket.fail(RequestError("cancelled", "the request was cancelled"))
    thread.join(30)
    assert not thread.is_alive()
    assert "".join(read) in ("", "ab")


def test_who_waits_for_a_piece_too_long_is_told_and_may_read_on() -> None:
    growing = Growing(as_bytes)
    ticket = Ticket(growing=growing)
    with pytest.raises(TimeoutError):
        next(ticket.pieces(0.01))
    growing.add(b"ab")
    assert next(ticket.pieces(30)) == "ab"


def test_a_slow_reader_has_what_came_meanwhile_at_once() -> None:
    growing = Growing(as_bytes)
    ticket = Ticket(growing=growing)
    pieces = ticket.pieces(30)
    growing.add(b"ab")
    assert next(pieces) == "ab"
    for number in range(1_000):
        growing.add(bytes([97 + number % 26]))
    assert len(next(pieces)) == 1_000
    ticket.resolve(answer(as_bytes(growing._ids) + "!"))
    assert list(pieces) == ["!"]
