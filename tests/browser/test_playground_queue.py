"""The playground in a real browser, where a worker answers through the queue."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from helpers.playground import Server
from helpers.playground_pages import EXAMPLES, Open, ask_long, chrome, open_page, tiny, truth
from helpers.system import RedisServer, Starter
from helpers.system_fixtures import broker, client, pages, root, start_worker
from helpers.vlm import SLOW, TinyVlms
from playwright.sync_api import expect

__all__ = ["broker", "chrome", "client", "open_page", "pages", "root", "start_worker", "tiny", "truth"]

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def through_queue(
    broker: RedisServer, start_worker: Starter, tiny: TinyVlms, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A playground whose answers come from a worker, which serves the demo model and a tiny LLaVA."""
    start_worker("--model", tiny.folder("llava", sizes=SLOW))
    server = Server(tmp_path_factory.mktemp("through-queue"), "--broker", broker.url, "--port", "0")
    yield server
    assert server.close() == 128 + signal.SIGTERM
    assert "Traceback" not in server.log


def test_through_the_queue_it_answers_as_well(
    through_queue: Server, open_page: Open, truth: dict[str, dict[str, str]]
) -> None:
    window = open_page(through_queue)
    expect(window.at("#precision-0")).to_be_hidden()
    window.choose("model-0", "askpix-demo")
    window.pick(0)
    window.ask()
    assert window.answer() == truth[EXAMPLES[0]][""]
    window.ask("what color is it?", "red\nblack")
    assert window.bars() == {"black": "100%", "red": "0%"}
    window.fill("question", "")
    window.choose("model-1", "tiny-llava")
    window.fill("choices", "")
    window.ask("what is it?")
    window.wait(1)
    assert len(window.messages(1)) == 2


def test_through_the_queue_a_conversation_goes_on(through_queue: Server, open_page: Open) -> None:
    window = open_page(through_queue)
    window.choose("model-0", "tiny-llava")
    window.pick(0)
    window.at("#more button").first.click()
    window.fill("setting-max_new_tokens", "8")
    window.ask("what is it?")
    first = window.tokens_read()
    window.go_on("what is it?")
    assert window.tokens_read() > first
    assert len(window.messages()) == 4

    # With another image too, which joins it.
    before = window.tokens_read()
    window.pick(1)
    window.go_on("and this one?")
    assert window.tokens_read() > before + 16
    assert window.messages()[0::2] == ["what is it?", "what is it?", "and this one?"]
    assert window.pictures() == [f"Image 1: {EXAMPLES[0]}", None, f"Image 2: {EXAMPLES[1]}"]
    window.ask("what is it?")
    assert window.tokens_read() == first


def test_through_the_queue_it_streams_and_stops(through_queue: Server, open_page: Open) -> None:
    window = open_page(through_queue)
    ask_long(window)
    window.clear()
    window.begin("what is it?")
    expect(window.at("#side-0 .facts textarea")).to_have_value("answering")
    window.at("#stop").click()
    window.wait()
    assert window.facts() == "stopped"
    assert len(window.messages()) == 2
