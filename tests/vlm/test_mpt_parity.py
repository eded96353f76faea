"""LLaVA on MPT: tokens that equal those of plain PyTorch, alone and in any company."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import openvino_genai
import pytest
import torch
from helpers.mpt import CONTEXT, TinyMpt, loaded
from helpers.tiny_mpt import TRAINED, Sizes
from PIL import Image

from askpix.producer.errors import ModelError
from askpix.producer.items import Options, Turn
from askpix.producer.questions import Question
from askpix.producer.rows import Answer
from askpix.worker.engine.base import Request
from askpix.worker.engine.devices import Precision
from askpix.worker.engine.ticket import Ticket
from askpix.worker.image_form import Pixels
from askpix.worker.models.folder import load_vlm
from askpix.worker.models.vlm_checks import check_slopes
from askpix.worker.vlm.engine import VlmEngine
from askpix.worker.vlm.templates import CAPTION, TEMPLATES

TEMPLATE = TEMPLATES["mpt"]
SIZES = ((56, 56), (120, 80), (171, 89))
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

    def told(self, pixels: Pixels | tuple[Pixels, ...], prompt: str, length: int) -> tuple[str, int]:
        """Returns the text that plain PyTorch generates, and of how many tokens it is."""
        shown = pixels if isinstance(pixels, tuple) else (pixels,)
        ids = self.reference.generate(shown, prompt, length)
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


@pytest.fixture(scope="module")
def odd(tiny_mpt: TinyMpt, images: Path) -> Iterator[Case]:
    """A model that is as different from the published one as can be."""
    tiny_mpt.checkpoint(
        "odd", sizes=Sizes(width=32, heads=4, layers=3), marked=False, dtype=torch.float16, shards=1,
        alibi_bias_max=6, clip_qkv=4, softmax_scale=0.6, logit_scale="inv_sqrt_d_model", expansion_ratio=2,
        tie_word_embeddings=False, mm_vision_select_layer=2, mm_vision_select_feature="cls_patch",
        norm_type="layernorm",
    )  # fmt: skip
    case = Case(tiny_mpt, "odd", images)
    yield case
    case.engine.close()


def _check(case: Case) -> None:
    told = [case.told(pixels, _prompt(question), length) for pixels, question, length in case.asked]
    assert [_said(answer) for answer in case.alone] == told
    # Texts that do not depend on what is shown and asked would show nothing.
    assert len({text for text, _ in told}) > len(told) * 0.8


def test_tokens_equal_those_of_plain_pytorch(case: Case) -> None:
    _check(case)


def test_tokens_equal_those_of_plain_pytorch_whatever_the_config_says(odd: Case) -> None:
    _check(odd)


def test_a_graph_whose_slopes_the_pipeline_does_not_find_is_refused(tiny_mpt: TinyMpt) -> None:
    slopes = loaded(tiny_mpt.checkpoint()).slopes
    check_slopes(tiny_mpt.folder(), slopes)
    with pytest.raises(ModelError, match="does not see where the model's tokens stand"):
        check_slopes(tiny_mpt.folder(), slopes[::-1])


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


def test_choices_are_as_likely_as_plain_pytorch_takes_them_to_be(case: Case) -> None:
    pixels, choices = case.asked[3][0], ("red mug", "yellow", "a white plate")
    scored = case.ask(pixels, Question("which?", choices=choices), Options()).result(60)

    told = [case.reference.written((pixels,), _prompt("which?"), choice) for choice in choices]
    totals, lengths = np.array(told).T
    assert scored.choices is not None
    assert scored.tokens in lengths
    even = totals / lengths * lengths.mean()
    probabilities = np.exp(even - even.max())
    assert [one.probability for one in scored.choices] == pytest.approx(list(probabilities / probabilities.sum()), 1e-3)


def test_what_is_streamed_is_the_text(case: Case) -> None:
    pixels, question = case.asked[0][0], Question("what is it?")
    options = Options(max_new_tokens=400, min_new_tokens=400)
    plain = case.ask(pixels, question, options).result(60)

    handle = case.engine.open_image(pixels)
    ticket = case.engine.submit(Request(images=(handle,), question=question, options=options, stream=True))
    pieces = ticket.pieces(60)
    first = next(pieces)

    assert not ticket.done()
    assert first + "".join(pieces) == ticket.result(60).text == plain.text


def test_two_images_of_a_conversation_are_each_where_they_were_shown(case: Case) -> None:
    pixels, other = case.asked[0][0], case.asked[3][0]
    shown, now = (case.engine.open_image(one) for one in (pixels, other))
    history = (Turn("what is it?", "a red mug", images=("first.jpg",)),)
    question = Question("and this?")
    request = Request(images=(shown, now), question=question, options=Options(max_new_tokens=9), history=history)
    answer = case.engine.submit(request).result(60)

    prompt = TEMPLATE.prompt("and this?", image=TEMPLATE.image, images=2, history=history)
    assert prompt.count(TEMPLATE.image) == 2
    assert _said(answer) == case.told((pixels, other), prompt, 9)


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_compressed_models_answer_and_agree_at_first(
    precision: str, case: Case, tiny_mpt: TinyMpt, record_property: Callable[[str, object], None]
) -> None:
    # Given: few weights, many of which stay in 8 bits in the smallest model.
    folder = tiny_mpt.folder(precision=precision, name="deep", sizes=Sizes(layers=4))
    assert load_vlm(folder).bytes < load_vlm(tiny_mpt.folder(name="deep")).bytes
    whole, small = (
        VlmEngine(tiny_mpt.folder(name="deep", precision=kind), precision=Precision.F32) for kind in ("f32", precision)
    )

    # When
    def first(engine: VlmEngine) -> list[str]:
        options = Options(max_new_tokens=1)
        tickets = [
            engine.submit(Request(images=(engine.open_image(pixels),), question=Question(text), options=options))
            for pixels, text, _ in case.asked
        ]
        return [ticket.result(60).text for ticket in tickets]

    before, after = first(whole), first(small)
    agreement = sum(one == other for one, other in zip(before, after, strict=True)) / len(before)

    # Then
    record_property("agreement", agreement)
    assert agreement > (0.6 if precision == "int8" else 0.2)
    whole.close()
    small.close()
