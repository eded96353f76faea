"""Pages of the playground, opened in a browser that watches whom they ask."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from helpers.browser import browser, watched
from helpers.playground import Server, Window
from helpers.vlm import TinyVlms
from playwright.sync_api import Browser

from askpix.worker.playground.dropped import bundled_examples, example_files

EXAMPLES = [path.name for path in example_files(bundled_examples())]

Open = Callable[[Server], Window]


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture
def open_page(chrome: Browser) -> Iterator[Open]:
    """Opens pages; at the end, none may have asked elsewhere, or have had an error."""
    with ExitStack() as stack:
        windows: list[Window] = []

        def open_(server: Server) -> Window:
            window = Window(stack.enter_context(watched(chrome)), server)
            windows.append(window)
            window.open()
            return window

        yield open_
        for window in windows:
            asked = {urlsplit(url).netloc for url in window.watched.requests if url.startswith("http")}
            assert asked == {urlsplit(window.server.url).netloc}
            # Gradio's own page says this of itself when a file is dropped.
            said = [line for line in window.watched.said if line != "warning: Method not implemented."]
            assert not [line for line in said if line.startswith(("error", "warning"))]
            assert window.watched.errors == []
            assert window.watched.dialogs == []


@pytest.fixture(scope="module")
def tiny() -> TinyVlms:
    return TinyVlms()


@pytest.fixture(scope="module")
def truth(images: Path) -> dict[str, dict[str, str]]:
    """What is asked of each example, and the right answers; None asks for the caption."""
    lines = (json.loads(line) for line in (images / "truth.jsonl").read_text().splitlines())
    return {line["image"]: {**line["answers"], "": line["caption"]} for line in lines if line["image"] in EXAMPLES}


def ask_long(window: Window) -> None:
    """Has answers be as long as may be."""
    window.choose("model-0", "tiny-llava")
    window.pick(0)
    window.at("#more button").first.click()
    for name in ("max_new_tokens", "min_new_tokens"):
        window.fill(f"setting-{name}", "700")
