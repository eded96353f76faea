"""What the engine of a vision-language model holds in memory, and lets go."""

from __future__ import annotations

import gc
import threading
import tracemalloc
import weakref

import pytest
from helpers.pictures import noise
from helpers.processes import wait_until
from helpers.vlm import TinyVlms

from askpix.producer.items import Item, Options
from askpix.producer.questions import Question
from askpix.worker.asker import Asking
from askpix.worker.engine.base import Request
from askpix.worker.engine.building import build_engine
from askpix.worker.engine.devices import Precision
from askpix.worker.engine.ticket import Ticket
from askpix.worker.item import ItemWork
from askpix.worker.item_errors import ItemError
from askpix.worker.loading import ImageFacts, LoadedImage
from askpix.worker.models.vlm_manifest import ScaledTokens
from askpix.worker.vlm.engine import VlmEngine
from askpix.worker.vlm.preparing import prepared

SECONDS = 60


def test_images_at_full_size_wait_for_each_other(tiny: TinyVlms) -> None:
    """Of a model that cuts images into tiles itself; each of these takes 60 MB."""
    engine = VlmEngine(tiny.folder("llava_next"))
    held = [engine.open_image(noise(number, 5_000, 4_000)) for number in range(4)]
    opened = threading.Event()

    def another() -> None:
        engine.open_image(noise(9, 5_000, 4_000))
        opened.set()

    threading.Thread(target=another, daemon=True).start()
    assert not opened.wait(1)

    held.pop()
    assert opened.wait(SECONDS)
    engine.close()


@pytest.mark.parametrize("size", [(1, 20_000), (20_000, 1), (30, 3_000)])
def test_a_narrow_image_takes_no_more_memory_than_others(size: tuple[int, int], engine: VlmEngine) -> None:
    tracemalloc.start()
    image = engine.open_image(noise(1, *size))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000
    request = Request(images=(image,), question=Question("what is it?"), options=Options(max_new_tokens=3))
    assert engine.submit(request).result(SECONDS).tokens <= 3


def test_an_image_too_narrow_for_a_model_that_takes_all_of_it_is_an_error() -> None:
    form = ScaledTokens(unit=28, min_pixels=3_136, max_pixels=1_000_000)
    with pytest.raises(ItemError, match="it has 1 x 400 pixels: sides may be 200 to 1") as caught:
        prepared(form, noise(1, 1, 400))
    assert caught.value.code == "image_too_narrow"


@pytest.mark.parametrize("text", ["and?", "✓" * 1_000])
def test_an_item_lets_its_image_go_when_all_is_asked(text: str, engine: VlmEngine) -> None:
    handle = engine.open_image(noise())
    held, ended = weakref.ref(handle), threading.Event()
    questions = (Question("what is it?", name="a"), Question(text, after="a"))
    work = ItemWork(Item(image="a", questions=questions), engine, started=0.0, ended=lambda _: ended.set())

    work.ask(LoadedImage(ImageFacts(), handle), None, Asking(options=Options(max_new_tokens=4)))
    del handle

    assert ended.wait(SECONDS)
    wait_until(lambda: gc.collect() >= 0 and held() is None, within=5, what="the end of the image")
    assert work.row().answers[0].text


def test_an_engine_that_is_set_aside_has_no_pipeline_and_answers_afterwards(tiny: TinyVlms) -> None:
    # Given
    engine = VlmEngine(tiny.folder("llava"), precision=Precision.F32)
    image = engine.open_image(noise())

    def asked(length: int = 40) -> Ticket:
        options = Options(max_new_tokens=length, min_new_tokens=length)
        return engine.submit(Request(images=(image,), question=Question("what is it?"), options=options))

    before, under_way = asked().result(SECONDS), [asked(400) for _ in range(3)]
    wait_until(lambda: engine.counters()["images"] == 4, within=20, what="three texts under way")

    # When
    with engine.set_aside():
        # Then: what was under way has ended, and what comes waits.
        assert all(ticket.done() for ticket in under_way)
        assert not hasattr(engine._batch, "_pipeline")
        waiting = asked()
        with engine.set_aside(), pytest.raises(TimeoutError):
            waiting.result(0.5)
        assert engine.stuck() == 0
        assert not waiting.done()
    assert waiting.result(SECONDS).text == before.text
    engine.close()


def test_memory_for_texts_is_what_the_setting_allows(tiny: TinyVlms) -> None:
    # Given: an engine that takes what it likes, and one, as a worker builds it, that may take a megabyte.
    folder = tiny.folder("llava")
    least = build_engine(folder, precision=Precision.F32, vlm_cache_megabytes=1)
    free = build_engine(folder, precision=Precision.F32)

    # When
    try:
        answers = [
            engine.submit(
                Request(
                    images=(engine.open_image(noise()),),
                    question=Question("what?"),
                    options=Options(max_new_tokens=8),
                )
            ).result(SECONDS)
            for engine in (least, free)
        ]
        blocks = [engine._new_batch.args[3] for engine in (least, free)]  # type: ignore[attr-defined]
        again = least.recipe()
        blocks.append(again._new_batch.args[3])  # type: ignore[attr-defined]
        again.close()
    finally:
        least.close()
        free.close()

    # Then
    assert answers[0].text == answers[1].text
    assert blocks[0] < blocks[1]
    assert blocks[2] == blocks[0], "a process of its own builds the same"
