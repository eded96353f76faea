"""The playground in a real browser: what it answers, what it shows of hostile texts, and whom it asks for anything."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from helpers.playground import SECONDS, Server, Window
from helpers.playground_pages import EXAMPLES, Open, ask_long, chrome, open_page, tiny, truth
from helpers.processes import askpix
from helpers.vlm import SLOW, TinyVlms
from playwright.sync_api import expect

from askpix.worker.local import demo_model

__all__ = ["chrome", "open_page", "tiny", "truth"]


pytestmark = pytest.mark.timeout(300)


HOSTILE = "<img src=x onerror=alert(1)> **bold** [a](javascript:alert(2)) <script>alert(3)</script>"


@pytest.fixture(scope="module")
def int8(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo model, quantized."""
    place = tmp_path_factory.mktemp("quantized")
    options = ("--images", images, "--samples", "16", "--output", "int8", "--name", "demo-int8")
    ran = askpix("model", "quantize", demo_model(), *options, cwd=place, timeout=280)
    assert ran.code == 0, ran.err
    return place / "int8"


@pytest.fixture(scope="module")
def server(int8: Path, tiny: TinyVlms, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A playground with the demo model, the same quantized, and a tiny LLaVA."""
    models = ("--model", demo_model(), "--model", int8, "--model", tiny.folder("llava", sizes=SLOW))
    server = Server(tmp_path_factory.mktemp("playground"), *models, "--port", "0")
    yield server
    assert server.close() == 128 + signal.SIGTERM
    assert "Traceback" not in server.log
    # Nothing of what was dropped is left.
    assert list(server.tmp.glob("askpix-playground-*")) == []


@pytest.fixture
def window(server: Server, open_page: Open) -> Window:
    return open_page(server)


def test_the_examples_are_answered_and_captioned_right(window: Window, truth: dict[str, dict[str, str]]) -> None:
    for number, name in enumerate(EXAMPLES):
        window.pick(number)
        known = truth[name]
        asked = [question for question in known if any(word in question for word in ("color", "shown", "kind"))]
        for question in (*asked, ""):
            window.ask(question)
            assert window.answer() == known[question], (name, question)
            assert "askpix-demo on CPU in" in window.facts()


def test_a_picture_that_is_dropped_is_answered(window: Window, images: Path) -> None:
    window.drop(images / "005-bottle.jpg")
    window.ask("what is shown?")
    assert window.answer() == "bottle"


def test_choices_have_bars_the_likeliest_first(window: Window) -> None:
    window.pick(EXAMPLES.index("034-shoe.jpg"))
    window.ask("what color is it?", "blue\nred\ngreen")
    assert window.answer() == "red"
    bars = window.bars()
    assert set(bars) == {"blue", "red", "green"}
    assert next(iter(bars)) == "red"
    assert bars["red"] == "100%"


def test_two_models_answer_side_by_side(window: Window) -> None:
    window.pick(EXAMPLES.index("047-hat.jpg"))
    window.choose("model-1", "demo-int8")
    window.choose("precision-0", "f32")
    window.ask("what color are they?")
    window.wait(1)
    assert (window.answer(0), window.answer(1)) == ("pink", "pink")
    assert "askpix-demo on CPU in f32" in window.facts(0)
    assert "demo-int8 on CPU in" in window.facts(1)
    assert " ms" in window.facts(0) + window.facts(1)

    window.choose("model-1", "none")
    expect(window.at("#side-1")).to_be_hidden()


def test_one_model_in_two_precisions(window: Window) -> None:
    window.pick(0)
    window.choose("model-1", "askpix-demo")
    window.choose("precision-1", "f32")
    window.ask()
    window.wait(1)
    assert window.answer(0) == window.answer(1)
    assert window.facts(1).endswith("in f32")


def test_settings_are_used_and_only_those_are_there_that_the_model_takes(window: Window) -> None:
    window.at("#more button").first.click()
    expect(window.at("#setting-max_new_tokens")).to_be_visible()
    expect(window.at("#setting-system")).to_be_hidden()
    window.pick(0)
    window.fill("setting-max_new_tokens", "2")
    window.ask()
    assert window.answer() == "a plain"
    assert "cut off" in window.facts()
    window.fill("setting-max_new_tokens", "few")
    window.ask()
    assert window.problem() == "max new tokens: 'few' is no whole number"


def test_hostile_texts_stay_texts(window: Window) -> None:
    """A choice comes back as the answer, in the bars, and the question in the conversation."""
    window.pick(0)
    choices = ("<img src=x onerror=alert(1)> **black**", "<b>red</b>")
    window.ask("<b>what color is it?</b>", "\n".join(choices))
    assert window.answer() in choices
    assert set(window.bars()) == set(choices)
    window.choose("model-0", "tiny-llava")
    window.ask(HOSTILE)
    assert window.messages()[0] == HOSTILE
    # The picture that was asked about is there, and is ours.
    assert window.pictures() == [f"Image 1: {EXAMPLES[0]}"]
    for side in ("#side-0 img:not(.shown)", "#side-0 script", "#side-0 strong", "#side-0 a", "#side-0 b"):
        expect(window.at(side)).to_have_count(0)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("text.jpg", b"this is no picture", "the file is no image that can be read"),
        ("cut.jpg", None, "the image is damaged or cut short"),
    ],
)
def test_what_is_no_image_is_told_in_a_sentence(
    name: str, data: bytes | None, words: str, window: Window, images: Path, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(data or (images / "000-bottle.jpg").read_bytes()[:2_000])
    window.drop(tmp_path / name)
    window.ask("what is it?")
    assert words in window.problem()


@pytest.mark.parametrize("path", ["/etc/passwd", "http://127.0.0.1:9/x.jpg", "{tmp}/../log"])
def test_no_file_is_had_by_naming_it(path: str, server: Server) -> None:
    """Neither in the image's place, nor in that of a text, which the page shows again."""
    named = {"path": path.format(tmp=server.tmp), "meta": {"_type": "gradio.FileData"}, "url": path}
    before = set(server.tmp.rglob("*"))
    for place in (0, 1):
        data: list[object] = [None, "what?", "", "askpix-demo", "auto", "none", "auto", *[""] * 15]
        data[place] = named
        body = json.dumps({"data": data, "fn_index": 0, "session_hash": "forged"}).encode()
        request = Request(f"{server.url}/gradio_api/queue/join", body, {"Content-Type": "application/json"})
        with pytest.raises(HTTPError, match="400"):
            urlopen(request, timeout=10)
        # No address even goes as far as Gradio, which would fetch those that are not of this machine or its network.
        with pytest.raises(HTTPError, match="404"):
            urlopen(f"{server.url}/gradio_api/file={named['path']}", timeout=10)
    assert set(server.tmp.rglob("*")) == before


def test_without_an_image_or_with_one_choice_the_page_says_so(window: Window) -> None:
    window.ask("what is it?")
    assert window.problem() == "drop an image first, or pick one of the examples"
    window.pick(0)
    window.ask("what is it?", "mug")
    assert window.problem() == "one choice is none: give two or more, one a line"


def test_a_chat_streams_stops_and_goes_on(window: Window) -> None:
    # Given
    ask_long(window)
    window.clear()

    # When: it grows before it has ended.
    window.begin("what is it?")
    window.watched.page.wait_for_function(
        "() => document.querySelectorAll('#side-0 .chat .message-content')[1]?.innerText.trim().length > 0"
    )
    window.watched.page.wait_for_function(
        """before => {
            const growing = document.querySelector('#side-0 .facts textarea').value === 'answering';
            return growing && document.querySelectorAll('#side-0 .chat .message-content')[1].innerText.length > before;
        }""",
        arg=len(window.messages()[1]),
    )

    # Then: stopping keeps what there is; a text that had come to its end would say how sure the model is of it.
    there = len(window.messages()[1])
    window.at("#stop").click()
    window.wait()
    said = window.messages()
    assert window.facts() == "stopped"
    assert said[0] == "what is it?"
    assert len(said[1]) >= there

    # And the next question comes after it.
    window.fill("setting-max_new_tokens", "8")
    window.fill("setting-min_new_tokens", "")
    window.go_on("and its colour?")
    assert window.messages()[:3] == [*said, "and its colour?"]
    with_history = window.tokens_read()

    # Cleared, it is forgotten.
    window.ask("and its colour?")
    assert len(window.messages()) == 2
    assert window.tokens_read() < with_history


def _short(window: Window, length: str = "8") -> None:
    """Has answers end soon."""
    window.fill("setting-max_new_tokens", length)
    window.fill("setting-min_new_tokens", "")


def _grows(window: Window) -> None:
    """Waits until an answer comes, and has not ended; returns when more of it has come."""
    window.watched.page.wait_for_function(
        """before => {
            const said = [...document.querySelectorAll('#side-0 .chat .bot .message-content')].at(-1)?.innerText;
            if (document.querySelector('#side-0 .facts textarea')?.value !== 'answering') return false;
            window.askpixSaw ??= said.length;
            return said.length > window.askpixSaw;
        }"""
    )
    window.watched.page.evaluate("() => { delete window.askpixSaw; }")


def _shown(window: Window) -> int:
    """Returns how many pictures are in the conversation, and there to be seen."""
    return int(
        window.at("#side-0 .chat img.shown").evaluate_all(
            "(all) => all.filter((one) => one.complete && one.naturalWidth > 0).length"
        )
    )


def test_a_conversation_of_three_turns_over_two_images(window: Window) -> None:
    """It streams, and stopping in the midst keeps what there is; clearing forgets it."""
    # Given: a question about one picture, whose answer comes to its end.
    ask_long(window)
    for name in ("max_new_tokens", "min_new_tokens"):
        window.fill(f"setting-{name}", "60")
    window.ask("what is it?")
    first = window.tokens_read()
    assert window.pictures() == [f"Image 1: {EXAMPLES[0]}"]

    # When: another one joins it, and its answer is stopped in the midst.
    window.pick(1)
    for name in ("max_new_tokens", "min_new_tokens"):
        # So long that it is still coming when it is stopped, and no longer than that all fits afterwards.
        window.fill(f"setting-{name}", "350")
    window.begin("and what is this one?")
    _grows(window)
    window.at("#stop").click()
    expect(window.at("#side-0 .facts textarea")).to_have_value("stopped", timeout=SECONDS * 1000)
    stopped = window.messages()
    assert stopped[0::2] == ["what is it?", "and what is this one?"]
    assert len(stopped[3]) > 0
    assert window.pictures() == [f"Image {number + 1}: {EXAMPLES[number]}" for number in range(2)]

    # Then: the third goes on from all of that, and shows no picture anew.
    _short(window)
    window.go_on("which of them is larger?")
    assert window.messages()[:5] == [*stopped, "which of them is larger?"]
    assert window.pictures() == [f"Image {number + 1}: {EXAMPLES[number]}" for number in range(2)] + [None]
    assert _shown(window) == 2
    # The second image alone has 16 tokens.
    assert window.tokens_read() > first + 16
    assert "turns" not in window.facts()

    # And cleared, all of it is forgotten.
    window.ask("what is it?")
    assert len(window.messages()) == 2
    assert window.pictures() == [f"Image 1: {EXAMPLES[1]}"]
    assert window.tokens_read() == first


def test_what_the_model_cannot_take_is_dropped_with_its_image_and_the_page_says_so(window: Window) -> None:
    # Given: questions of which the model's 1,024 tokens hold one.
    ask_long(window)
    _short(window)
    window.ask("a red mug on a table " * 80)
    assert 500 < window.tokens_read() < 1_000

    # When
    window.pick(1)
    window.go_on("a red mug on a table  " * 80)
    assert "told the last 0 of 1 turns and 1 of 2 images" in window.facts()
    window.go_on("and its colour?")

    # Then: the page shows it all, and says what the model was not told.
    assert "told the last 1 of 2 turns and 1 of 2 images" in window.facts()
    assert len(window.messages()) == 6
    assert _shown(window) == 2


def test_who_reads_by_ear_and_keys_has_it_all(window: Window) -> None:
    ask_long(window)
    _short(window)
    window.pick(0)
    window.ask("what is it?")
    window.pick(1)
    question = window.at("#question textarea, #question input").first
    question.fill("and this one?")
    question.press("Enter")
    expect(window.at("#side-0 .chat .user .message-content")).to_have_count(2, timeout=SECONDS * 1000)

    window.wait()
    log = window.at("#side-0 [role=log]")
    assert log.get_attribute("aria-live") == "polite"
    for number in range(2):
        expect(log.get_by_role("img", name=f"Image {number + 1}: {EXAMPLES[number]}")).to_be_visible()
    # Nothing in it takes the keys on the way to what can be pressed.
    assert log.locator("a, button, [tabindex]").count() == 0


def test_clearing_in_the_middle_leaves_nothing(window: Window) -> None:
    ask_long(window)
    window.clear()
    window.begin("what is it?")
    expect(window.at("#side-0 .chat .message-content")).to_have_count(2)
    window.clear()
    expect(window.at("#side-0 .chat .message-content")).to_have_count(0)
    expect(window.at("#question textarea, #question input").first).to_have_value("")
    window.fill("setting-max_new_tokens", "8")
    window.fill("setting-min_new_tokens", "")
    window.begin("what is it?")
    window.wait()
    assert len(window.messages()) == 2


def test_a_page_that_is_closed_keeps_nobody_waiting(server: Server, open_page: Open) -> None:
    # Given: more pages than are answered at a time, in the midst of long answers.
    for _ in range(4):
        gone = open_page(server)
        ask_long(gone)
        gone.begin("what is it?")
        expect(gone.at("#side-0 .chat .message-content")).to_have_count(2)
        gone.watched.page.close()

    # Then
    other = open_page(server)
    other.pick(0)
    other.ask("what is shown?")
    assert other.answer() == "mug"


def test_who_waits_for_others_can_stop(server: Server, open_page: Open) -> None:
    # Given: as many as are answered at a time, and one more.
    other, *windows = [open_page(server) for _ in range(5)]
    other.pick(0)
    for window in windows:
        ask_long(window)
        window.choose("model-1", "tiny-llava")
    for window in windows:
        window.begin("what is it?")
    for window in windows:
        expect(window.at("#side-0 .chat .message-content")).to_have_count(2, timeout=SECONDS * 1000)
    other.begin("what is shown?")
    expect(other.at("#side-0 .facts textarea")).to_have_value("waiting for others", timeout=SECONDS * 1000)

    # When
    other.at("#stop").click()

    # Then
    expect(other.at("#side-0 .facts textarea")).to_have_value("stopped", timeout=SECONDS * 1000)
    for window in windows:
        window.watched.page.close()
    other.ask("what is shown?")
    assert other.answer() == "mug"
