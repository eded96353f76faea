"""LLaVA on MPT: tokens that equal those of plain PyTorch, alone and in any company."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openvino_genai
import pytest
from helpers.mpt import CONTEXT, TinyMpt
from helpers.tiny_mpt import TRAINED
from PIL import Image

from askpix.producer.items import Options, Question, Turn
from askpix.producer.rows import Answer
from askpix.worker.engine.base import Request, Ticket
from askpix.worker.engine.devices import Precision
from askpix.worker.image_form import Pixels
from askpix.worker.vlm.engine import VlmEngine
from askpix.worker.vlm.templates import CAPTION, TEMPLATES

TEMPLATE = TEMPLATES["mpt"]
SIZES = ((56, 56), (120, 80), (89, 171), (640, 480))
# The last one comes to more tokens than the model was trained with, before anything is generated.
QUESTIONS = {"what is it?": 5, "describe the picture, please.": 33, "  a red  mug\non a table? " * 8: 60}


class Case:
    """An engine, what it is asked, and what plain PyTorch says to that."""

    def __init__(self, mpt: TinyMpt, name: str, images: Path) -> None:
        folder = mpt.folder(name)
        self.tokenizer = openvino_genai.Tokenizer(folder)
        self.engine = VlmEngine(folder, precision=Precision.F32)
        self.reference = mpt.reference(name)
        self.asked: list[tuple[Pixels, str, int]] = []
        for path, size in zip(sorted(images.glob("*.jpg")), SIZES, strict=False):
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("RGB").resize(size))
            self.asked += [(pixels, question, length) for question, length in QUESTIONS.items()]
        self.alone = [self.submit(number).result(60) for number in range(len(self.asked))]

    def submit(self, number: int) -> Ticket:
        pixels, question, length = self.asked[number]
        return self.ask(pixels, Question(question), Options(max_new_tokens=length))

    def ask(self, pixels: Pixels, question: Question | None, options: Options, *history: Turn) -> Ticket:
        handle = self.engine.open_image(pixels)
        return self.engine.submit(Request(images=(handle,), question=question, options=options, history=history))

    def told(self, pixels: Pixels, prompt: str, length: int) -> tuple[str, int]:
        """Returns the text that plain PyTorch generates, and of how many tokens it is."""
        ids = self.reference.generate(pixels, prompt, length)
        known = ids[:-1] if self.tokenizer.decode(ids[-1:], skip_special_tokens=True) == "" else ids
        # By one tokenizer: what is no UTF-8, which random models write, libraries replace in ways of their own.
        return str(self.tokenizer.decode(known)).strip(), len(ids)


def _prompt(question: str, **given: object) -> str:
    return TEMPLATE.prompt(question, image=TEMPLATE.image, **given)  # type: ignore[arg-type]


def _said(answer: Answer) -> tuple[str, int | None]:
    return answer.text, answer.tokens


@pytest.fixture(scope="module")
def case(tiny_mpt: TinyMpt, images: Path) -> Iterator[Case]:
    case = Case(tiny_mpt, "published", images)
    yield case
    case.engine.close()


def test_tokens_equal_those_of_plain_pytorch(case: Case) -> None:
    told = [case.told(pixels, _prompt(question), length) for pixels, question, length in case.asked]
    assert [_said(answer) for answer in case.alone] == told
    # Texts that do not depend on what is shown and asked would show nothing.
    assert len({text for text, _ in told}) > len(told) * 0.8


def test_texts_go_on_past_the_length_that_the_model_was_trained_with(case: Case) -> None:
    lengths = [(answer.prompt_tokens or 0, answer.tokens or 0) for answer in case.alone]
    assert any(prompt < TRAINED < prompt + more for prompt, more in lengths)
    assert any(TRAINED < prompt < prompt + more < CONTEXT for prompt, more in lengths)


def test_many_mixed_requests_equal_single_ones(case: Case) -> None:
    before = case.engine.counters()

    # All are there before the first begins.
    with case.engine.set_aside():
        tickets = [case.submit(number) for number in range(len(case.asked))]
    together = [ticket.result(60) for ticket in tickets]

    assert [_said(one) for one in together] == [_said(one) for one in case.alone]
    # And they did share steps.
    steps, rows = (case.engine.counters()[name] - before[name] for name in ("steps", "rows"))
    assert rows / steps > 3


def test_captions_equal_those_of_plain_pytorch(case: Case) -> None:
    pixels = case.asked[0][0]
    caption = case.ask(pixels, None, Options(max_new_tokens=9)).result(60)
    assert _said(caption) == case.told(pixels, _prompt(CAPTION), 9)


def test_follow_ups_equal_those_of_plain_pytorch(case: Case) -> None:
    pixels = case.asked[0][0]
    history = (Turn("what is it?", "a red mug"), Turn("what for?", "yes please"))
    answer = case.ask(pixels, Question("which colour?"), Options(max_new_tokens=9, system="Be brief."), *history)
    told = case.told(pixels, _prompt("which colour?", system="Be brief.", history=history), 9)
    assert _said(answer.result(60)) == told
