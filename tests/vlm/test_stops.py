"""The stops of a template end what a model generates: as tokens of it, in the middle of one, and in searches too."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

import openvino_genai as genai
import pytest
from helpers.pictures import noise
from helpers.vlm import TinyVlms

from askpix.producer.items import Options
from askpix.producer.questions import Question
from askpix.producer.rows import Answer
from askpix.worker.engine.base import Request
from askpix.worker.engine.devices import Precision
from askpix.worker.engine.ticket import Ticket
from askpix.worker.vlm.ends import ends_of
from askpix.worker.vlm.engine import VlmEngine
from askpix.worker.vlm.templates import TEMPLATES, files

SECONDS = 60
LONG = Options(max_new_tokens=60, min_new_tokens=None)
SEARCH = Options(max_new_tokens=40, num_beams=2)
SCHEMA = {"type": "object", "properties": {"kind": {"enum": ["mug"]}}, "required": ["kind"]}

Asking = Callable[..., Ticket]
Stopped = Callable[..., AbstractContextManager[Asking]]


@contextmanager
def _asking(tiny: TinyVlms, stops: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> Iterator[Asking]:
    """Yields a way to ask a tiny LLaVA, the answers of whose template end at some texts."""
    others = {**TEMPLATES, "vicuna": replace(TEMPLATES["vicuna"], stops=stops)}
    monkeypatch.setattr(files, "TEMPLATES", others)
    engine = VlmEngine(tiny.folder("llava"), precision=Precision.F32)

    def ask(options: Options, *, stream: bool = False, **more: object) -> Ticket:
        image = engine.open_image(noise(0))
        question = Question("what is it?", **more)
        return engine.submit(Request(images=(image,), question=question, options=options, stream=stream))

    try:
        yield ask
    finally:
        engine.close()


@pytest.fixture
def asking(tiny: TinyVlms, monkeypatch: pytest.MonkeyPatch) -> Stopped:
    """Returns a way to ask, where answers end at the texts it is called with."""
    return lambda *stops: _asking(tiny, stops, monkeypatch)


@pytest.fixture(scope="module")
def plain(tiny: TinyVlms) -> Iterator[tuple[Answer, Answer]]:
    """What the model says, and finds when it searches, where nothing stops it but its end token."""
    with pytest.MonkeyPatch.context() as patch, _asking(tiny, ("</s>",), patch) as ask:
        yield ask(LONG).result(SECONDS), ask(SEARCH).result(SECONDS)


@pytest.fixture(scope="module")
def tokenizer(tiny: TinyVlms) -> genai.Tokenizer:
    return genai.Tokenizer(tiny.folder("llava"))


def _tokens(tokenizer: genai.Tokenizer, text: str) -> set[int]:
    return ends_of((text,), tokenizer, ()).at((text,))


def _in_text(tokenizer: genai.Tokenizer, text: str, *, tokens: int) -> str:
    """Returns a part of a text, not from its beginning, which is one token or none."""
    places = ((at, at + length) for at in range(8, len(text) - 6) for length in (1, 2, 3))
    found = (text[begin:end] for begin, end in places if text.find(text[begin:end]) == begin)
    return next(part for part in found if part.isascii() and part.strip() and len(_tokens(tokenizer, part)) == tokens)


def _longest_token(tokenizer: genai.Tokenizer, text: str) -> str:
    """Returns a token in a text that is so long that nothing else will have spelt it."""
    parts = (text[at : at + length] for length in range(9, 2, -1) for at in range(8, len(text) - length))
    return next(part for part in parts if part.isascii() and part.strip() and _tokens(tokenizer, part))


def test_a_stop_that_is_a_token_is_an_end_token(tokenizer: genai.Tokenizer) -> None:
    ends = ends_of(("</s>", "no token at all"), tokenizer, (7,))
    assert ends.at(("</s>", "no token at all")) == {7, 2}
    assert ends.at(()) == {7}
    assert ends.sought(("</s>", "no token at all", "###")) == ("no token at all", "###")
    assert tokenizer.decode([2], skip_special_tokens=False) == "</s>"


@pytest.mark.parametrize("tokens", [1, 0])
def test_a_text_ends_before_a_stop_of_its_template(
    tokens: int, plain: tuple[Answer, Answer], tokenizer: genai.Tokenizer, asking: Stopped
) -> None:
    """Whether it is a token of its own, or stands across some."""
    # Given
    whole = plain[0].text
    stop = _in_text(tokenizer, whole, tokens=tokens)

    # When
    with asking(stop) as ask:
        said = ask(LONG).result(SECONDS)
        streamed = "".join(ask(LONG, stream=True).pieces(SECONDS))
        both = ask(LONG.model_copy(update={"stop": (whole[:2],)})).result(SECONDS)

    # Then
    assert said.text == whole[: whole.index(stop)].strip()
    assert said.finish_reason == "stop"
    assert said.tokens < plain[0].tokens
    assert streamed == said.text
    assert both.text == ""


def test_a_text_may_spell_a_stop_that_is_an_end_token(
    plain: tuple[Answer, Answer], tokenizer: genai.Tokenizer, asking: Stopped
) -> None:
    """As `</s>` ends what is struck through in HTML."""
    # Given: letters that a token has too, which is not among those that wrote them.
    whole = plain[0].text
    pairs = sorted({whole[at : at + 2] for at in range(8, len(whole) - 8)})
    ends = ends_of(tuple(pair for pair in pairs if pair.isascii() and pair.strip()), tokenizer, ())

    # When
    with asking("</s>") as ask:
        ticket = ask(LONG, stream=True)
        ticket.result(SECONDS)
        assert ticket.growing is not None
        written = ticket.growing._ids
    stop = next(text for text, token in ends.tokens.items() if token not in written)
    with asking(stop) as ask:
        said, streamed = ask(LONG).result(SECONDS), "".join(ask(LONG, stream=True).pieces(SECONDS))
        asked = ask(LONG.model_copy(update={"stop": (stop,)})).result(SECONDS)

    # Then
    assert stop in said.text
    assert (said.text, said.tokens, said.finish_reason) == (whole, plain[0].tokens, plain[0].finish_reason)
    assert streamed == whole
    assert asked.text == whole[: whole.index(stop)].strip()


@pytest.mark.parametrize("stop", ["m", "ug"])
def test_what_keeps_to_a_form_of_its_own_holds_what_it_will(stop: str, asking: Stopped) -> None:
    with asking(stop) as ask:
        written = ask(LONG, json_schema=SCHEMA).result(SECONDS)
        chosen = ask(LONG, choices=["mug", "mugs"]).result(SECONDS)

    assert json.loads(written.text) == {"kind": "mug"}
    assert chosen.text in ("mug", "mugs")


@pytest.mark.parametrize("tokens", [1, 0])
def test_a_search_is_not_refused_for_its_templates_stops_and_does_not_go_on_past_one(
    tokens: int, plain: tuple[Answer, Answer], tokenizer: genai.Tokenizer, asking: Stopped
) -> None:
    text = plain[1].text
    stop = _longest_token(tokenizer, text) if tokens else _in_text(tokenizer, text, tokens=0)

    with asking(stop) as ask:
        found = ask(SEARCH).result(SECONDS)

    if tokens:
        assert stop not in found.text
    else:
        # Nothing ended it there: what came after was cut off.
        assert found.text == plain[1].text[: plain[1].text.index(stop)].strip()
        assert found.finish_reason == "stop"
