"""Texts that are read while they are generated: the pieces are the text, and no reader keeps the engine waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from helpers.processes import wait_until
from helpers.vlm import FAMILIES, TinyVlms

from askpix.producer.items import Options, Turn
from askpix.producer.questions import Question
from askpix.worker.engine.base import Request
from askpix.worker.engine.devices import Precision
from askpix.worker.engine.ticket import Ticket
from askpix.worker.item_errors import RequestError
from askpix.worker.vlm.engine import VlmEngine

SECONDS = 60
LONG = Options(max_new_tokens=120, min_new_tokens=120)
LONGER = Options(max_new_tokens=600, min_new_tokens=600)
ENDLESS = Options(max_new_tokens=900, min_new_tokens=900)

Ask = Callable[..., Ticket]


@pytest.fixture(scope="module", params=FAMILIES)
def engine(request: pytest.FixtureRequest, tiny: TinyVlms) -> Iterator[VlmEngine]:
    engine = VlmEngine(tiny.folder(request.param), precision=Precision.F32)
    yield engine
    engine.close()


@pytest.fixture
def ask(engine: VlmEngine) -> Ask:
    """Submits a request about a picture of noise whose text is read as it comes."""

    def submit(
        text: str | None = "what is it?",
        number: int = 0,
        options: Options = LONG,
        *,
        stream: bool = True,
        history: tuple[Turn, ...] = (),
        **more: object,
    ) -> Ticket:
        pixels = np.random.default_rng(number).integers(0, 255, (48, 64, 3), np.uint8)
        question = None if text is None else Question(text, **more)
        image = engine.open_image(pixels)
        return engine.submit(
            Request(images=(image,), question=question, options=options, history=history, stream=stream)
        )

    return submit


def test_pieces_come_before_the_end_and_are_the_text(ask: Ask) -> None:
    # Given: what comes without anybody reading along. Random tokens: pieces of characters, and bytes that are none.
    plain = ask(options=LONGER, stream=False).result(SECONDS)
    assert "\ufffd" in plain.text

    # When
    ticket = ask(options=LONGER)
    pieces = ticket.pieces(SECONDS)
    first = next(pieces)
    early = not ticket.done()
    rest = list(pieces)

    # Then
    assert early
    assert len(rest) > 1
    assert first + "".join(rest) == plain.text
    answer = ticket.result(0)
    assert answer.text == plain.text
    assert (answer.tokens, answer.finish_reason) == (plain.tokens, plain.finish_reason)
    assert answer.confidence == pytest.approx(plain.confidence)


def test_whatever_bytes_come_no_piece_is_taken_back(ask: Ask) -> None:
    """Drawn tokens, so that the vocabulary's bytes come in any order."""
    for seed in range(12):
        drawn = Options(max_new_tokens=80, do_sample=True, temperature=3.0, top_k=0, seed=seed)
        ticket = ask(number=seed, options=drawn)
        pieces = list(ticket.pieces(SECONDS))
        assert "".join(pieces) == ticket.result(0).text
        assert all(pieces)


@pytest.mark.parametrize("length", [1, 3, 9])
def test_a_stop_is_never_shown_nor_its_beginning(length: int, ask: Ask) -> None:
    whole = ask(stream=False).result(SECONDS).text
    place = next(at for at in range(40, len(whole)) if whole[at : at + length] not in whole[: at + length - 1])
    stop = whole[place : place + length]
    options = LONG.model_copy(update={"stop": (stop, stop[:1] + "never to be seen"), "min_new_tokens": None})
    plain = ask(options=options, stream=False).result(SECONDS)

    ticket = ask(options=options)
    pieces = list(ticket.pieces(SECONDS))

    answer = ticket.result(0)
    assert "".join(pieces) == answer.text == plain.text
    assert (answer.finish_reason, answer.tokens) == ("stop", plain.tokens)
    shown = "".join(pieces[:-1])
    assert stop not in shown
    assert whole.startswith(shown)


def test_a_caption_begins_with_its_prompt(ask: Ask) -> None:
    options = Options(prompt=" a red mug", max_new_tokens=30)
    ticket = ask(None, options=options)
    pieces = list(ticket.pieces(SECONDS))
    assert pieces[0].startswith("a red mug")
    assert "".join(pieces) == ask(None, options=options, stream=False).result(SECONDS).text


def test_a_follow_up_streams_too(ask: Ask) -> None:
    history = (Turn("what is it?", "a red mug"),)
    ticket = ask("and its colour?", history=history, options=LONGER)
    pieces = list(ticket.pieces(SECONDS))
    plain = ask("and its colour?", history=history, options=LONGER, stream=False).result(SECONDS)
    assert len(pieces) > 1
    assert "".join(pieces) == plain.text
    alone = ask("and its colour?").result(SECONDS)
    assert ticket.result(0).prompt_tokens == plain.prompt_tokens
    assert (plain.prompt_tokens or 0) > (alone.prompt_tokens or 0)


@pytest.mark.parametrize(
    ("values", "options"),
    [
        ({"choices": ("a red mug", "a plate")}, Options()),
        ({"json_schema": {"enum": ["mug", "plate"]}}, Options()),
        ({}, Options(num_beams=3, max_new_tokens=20)),
        ({}, Options(do_sample=True, num_return_sequences=2, max_new_tokens=20)),
    ],
)
def test_what_is_not_known_before_its_end_comes_in_one_piece(
    values: dict[str, object], options: Options, ask: Ask
) -> None:
    ticket = ask(options=options, **values)
    assert list(ticket.pieces(SECONDS)) == [ticket.result(0).text]


def test_cancelling_in_the_middle_frees_the_row_and_the_others_go_on(engine: VlmEngine, ask: Ask) -> None:
    # Given
    rows = [ask(number=number, options=ENDLESS) for number in range(12)]
    wait_until(lambda: len(engine._batch) == 12, within=30, what="12 rows")
    pieces = rows[3].pieces(SECONDS)
    next(pieces)

    # When
    rows[3].cancel()

    # Then
    with pytest.raises(RequestError, match="cancelled"):
        list(pieces)
    assert len(engine._batch) == 11
    assert not any(row.done() for row in rows if row is not rows[3])
    assert next(rows[4].pieces(SECONDS))
    for row in rows:
        row.cancel()
    wait_until(lambda: not len(engine._batch), within=30, what="the end of all rows")
    assert ask().result(SECONDS).text == ask(stream=False).result(SECONDS).text


def test_readers_who_are_slow_or_gone_keep_nobody_waiting(ask: Ask) -> None:
    # Given: one who reads a piece and then no more, and one who reads nothing at all.
    slow, gone = ask(number=1), ask(number=2)
    pieces = slow.pieces(SECONDS)
    first = next(pieces)

    # When
    gone.result(SECONDS)
    answer = slow.result(SECONDS)

    # Then: what came meanwhile is in the next piece.
    rest = list(pieces)
    assert len(rest) == 1
    assert first + rest[0] == answer.text


def test_sixteen_at_once_each_have_their_own_text(ask: Ask) -> None:
    alone = [ask(number=number, stream=False).result(SECONDS).text for number in range(16)]
    tickets = [ask(number=number, stream=number % 4 != 3) for number in range(16)]
    read: dict[int, str] = {}

    def reader(number: int) -> None:
        read[number] = "".join(tickets[number].pieces(SECONDS))

    threads = [threading.Thread(target=reader, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)

    assert [read[number] for number in range(16)] == alone


def test_two_may_read_the_same(ask: Ask) -> None:
    ticket = ask()
    one, other = ticket.pieces(SECONDS), ticket.pieces(SECONDS)
    assert next(one)
    assert next(other)
    assert ticket.result(SECONDS).text.endswith("".join(one))
    assert ticket.result(SECONDS).text.endswith("".join(other))


def test_what_goes_again_for_anothers_fault_is_told_from_where_it_was(ask: Ask) -> None:
    # Given: texts under way, and one that the pipeline fails on.
    good = [ask(number=number) for number in range(4)]
    readers = [ticket.pieces(SECONDS) for ticket in good]
    firsts = [next(reader) for reader in readers]
    bad = ask("describe", json_schema={"type": "string", "pattern": "(?<!a)b"})

    # Then
    with pytest.raises(RequestError):
        bad.result(SECONDS)
    for number, (first, reader) in enumerate(zip(firsts, readers, strict=True)):
        assert first + "".join(reader) == ask(number=number, stream=False).result(SECONDS).text
