"""A part's items, on the shipped model: an image is loaded once for all of them, and no thread waits for answers."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from helpers.engine_calls import SECONDS, Turns, ask, essence, handle, opened, png, product, request
from helpers.http_server import Page, Server
from helpers.parts import part_of
from helpers.pictures import jpeg
from helpers.processes import wait_until

from askpix.producer.items import Item
from askpix.producer.questions import Question
from askpix.producer.rows import Status
from askpix.worker.access import Access
from askpix.worker.blip.engine import BlipEngine
from askpix.worker.engine.base import ImageHandle
from askpix.worker.hosts import Hosts
from askpix.worker.image_form import Pixels
from askpix.worker.images.fetch_rules import FetchRules
from askpix.worker.item_errors import EngineStoppedError
from askpix.worker.load_threads import LoadThreads
from askpix.worker.loading import Loader
from askpix.worker.local import demo_model
from askpix.worker.part_items import PartItems

THREADS = 2


@pytest.fixture(scope="module")
def shared() -> Iterator[BlipEngine]:
    with opened(demo_model()) as engine:
        yield engine


@pytest.fixture
def fragile() -> Iterator[BlipEngine]:
    """An engine of its own for a test that makes it fail."""
    with opened(demo_model()) as engine:
        yield engine


@pytest.fixture
def threads() -> Iterator[LoadThreads]:
    threads = LoadThreads(Hosts(places=THREADS))
    yield threads
    threads.close()


@pytest.fixture
def pages() -> Iterator[Server]:
    """A web server that has served nothing yet."""
    server = Server()
    yield server
    server.close()


Begin = Callable[[BlipEngine, Sequence[Item]], PartItems]


@pytest.fixture
def begin(threads: LoadThreads, tmp_path: Path) -> Iterator[Begin]:
    """Has the items of a part loaded, whose job captions."""
    loader = Loader(Access.of(networks=["127.0.0.0/8"]), FetchRules(connections=THREADS))
    begun: list[PartItems] = []

    def begin(engine: BlipEngine, items: Sequence[Item]) -> PartItems:
        asked = part_of(items, engine, loader, tmp_path)
        begun.append(asked)
        asked.begin(threads)
        return asked

    yield begin
    for asked in begun:
        asked.give_up()
    loader.close()


def put_products(pages: Server, number: int, name: str = "product") -> list[str]:
    return [pages.put(f"/{name}-{index}.png", png(product(index))) for index in range(number)]


# One image, many rows. ------------------------------------------------------------------------------


def test_an_image_is_fetched_and_encoded_once_for_rows_that_are_far_apart(
    shared: BlipEngine, pages: Server, begin: Begin
) -> None:
    # given twenty images that all are asked one question, then all another, and are captioned last
    urls = put_products(pages, 20)
    asked = [(Question("what color is it?"),), (Question("what is it?"),), None]
    items = [Item(id=f"{url} {place}", image=url, questions=one) for place, one in enumerate(asked) for url in urls]
    before = shared.counters()

    # when
    part = begin(shared, items)

    # then
    assert part.wait(SECONDS)
    assert sorted(pages.asked) == sorted(url.removeprefix(pages.url("")) for url in urls)
    assert shared.counters()["images"] - before["images"] == len(urls)
    # And each row has its own answer, at its own place.
    rows = [part.rows()[place] for place in range(len(items))]
    assert [(row.id, row.image) for row in rows] == [(item.id, item.image) for item in items]
    assert {row.status for row in rows} == {Status.OK}
    assert {(row.width, row.height) for row in rows} == {product().size}
    assert len({row.sha256 for row in rows}) == len(urls)
    alone = [
        ask(shared, [request(handle(shared, product(index)), one[0].text if one else None)])[0]
        for one in asked
        for index in range(len(urls))
    ]
    assert essence(row.answers[0] for row in rows) == essence(alone)


def test_an_image_that_cannot_be_had_fails_each_of_its_rows_and_is_asked_for_once(
    shared: BlipEngine, pages: Server, begin: Begin
) -> None:
    # given
    good = pages.put("/good.jpg", jpeg())
    missing = pages.put("/missing.jpg", Page(b"", 404))
    damaged = pages.put("/damaged.jpg", jpeg()[:900])
    urls = [missing, good, damaged, missing, damaged, good]

    # when
    part = begin(shared, [Item(id=str(place), image=url) for place, url in enumerate(urls)])

    # then
    assert part.wait(SECONDS)
    rows = [part.rows()[place] for place in range(len(urls))]
    codes = [row.error_code for row in rows]
    assert codes == ["http_404", None, "image_damaged", "http_404", "image_damaged", None]
    assert sorted(pages.asked) == ["/damaged.jpg", "/good.jpg", "/missing.jpg"]
    assert all(row.answers == () for row in rows if row.error_code)
    # And what was had of an image is said, though it was no image.
    assert rows[2].sha256 == rows[4].sha256
    assert [row.sha256 is None for row in rows] == [True, False, False, True, False, False]


def test_rows_that_share_an_image_have_errors_of_their_own(shared: BlipEngine, pages: Server, begin: Begin) -> None:
    # given
    image = pages.put("/image.jpg", jpeg())
    questions: list[tuple[Question, ...] | None] = [
        (Question(" "), Question("what is it?")),
        (Question("what is it?"),),
        (Question("what is it?", choices=("mug", "Mug")),),
        None,
    ]

    # when
    part = begin(shared, [Item(id=str(place), image=image, questions=one) for place, one in enumerate(questions)])

    # then
    assert part.wait(SECONDS)
    rows = [part.rows()[place] for place in range(len(questions))]
    assert [row.error_code for row in rows] == ["empty_question", None, "choices_alike", None]
    assert [len(row.answers) for row in rows] == [1, 1, 0, 1]


# Flow. ----------------------------------------------------------------------------------------------


def test_two_threads_keep_a_hundred_images_under_way_and_load_the_next_part_too(
    shared: BlipEngine, pages: Server, begin: Begin
) -> None:
    with Turns(shared):
        # given an engine that answers nothing
        parts = [
            begin(shared, [Item(id=url, image=url) for url in put_products(pages, 50, name)]) for name in ("a", "b")
        ]

        # then
        wait_until(lambda: len(pages.asked) == 100, within=SECONDS, what="a hundred images fetched")
        assert not parts[0].wait(0)
        assert not parts[0].rows()

    # and when it goes on
    assert all(part.wait(SECONDS) for part in parts)
    assert [len(part.rows()) for part in parts] == [50, 50]


def test_a_part_that_is_given_up_has_no_more_images_loaded_and_leaves_the_engine(
    shared: BlipEngine, pages: Server, begin: Begin
) -> None:
    # given a part of more requests than the engine takes, behind one that is done
    first = begin(shared, [Item(id="first", image=pages.put("/first.jpg", jpeg()))])
    assert first.wait(SECONDS)
    questions = tuple(Question(f"what is it, {number}?") for number in range(100))
    urls = put_products(pages, 9)
    with Turns(shared):
        part = begin(shared, [Item(id=url, image=url, questions=questions) for url in urls])
        wait_until(lambda: len(pages.asked) >= 4, within=SECONDS, what="images fetched until the engine is full")

        # when
        part.give_up()

    # then: the engine goes on with others at once, and answers next to nothing of what nobody waits for.
    before = shared.counters()["answers"]
    last = begin(shared, [Item(id="last", image=pages.put("/last.jpg", jpeg()))])
    assert last.wait(SECONDS)
    assert shared.counters()["answers"] - before <= THREADS
    assert len(pages.asked) < 1 + len(urls)
    assert part.rows() == {}


def test_when_the_engine_dies_the_part_ends_and_keeps_the_rows_that_were_complete(
    fragile: BlipEngine, pages: Server, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a part of which one item is answered, and the others are held
    urls = put_products(pages, 8)
    with Turns(fragile) as turns:
        part = begin(fragile, [Item(id=url, image=url) for url in urls[:1]])

        def answered() -> bool:
            turns.allow(1)
            return part.wait(0)

        wait_until(answered, within=SECONDS, what="an answer")
        rest = begin(fragile, [Item(id=url, image=url) for url in urls[1:]])
        wait_until(lambda: len(pages.asked) == len(urls), within=SECONDS, what="all images fetched")

        # when
        def broken(*_: object) -> None:
            raise SystemError("no device")

        monkeypatch.setattr(fragile, "_receive", broken)

    # then
    with pytest.raises(EngineStoppedError):
        rest.wait(SECONDS)
    assert rest.rows() == {}
    assert set(part.rows()) == {0}
    # And a part that begins later hears of it too.
    with pytest.raises(EngineStoppedError):
        begin(fragile, [Item(id="late", image=urls[0])]).wait(SECONDS)


def test_images_whose_answers_are_there_are_let_go(
    shared: BlipEngine, pages: Server, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    open_image = shared.open_image
    alive: weakref.WeakSet[ImageHandle] = weakref.WeakSet()

    def noted(pixels: Pixels) -> ImageHandle:
        image = open_image(pixels)
        alive.add(image)
        return image

    monkeypatch.setattr(shared, "open_image", noted)

    # when
    part = begin(shared, [Item(id=url, image=url) for url in put_products(pages, 60)])
    assert part.wait(SECONDS)

    # then: all but a few, which the device's requests and the load threads had last.
    wait_until(lambda: len(alive) <= 20, within=SECONDS, what="images let go")


# Servers that are busy. -----------------------------------------------------------------------------


def test_an_image_whose_server_is_busy_is_asked_for_again_when_the_server_says(
    shared: BlipEngine, pages: Server, begin: Begin
) -> None:
    # given a server that asks to wait for a second, and then has the image
    url = pages.put("/busy.png", Page(b"", 503, {"Retry-After": "1"}))
    other = put_products(pages, 1)[0]
    began = time.monotonic()

    # when
    asked = begin(shared, [Item(id="a", image=url), Item(id="b", image=other)])
    wait_until(lambda: "/busy.png" in pages.asked, within=SECONDS, what="a first try")
    pages.put("/busy.png", png(product(0)))
    wait_until(lambda: asked.wait(0.05), within=SECONDS, what="both rows")

    # then
    assert [asked.rows()[place].status for place in range(2)] == [Status.OK] * 2
    assert pages.asked.count("/busy.png") == 2
    assert time.monotonic() - began >= 1


def test_a_server_that_asks_for_more_time_than_anybody_has_is_left_alone(
    shared: BlipEngine, pages: Server, begin: Begin
) -> None:
    # given
    urls = [pages.put(f"/tired-{number}.png", Page(b"", 429, {"Retry-After": "3600"})) for number in range(100)]

    # when
    asked = begin(shared, [Item(id=url, image=url) for url in urls])
    wait_until(lambda: asked.wait(0.05), within=SECONDS, what="all rows")

    # then: those that were under way when it first said so were asked for, and no other.
    rows = [asked.rows()[place] for place in range(100)]
    assert {(row.error_code, row.retryable) for row in rows} == {("http_429", True)}
    assert len(pages.asked) <= THREADS


def test_an_image_that_is_not_there_is_asked_for_once(shared: BlipEngine, pages: Server, begin: Begin) -> None:
    asked = begin(shared, [Item(id="a", image=pages.url("/gone.png"))])
    wait_until(lambda: asked.wait(0.05), within=SECONDS, what="the row")
    assert asked.rows()[0].error_code == "http_404"
    assert pages.asked == ["/gone.png"]
