"""A part's items are told what is known of their images, and what others just ask; the model is asked the rest."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.engine_calls import SECONDS, Turns, growth, opened, png, product
from helpers.http_server import Page, Server
from helpers.part_answering import COLOR, SHEET, WHAT, Shop, put, rows_of, same
from helpers.processes import wait_until

from askpix.producer.items import Item, Options
from askpix.producer.messages import AskMessage
from askpix.producer.outcomes import is_cached
from askpix.producer.questions import Question
from askpix.producer.rows import Answer, Kind, Status
from askpix.worker.access import Access
from askpix.worker.answer_cache.keys import ask_key
from askpix.worker.asking import AskRunner
from askpix.worker.blip.engine import BlipEngine
from askpix.worker.engine.base import ImageHandle, Request
from askpix.worker.engine.ticket import Ticket
from askpix.worker.engines import Engines
from askpix.worker.image_form import Pixels
from askpix.worker.item_errors import RequestError
from askpix.worker.local import demo_model


@pytest.fixture(scope="module")
def engine() -> Iterator[BlipEngine]:
    with opened(demo_model()) as engine:
        yield engine


@pytest.fixture
def pages() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def opened_images(engine: BlipEngine, monkeypatch: pytest.MonkeyPatch) -> list[ImageHandle]:
    """Images that were decoded and given to the engine."""
    images: list[ImageHandle] = []
    open_image = engine.open_image

    def noted(pixels: Pixels) -> ImageHandle:
        images.append(open_image(pixels))
        return images[-1]

    monkeypatch.setattr(engine, "open_image", noted)
    return images


@pytest.fixture
def shop(engine: BlipEngine, tmp_path: Path) -> Iterator[Shop]:
    with ExitStack() as stack:
        yield Shop(engine, tmp_path, stack)


# What is known. -------------------------------------------------------------------------------------


def test_what_was_asked_before_is_neither_decoded_nor_asked_again(
    shop: Shop, pages: Server, opened_images: list[ImageHandle]
) -> None:
    # given
    items = put(pages, *range(12))
    first = shop.rows(items)
    assert {answer.cached for row in first for answer in row.answers} == {False}
    before, decoded = shop.engine.counters(), len(opened_images)

    # when
    again = shop.rows(items)

    # then
    assert all(map(is_cached, again))
    assert same(again, first)
    assert set(growth(shop.engine, before).values()) == {0}
    assert len(opened_images) == decoded == 12
    # And the numbers are the same to the last digit as without any cache.
    assert same(shop.rows(items, cache=False), first)


def test_a_question_that_is_new_is_asked_and_the_others_are_not(
    shop: Shop, pages: Server, opened_images: list[ImageHandle]
) -> None:
    # given
    items = put(pages, 1, 2)
    shop.rows(items, (WHAT,))
    before = shop.engine.counters()

    # when
    rows = shop.rows(items, (WHAT, COLOR, Question("what pattern is it?")))

    # then each image is decoded once more, and two of three are asked.
    assert [[answer.cached for answer in row.answers] for row in rows] == [[True, False, False]] * 2
    assert not any(map(is_cached, rows))
    assert len(opened_images) == 4
    assert growth(shop.engine, before)["images"] == 2
    assert growth(shop.engine, before)["questions"] == 4


def test_names_calibration_and_terms_cost_nothing(shop: Shop, pages: Server) -> None:
    items = put(pages, 1)
    (first,) = shop.rows(items, (COLOR,))
    (again,) = shop.rows(items, (COLOR.model_copy(update={"name": "Farbe"}),))
    assert is_cached(again)
    assert [answer.name for answer in again.answers] == ["Farbe"]
    assert again.answers[0].choices == first.answers[0].choices


def test_other_options_and_another_text_are_asked(shop: Shop, pages: Server) -> None:
    items = [replace(item, extra={"shop": name}) for item, name in zip(put(pages, 1, 1), "ab", strict=True)]
    asked = (Question("what is it, {shop}?"),)
    assert [row.answers[0].cached for row in shop.rows(items, asked)] == [False, False]
    assert [row.answers[0].cached for row in shop.rows(items, asked)] == [True, True]
    assert [row.answers[0].cached for row in shop.rows(items, asked, Options(max_new_tokens=2))] == [False, False]


def test_captions_drawings_and_several_texts_are_kept_too(shop: Shop, pages: Server) -> None:
    items = put(pages, 3)
    for options in (Options(), Options(prompt="a"), Options(num_beams=3, num_return_sequences=2), Options(seed=4)):
        first, again = (shop.rows(items, None, options) for _ in range(2))
        assert same(first, again)
        assert [is_cached(rows[0]) for rows in (first, again)] == [False, True]


def test_without_the_cache_nothing_is_looked_up_kept_or_shared(shop: Shop, pages: Server) -> None:
    # given
    shop.rows(put(pages, 1))

    # when two images are the same, and known
    items = put(pages, 1, 1, 2)
    before = shop.engine.counters()
    rows = shop.rows(items, cache=False)

    # then
    assert {answer.cached for row in rows for answer in row.answers} == {None}
    assert growth(shop.engine, before)["images"] == 3
    assert [is_cached(row) for row in shop.rows(items)] == [True, True, False]


def test_what_fails_is_not_kept(shop: Shop, pages: Server) -> None:
    # given an image that is none, one that is not there, and a question that cannot be asked
    items = [*put(pages, 1), Item(id="no", image=pages.put("/no.jpg", b"none")), Item(id="gone", image=pages.url("/x"))]
    asked = (WHAT, Question(" "))

    # then it fails the same way the second time
    for again in (False, True):
        rows = shop.rows(items, asked)
        assert [row.error_code for row in rows] == ["empty_question", "not_an_image", "http_404"]
        assert [len(row.answers) for row in rows] == [1, 0, 0]
        assert rows[0].answers[0].cached is again
        assert rows[0].width == product().width
        assert rows[1].width is None


@pytest.fixture
def undecodable(shop: Shop, pages: Server) -> tuple[str, bytes]:
    """An image of which color and size are known, though nobody can decode it here."""
    data = png(product())[:900]
    known = hashlib.sha256(data).hexdigest()
    answer = Answer(name="kind", kind=Kind.OPEN, question=WHAT.text, text="a mug", confidence=0.5, tokens=2)
    ask = ask_key(Request(images=(), question=WHAT))
    shop.cache.keep(shop.engine.info, known, (64, 48), ask, answer)
    return pages.put("/known.png", data), data


@pytest.mark.parametrize(
    "asked",
    [
        (WHAT,),
        (COLOR,),
        (COLOR, Question("how many are there?")),
        (Question("a {choice}?", choices=("s", "m"), multiple=True),),
    ],
    ids=["known", "one", "two", "several choices"],
)
def test_an_image_whose_size_is_known_and_that_cannot_be_decoded_is_fetched_once(
    shop: Shop, pages: Server, undecodable: tuple[str, bytes], asked: tuple[Question, ...]
) -> None:
    (row,) = shop.rows([Item(id="1", image=undecodable[0])], asked)
    assert row.error_code == (None if asked == (WHAT,) else "image_damaged")
    assert (row.width, row.height) == (64, 48)
    assert len(pages.asked) == 1


@pytest.mark.parametrize("order", [(WHAT, COLOR), (COLOR, WHAT)], ids=["known first", "known last"])
def test_what_is_known_of_an_image_is_said_though_another_row_needs_it_decoded(
    shop: Shop, undecodable: tuple[str, bytes], order: tuple[Question, ...]
) -> None:
    items = [Item(id=one.title, image=undecodable[0], questions=(one,)) for one in order]
    rows = {row.id: row for row in shop.rows(items, None)}
    assert rows["kind"].status is Status.OK
    assert [answer.text for answer in rows["kind"].answers] == ["a mug"]
    assert rows["color"].error_code == "image_damaged"


# What is asked at the same time. ----------------------------------------------------------------------


def test_the_same_image_under_other_names_is_asked_about_once(shop: Shop, pages: Server) -> None:
    # given four names of two images, and one of them twice
    items = put(pages, 1, 2, 1, 2)
    items.append(replace(items[0], id="again"))
    before = shop.engine.counters()

    # when
    rows = shop.rows(items)

    # then
    assert growth(shop.engine, before)["images"] == 2
    assert growth(shop.engine, before)["questions"] == 2 * len(SHEET)
    assert [row.status for row in rows] == [Status.OK] * 5
    assert sum(map(is_cached, rows)) == 3
    assert same([rows[0], rows[1], rows[0]], [rows[2], rows[3], rows[4]])
    assert rows[0].sha256 == rows[2].sha256


def test_a_failure_that_is_the_questions_own_is_that_of_all_who_ask_it(
    shop: Shop, pages: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given two names of one image for twelve items, and a question that is too long for the engine
    submit, refused = shop.engine.submit, list[Request]()

    def refusing(request: Request) -> object:
        if request.question != COLOR:
            return submit(request)
        refused.append(request)
        ticket = Ticket()
        ticket.fail(RequestError("too_long", "the question is too long"))
        return ticket

    monkeypatch.setattr(shop.engine, "submit", refusing)
    named = put(pages, 1, 1)
    items = [replace(named[number % 2], id=str(number), extra={"n": number}) for number in range(12)]

    # when
    rows = shop.rows(items, (WHAT, COLOR))

    # then it is asked once, and each row has its own id, columns and image, and the answer that there is
    assert len(refused) == 1
    assert [row.error_code for row in rows] == ["too_long"] * 12
    assert [(row.id, row.image, row.extra) for row in rows] == [
        (item.id, item.image, json.dumps(item.extra)) for item in items
    ]
    assert same(rows[:1] * 12, [replace(row, extra=rows[0].extra) for row in rows])
    assert sorted(row.answers[0].cached is True for row in rows) == [False] + [True] * 11
    assert len(pages.asked) == 2


def test_rows_of_one_image_that_lack_an_answer_have_it_fetched_once_more_for_all(
    shop: Shop, pages: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given an engine that fails the first request, and might not the next
    submit, failed = shop.engine.submit, list[Request]()

    def failing(request: Request) -> object:
        if failed:
            return submit(request)
        failed.append(request)
        ticket = Ticket()
        ticket.fail(RequestError("deadline", "the model did not answer in time", retryable=True))
        return ticket

    monkeypatch.setattr(shop.engine, "submit", failing)
    (item,) = put(pages, 1)
    items = [replace(item, id=str(number)) for number in range(12)]

    # then
    rows = shop.rows(items, (WHAT,))
    assert sorted(row.error_code or "" for row in rows) == [""] * 11 + ["deadline"]
    assert len(pages.asked) == 2


def test_columns_that_no_text_names_make_no_difference(shop: Shop, pages: Server) -> None:
    # given four names of one image, with columns of their own, of which a text names one
    shelves = ("east", "west", "east", "west")
    items = [replace(item, extra={"shelf": shelf}) for item, shelf in zip(put(pages, 1, 1, 1, 1), shelves, strict=True)]
    before = shop.engine.counters()

    # then both questions are asked once for each value of that
    rows = shop.rows(items, (Question("is it in the {shelf}?"), WHAT))
    assert growth(shop.engine, before)["questions"] == 4
    assert sum(map(is_cached, rows)) == 2


def test_a_column_called_like_the_place_of_a_choice_makes_no_difference(shop: Shop, pages: Server) -> None:
    # given four names of one image, with columns that no text is filled from
    items = [
        replace(item, extra={"choice": str(number), "id_of_shop": number})
        for number, item in enumerate(put(pages, 1, 1, 1, 1))
    ]
    before = shop.engine.counters()

    # then each choice is asked about once
    rows = shop.rows(items, (Question("is it a {choice}?", choices=("hat", "mug"), multiple=True),))
    assert growth(shop.engine, before)["questions"] == 2
    assert sum(map(is_cached, rows)) == 3
    # But where it is a column, it is one.
    assert sum(map(is_cached, shop.rows(items, (Question("is it a {choice}?"),)))) == 0


def test_who_asks_the_same_while_it_is_asked_waits_without_a_thread(
    shop: Shop, pages: Server, opened_images: list[ImageHandle]
) -> None:
    with Turns(shop.engine):
        # given an engine that answers nothing, a part whose images it has, and one of the same images
        first = shop.begin(put(pages, 1, 2))
        wait_until(lambda: len(opened_images) == 2, within=SECONDS, what="two images under way")
        second = shop.begin(put(pages, *[1, 2] * 20, name="other"))
        wait_until(lambda: len(pages.asked) == 42, within=SECONDS, what="all images fetched")

        # when others come after that, more than there are threads
        third = shop.begin(put(pages, *range(3, 13), name="third"))

        # then they are not kept waiting by those
        wait_until(lambda: len(opened_images) == 12, within=SECONDS, what="their images opened")

    # and when it goes on, nothing was asked twice.
    rows = [rows_of(part) for part in (first, second, third)]
    assert [sum(map(is_cached, some)) for some in rows] == [0, 40, 0]
    assert len(opened_images) == 12
    assert same(rows[1], rows[0] * 20)


def test_who_waited_for_one_that_failed_asks_by_itself(
    shop: Shop, pages: Server, opened_images: list[ImageHandle], monkeypatch: pytest.MonkeyPatch
) -> None:
    # given an engine that fails the first request for an image
    submit, failed = shop.engine.submit, list[Request]()

    def failing(request: Request) -> object:
        ticket = submit(request)
        if not failed:
            failed.append(request)
            ticket.fail(RequestError("deadline", "the model did not answer in time", retryable=True))
        return ticket

    monkeypatch.setattr(shop.engine, "submit", failing)

    # when
    with Turns(shop.engine):
        first = shop.begin(put(pages, 1), (WHAT,))
        wait_until(lambda: bool(failed), within=SECONDS, what="a failure")
        second = shop.begin(put(pages, 1, 1, name="other"), (WHAT,))
        wait_until(lambda: len(pages.asked) >= 3, within=SECONDS, what="the same image, fetched")

    # then
    assert [row.error_code for row in rows_of(first)] == ["deadline"]
    assert [row.status for row in rows_of(second)] == [Status.OK] * 2


def test_who_waited_for_a_part_that_is_given_up_asks_by_itself(
    shop: Shop, pages: Server, opened_images: list[ImageHandle]
) -> None:
    with Turns(shop.engine):
        first = shop.begin(put(pages, 1))
        wait_until(lambda: len(opened_images) == 1, within=SECONDS, what="an image under way")
        second = shop.begin(put(pages, 1, name="other"))
        wait_until(lambda: len(pages.asked) == 2, within=SECONDS, what="the same image, fetched")
        first.give_up()
    (row,) = rows_of(second)
    assert row.status is Status.OK
    assert len(opened_images) == 2


def test_an_image_that_is_none_fails_everybody_who_has_it(shop: Shop, pages: Server) -> None:
    items = [Item(id=str(number), image=pages.put(f"/{number}.jpg", png(product())[:900])) for number in range(6)]
    rows = shop.rows(items)
    assert {row.error_code for row in rows} == {"image_damaged"}
    assert {row.answers for row in rows} == {()}


def test_a_part_that_ends_leaves_nobody_waiting_for_it(shop: Shop, pages: Server) -> None:
    # given a server that is busy for a second with one of two images that are the same
    busy = pages.put("/busy.png", Page(b"", 503, {"Retry-After": "1"}))
    items = [Item(id="busy", image=busy), *put(pages, 1, 1)]
    part = shop.begin(items)
    wait_until(lambda: "/busy.png" in pages.asked, within=SECONDS, what="a first try")
    pages.put("/busy.png", png(product(1)))
    assert [row.status for row in rows_of(part)] == [Status.OK] * 3


# Asks. ------------------------------------------------------------------------------------------------


@pytest.fixture
def asks(shop: Shop) -> Callable[..., dict[str, object]]:
    runner = AskRunner(Engines([shop.engine]), Access.of(networks=["127.0.0.0/8"]), shop.loader, answers=shop.cache)

    def ask(url: str, **more: object) -> dict[str, object]:
        message = AskMessage(model=shop.engine.info.model, image=url, questions=SHEET, **more)  # type: ignore[arg-type]
        return runner.run(message)

    return ask


def test_asks_and_parts_know_what_the_other_was_told(
    shop: Shop, pages: Server, asks: Callable[..., dict[str, object]]
) -> None:
    # given
    items = put(pages, 1, 2)
    first = asks(items[0].image)
    before = shop.engine.counters()

    # then
    assert [is_cached(row) for row in shop.rows(items)] == [True, False]
    again = asks(items[1].image)
    assert growth(shop.engine, before)["images"] == 1
    assert [answer["cached"] for answer in first["answers"]] == [False, False]  # type: ignore[attr-defined]
    assert [answer["cached"] for answer in again["answers"]] == [True, True]  # type: ignore[attr-defined]
    assert again["width"] == product().width


def test_an_ask_without_the_cache_asks(shop: Shop, pages: Server, asks: Callable[..., dict[str, object]]) -> None:
    (item,) = put(pages, 1)
    asks(item.image)
    before, began = shop.engine.counters(), time.monotonic()
    row = asks(item.image, cache=False)
    assert not any("cached" in answer for answer in row["answers"])  # type: ignore[attr-defined]
    assert growth(shop.engine, before)["images"] == 1
    assert 0 < float(str(row["seconds"])) <= time.monotonic() - began


def test_an_ask_of_what_is_no_image_says_so(pages: Server, asks: Callable[..., dict[str, object]]) -> None:
    assert asks(pages.put("/no.jpg", b"none"))["error_code"] == "not_an_image"
    assert asks(pages.url("/gone.jpg"))["error_code"] == "http_404"
