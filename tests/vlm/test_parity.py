"""Tokens that equal transformers', alone and in any company."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openvino_genai
import pytest
from helpers.vlm import FAMILIES, Asked, TinyVlms, Told
from PIL import Image

from askpix.producer.items import Options
from askpix.producer.questions import Question
from askpix.producer.rows import Answer
from askpix.worker.engine.base import Request
from askpix.worker.engine.devices import Precision
from askpix.worker.engine.ticket import Ticket
from askpix.worker.image_form import Pixels
from askpix.worker.models.folder import load_vlm
from askpix.worker.vlm.engine import VlmEngine
from askpix.worker.vlm.templates import TEMPLATES

# Odd ones among them: sides that no patch divides, smaller than the model's, wide and tall.
TALL = (89, 171)
SIZES = ((56, 56), (120, 80), TALL, (300, 211), (28, 57), (640, 480))
QUESTIONS = {"what is it?": 5, "describe the picture, please.": 33, "  a red  mug\non a table?": 20}


class Case:
    """A family's engine, what it is asked, and what transformers says to that."""

    def __init__(self, tiny: TinyVlms, family: str, images: Path, folder: Path) -> None:
        model = tiny.folder(family)
        self.template = TEMPLATES[load_vlm(model).template]
        self.tokenizer = openvino_genai.Tokenizer(model)
        self.engine = VlmEngine(model, precision=Precision.F32)
        self.asked: list[tuple[Pixels, str, int]] = []
        asked = []
        # The pipeline cuts an image into tiles by itself, and resizes its width first. Pillow 13 resizes the height
        # first of tall ones: they come to differ by 1 of 255.
        sizes = [size[::-1] if (family, size) == ("llava_next", TALL) else size for size in SIZES]
        for number, (path, size) in enumerate(zip(sorted(images.glob("*.jpg")), sizes, strict=False)):
            with Image.open(path) as image:
                picture = image.convert("RGB").resize(size)
            picture.save(folder / f"{number}.png")
            for question, length in QUESTIONS.items():
                self.asked.append((np.asarray(picture), question, length))
                prompt = self.template.prompt(question, image=self.template.image)
                asked.append(Asked([str(folder / f"{number}.png")], prompt, length))
        self.told: list[Told] = tiny.reference(family, asked)
        self.alone: list[Answer] = [self.submit(number).result(60) for number in range(len(self.asked))]

    def submit(self, number: int) -> Ticket:
        pixels, question, length = self.asked[number]
        handle = self.engine.open_image(pixels)
        options = Options(max_new_tokens=length)
        return self.engine.submit(Request(images=(handle,), question=Question(question), options=options))


@pytest.fixture(scope="module", params=FAMILIES)
def case(
    request: pytest.FixtureRequest, tiny: TinyVlms, images: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Case]:
    case = Case(tiny, request.param, images, tmp_path_factory.mktemp("pictures"))
    yield case
    case.engine.close()


def test_tokens_equal_those_of_generate(case: Case) -> None:
    said = [(answer.text, answer.tokens) for answer in case.alone]
    # By one tokenizer: what is no UTF-8, which random models write, libraries replace in ways of their own.
    written = [str(case.tokenizer.decode(told.ids)).strip() for told in case.told]
    assert said == [(text, len(told.ids)) for text, told in zip(written, case.told, strict=True)]
    # Texts that do not depend on what is shown and asked would show nothing.
    assert len({text for text, _ in said}) > len(said) * 0.8


def test_prompts_are_counted_as_the_processor_does(case: Case) -> None:
    assert [answer.prompt_tokens for answer in case.alone] == [len(told.prompt_ids) for told in case.told]


def test_sixteen_mixed_requests_equal_single_ones(case: Case) -> None:
    before = case.engine.counters()

    # All are there before the first begins.
    with case.engine.set_aside():
        tickets = [case.submit(number) for number in range(16)]
    together = [ticket.result(60) for ticket in tickets]

    assert [(one.text, one.tokens) for one in together] == [(one.text, one.tokens) for one in case.alone[:16]]
    assert [one.confidence for one in together] == pytest.approx([one.confidence for one in case.alone[:16]], rel=1e-4)
    # And they did share steps.
    steps, rows = (case.engine.counters()[name] - before[name] for name in ("steps", "rows"))
    assert rows / steps > 3


@pytest.mark.parametrize("precision", ["int8", "int4"])
@pytest.mark.parametrize("family", ["llava", "llava_next"])
def test_compressed_models_answer(family: str, precision: str, tiny: TinyVlms, images: Path) -> None:
    whole, small = load_vlm(tiny.folder(family)), load_vlm(tiny.folder(family, precision))
    assert small.bytes < whole.bytes
    engine = VlmEngine(tiny.folder(family, precision))
    with Image.open(min(images.glob("*.jpg"))) as image:
        handle = engine.open_image(np.asarray(image.convert("RGB")))

    options = Options(max_new_tokens=7, min_new_tokens=7)
    answer = engine.submit(Request(images=(handle,), question=Question("what is it?"), options=options)).result(60)

    assert (answer.tokens, answer.finish_reason) == (7, "length")
    assert 0 < answer.confidence < 1
    engine.close()
