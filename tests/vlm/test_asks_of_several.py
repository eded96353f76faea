"""An ask that shows several images, at the worker: each by the rules that hold for any, and one that fails is named."""

from __future__ import annotations

import base64
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from helpers.http_server import Server
from helpers.pictures import encoded, jpeg, noise, product, truncated_jpeg
from helpers.vlm import TinyVlms
from PIL import Image

from askpix.producer.messages import AskMessage
from askpix.worker import asking
from askpix.worker.access import Access
from askpix.worker.asking import AskRunner
from askpix.worker.engines import Engines
from askpix.worker.loading import Loader
from askpix.worker.several_images import SeveralImages
from askpix.worker.vlm import image_room
from askpix.worker.vlm.engine import VlmEngine

SHORT = {"max_new_tokens": 12}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def loader(tmp_path: Path) -> Iterator[Loader]:
    loader = Loader(Access.of(files_roots=[str(tmp_path)], networks=["127.0.0.1/32"]))
    yield loader
    loader.close()


@pytest.fixture
def runner(engine: VlmEngine, loader: Loader, tmp_path: Path) -> AskRunner:
    return AskRunner(Engines([engine]), Access.of(storage_roots=[str(tmp_path)]), loader)


@pytest.fixture
def run(engine: VlmEngine, runner: AskRunner) -> Callable[..., dict[str, Any]]:
    def run(image: str | None, *turns: dict[str, Any], questions: Sequence[Any] = ("and?",)) -> dict[str, Any]:
        message = {"v": 1, "model": engine.info.model, "image": image, "questions": questions, "options": SHORT}
        return runner.run(AskMessage.parse({**message, "history": turns or None}))

    return run


Run = Callable[..., dict[str, Any]]


def _uri(number: int) -> str:
    return f"data:image/png;base64,{base64.b64encode(encoded(Image.fromarray(noise(number)), 'PNG')).decode()}"


def _turn(*images: str, question: str = "what is it?", answer: str = "a mug") -> dict[str, Any]:
    return {"question": question, "answer": answer, "images": images}


def _text(row: dict[str, Any]) -> str:
    assert row["status"] == "ok", row["error_message"]
    return str(row["answers"][0]["text"])


def test_images_come_from_wherever_they_may_and_the_row_is_about_the_last(
    run: Run, server: Server, tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    url = server.put("/b.png", encoded(Image.fromarray(noise(1, 90, 40)), "PNG"))

    row = run(url, _turn(str(tmp_path / "a.jpg")), _turn(_uri(2)))

    assert (row["image"], row["width"], row["height"]) == (url, 90, 40)
    assert row["answers"][0]["prompt_tokens"] > 3 * 16
    # Where the question comes with none, about the last that was shown.
    row = run(None, _turn(_uri(2)), _turn(url))
    assert (row["image"], row["width"]) == (url, 90)
    row = run(None, _turn(url), _turn(_uri(2)))
    assert row["image"] == row["id"]
    assert row["id"].startswith("data:")
    assert len(row["id"]) == len("data:") + 16


def test_an_image_is_shown_with_its_turn(run: Run) -> None:
    """The same one, with the first question, the second, or the one that is asked."""
    a, b = _uri(1), _uri(2)
    said = [
        _text(run(b, _turn(a), _turn(question="and now?"))),
        _text(run(None, _turn(a), _turn(b, question="and now?"))),
        _text(run(None, _turn(a, b), _turn(question="and now?"))),
        _text(run(None, _turn(b), _turn(a, question="and now?"))),
    ]
    assert len(set(said)) == len(said)
    # One alone is in front of the first question, however that is told.
    assert _text(run(a, _turn())) == _text(run(None, _turn(a)))


def test_what_is_shown_often_is_fetched_once(run: Run, server: Server) -> None:
    url, before = server.put("/often.jpg", jpeg()), len(server.asked)
    assert _text(run(url, _turn(url, url), _turn(url)))
    assert server.asked[before:] == ["/often.jpg"]


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ("{server}/nowhere.jpg", "http_404"),
        ("{server}/cut.jpg", "image_damaged"),
        ("/etc/passwd", "not_allowed"),
        ("file:///etc/passwd", "not_allowed"),
        ("ftp://shop.example/1.jpg", "scheme_not_supported"),
        ("javascript:alert(1)", "not_allowed"),
        ("http://169.254.169.254/latest/meta-data", "not_allowed"),
        ("data:image/png;base64,AAAA", "not_an_image"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_that_fails_is_named_with_its_own_error(place: int, bad: str, code: str, run: Run, server: Server) -> None:
    server.put("/cut.jpg", truncated_jpeg())
    bad = bad.format(server=server.url(""))
    images = [_uri(1), _uri(2), _uri(3)]
    images[place] = bad

    row = run(images[2], _turn(images[0]), _turn(images[1]))

    assert (row["status"], row["error_code"]) == ("error", code)
    named = "data:" if bad.startswith("data:") else bad
    assert row["error_message"].startswith(f"image {place + 1} of 3, {named}")
    assert not row["answers"]
    assert len(row["error_message"]) < 600


def test_a_question_after_another_has_the_images_in_their_places(run: Run) -> None:
    """As one that is told the first of them, and its answer, as history."""
    a, b = _uri(1), _uri(2)
    asked = [{"text": "which is it?", "name": "x"}, {"text": "and why?", "after": "x", "name": "y"},
             {"text": "really?", "after": "y"}]  # fmt: skip
    row = run(b, _turn(a), questions=asked)

    first, second, third = (answer["text"] for answer in row["answers"])
    with_b = _turn(b, question="which is it?", answer=first)
    assert second == _text(run(None, _turn(a), with_b, questions=["and why?"]))
    then = {"question": "and why?", "answer": second}
    assert third == _text(run(None, _turn(a), with_b, then, questions=["really?"]))


LATE = "the images of others took too long to load"


def _take_all_places(several: SeveralImages) -> None:
    for _ in range(4):
        assert several._places.acquire(blocking=False)
    assert not several._places.acquire(blocking=False)


def test_who_has_no_time_left_for_others_images_is_told_so(
    run: Run, runner: AskRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    _take_all_places(runner._several)
    monkeypatch.setattr(asking, "ANSWER_SECONDS", -1)

    row = run(_uri(1), _turn(_uri(2)))

    assert (row["error_code"], row["retryable"]) == ("deadline", True)
    assert LATE in row["error_message"]


def test_who_waits_for_slow_servers_keeps_nobody_from_a_place(loader: Loader, engine: VlmEngine) -> None:
    # Given: as many as there are places, each with a server that takes a request and says nothing.
    several, ended = SeveralImages(loader), threading.Semaphore(0)
    silent = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]

    def load(url: str) -> None:
        several.load([_uri(1), url], engine, time.monotonic() + 100)
        ended.release()

    for one in silent:
        address = f"http://127.0.0.1:{one.getsockname()[1]}/1.jpg"
        threading.Thread(target=load, args=(address,), daemon=True).start()
    asked = [one.accept()[0] for one in silent]

    # When: another comes, with no time to wait.
    loaded = several.load([_uri(2), _uri(3)], engine, time.monotonic())

    # Then
    assert [one.facts.problem for one in loaded] == [None, None]
    for one in (*asked, *silent):
        one.close()
    for _ in silent:
        assert ended.acquire(timeout=100)


def test_who_waits_for_room_beyond_the_deadline_is_told_so_and_gives_all_back(
    tiny: TinyVlms, loader: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_room, "PIXEL_BYTES", 7_000_000)
    engine, several = VlmEngine(tiny.folder("llava_next")), SeveralImages(loader)
    large = encoded(product().resize((1_200, 900)), "PNG")
    uri = f"data:image/png;base64,{base64.b64encode(large).decode()}"
    assert engine._room._room.take(7_000_000)

    first, second = several.load([uri, _uri(1)], engine, time.monotonic())

    assert first.facts.problem is not None
    assert (first.facts.problem.code, first.facts.problem.message) == ("deadline", LATE)
    assert (first.handle, second.handle) == (None, None)
    _take_all_places(several)
    assert several._room.take(512 << 20, until=0)
    engine._room._room.give_back(7_000_000)
    assert engine._room._room.take(7_000_000, until=0)
    engine.close()


@pytest.mark.parametrize("where", ["prepare_image", "keep_images"])
def test_where_memory_ends_there_is_a_row_that_says_so(where: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def short(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(VlmEngine, where, short)
    row = run(_uri(1), _turn(_uri(2)))
    assert (row["status"], row["error_code"], row["retryable"]) == ("error", "out_of_memory", True)
    assert row["error_message"].startswith("image 1 of 2, data:")


def test_more_bytes_than_may_be_held_are_refused_at_once(loader: Loader, engine: VlmEngine, server: Server) -> None:
    several, url = SeveralImages(loader), server.put("/large.png", encoded(Image.fromarray(noise(1, 600, 600)), "PNG"))
    assert several._room.take(512 << 20)
    loaded = several.load([_uri(1), url], engine, time.monotonic() + 100)
    assert [one.facts.problem and one.facts.problem.code for one in loaded] == [None, "out_of_memory"]
    several._room.give_back(512 << 20)
    assert [one.facts.problem for one in several.load([_uri(1), url], engine, time.monotonic())] == [None, None]
    assert several._room.take(512 << 20, until=0)


def test_of_many_images_so_many_are_at_full_size_as_are_decoded_at_a_time(
    loader: Loader, engine: VlmEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "_decoding", threading.Semaphore(1))
    whole, prepare = list[weakref.ref[Any]](), engine.prepare_image
    there: list[int] = []

    def counted(pixels: Any) -> Any:
        whole.append(weakref.ref(pixels))
        there.append(sum(one() is not None for one in whole))
        return prepare(pixels)

    monkeypatch.setattr(engine, "prepare_image", counted)
    loaded = SeveralImages(loader).load([_uri(number) for number in range(6)], engine, time.monotonic() + 100)
    assert all(one.handle for one in loaded)
    assert there == [1] * 6


def test_images_at_full_size_that_come_together_never_wait_for_each_other(
    tiny: TinyVlms, loader: Loader, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a model that cuts them into tiles itself; those of one ask alone are more than may be held."""
    monkeypatch.setattr(image_room, "PIXEL_BYTES", 7_000_000)
    urls = [server.put(f"/{n}.png", encoded(product().resize((1_200, 900)).rotate(n), "PNG")) for n in range(3)]
    engine = VlmEngine(tiny.folder("llava_next"))
    several, ended, found = SeveralImages(loader), threading.Semaphore(0), []

    def load() -> None:
        for _ in range(5):
            loaded = several.load(urls, engine, deadline=time.monotonic() + 100)
            found.extend(one.facts.problem for one in loaded)
            del loaded
        ended.release()

    for _ in range(4):
        threading.Thread(target=load, daemon=True).start()
    for _ in range(4):
        assert ended.acquire(timeout=100)
    assert found == [None] * 60
    # And all of it was given back.
    engine._room._room.take(7_000_000)
    engine.close()
