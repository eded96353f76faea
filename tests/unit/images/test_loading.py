"""An image on its way in holds up others no longer than it is fetched and decoded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from helpers.engine_calls import SECONDS, opened, png, product
from helpers.http_server import Server
from helpers.processes import wait_until

from askpix.worker import cores, loading
from askpix.worker.access import Access
from askpix.worker.blip.engine import BlipEngine
from askpix.worker.engine.base import ImageHandle
from askpix.worker.image_form import Pixels
from askpix.worker.images.fetch_rules import UNCOUNTED_BYTES, FetchRules
from askpix.worker.loading import ImageFacts, LoadedImage, Loader
from askpix.worker.local import demo_model

Load = Callable[[Loader, str, BlipEngine], LoadedImage]


@pytest.fixture
def engine() -> Iterator[BlipEngine]:
    with opened(demo_model()) as engine:
        yield engine


@pytest.fixture
def url() -> Iterator[str]:
    """An image whose bytes are counted."""
    server = Server()
    yield server.put("/product.png", png(product()) + bytes(UNCOUNTED_BYTES))
    server.close()


@pytest.fixture
def loader(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loader]:
    """Fetches one such image at a time, and decodes one."""
    monkeypatch.setattr(cores, "available", lambda: 1)
    monkeypatch.setattr(loading, "_FETCHED_BYTES", UNCOUNTED_BYTES + 1)
    loader = Loader(Access.of(networks=["127.0.0.0/8"]), FetchRules(connections=4))
    yield loader
    loader.close()


def at_once(loader: Loader, reference: str, engine: BlipEngine) -> LoadedImage:
    return loader.load(reference, engine)


def when_needed(loader: Loader, reference: str, engine: BlipEngine) -> LoadedImage:
    facts = ImageFacts()
    with loader.opening(reference, engine, facts) as opening:
        return LoadedImage(facts, None if opening is None else opening())


@pytest.mark.parametrize("load", [at_once, when_needed])
def test_an_engine_that_waits_for_memory_holds_up_no_other_image(
    load: Load, loader: Loader, url: str, engine: BlipEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: an engine that has no room for the first image
    room, waiting, loaded = threading.Event(), list[Pixels](), dict[str, LoadedImage]()
    open_image = engine.open_image

    def opened_some_time(pixels: Pixels) -> ImageHandle:
        if not waiting:
            waiting.append(pixels)
            room.wait(SECONDS)
        return open_image(pixels)

    monkeypatch.setattr(engine, "open_image", opened_some_time)
    threads = [
        threading.Thread(target=lambda name=name: loaded.update({name: load(loader, url, engine)}))  # type: ignore[misc]
        for name in ("first", "second")
    ]
    threads[0].start()
    try:
        wait_until(lambda: bool(waiting), within=SECONDS, what="an image that waits for memory")

        # When
        threads[1].start()

        # Then
        wait_until(lambda: "second" in loaded, within=20, what="the other image")
        assert "first" not in loaded
    finally:
        room.set()
        for thread in threads:
            thread.join()
    assert all(image.handle is not None and image.facts.problem is None for image in loaded.values())
    assert {(image.facts.width, image.facts.height) for image in loaded.values()} == {product().size}
