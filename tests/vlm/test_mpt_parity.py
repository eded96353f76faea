"""LLaVA on MPT: tokens that equal those of plain PyTorch, alone and in any company."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
from askpix.worker.converting.vlm_checks import check_slopes
from askpix.worker.engine.base import Request
from askpix.worker.engine.devices import Precision
from askpix.worker.engine.ticket import Ticket
from askpix.worker.image_form import Pixels
from askpix.worker.vlm.batch import Batch
from askpix.worker.vlm.engine import VlmEngine
from askpix.worker.vlm.templates import CAPTION, TEMPLATES
from askpix.worker.vlm.work import Run, Said

TEMPLATE = TEMPLATES["mpt"]
SIZES = ((56, 56), (120, 80), (171, 89))
# The last one comes to more tokens than the model was trained with, before anything is generated.
QUESTIONS = {"what is it?": 5, "describe the picture, please.": 33, "  a red  mug\non a table? " * 8: 60}


Told = tuple[str, list[int]]
"""A text, and the tokens that were generated: of the text alone these do not follow, for random models write much that
is no UTF-8."""

Heard = dict[Ticket, list[int]]


@pytest.fixture(scope="module")
def heard() -> Iterator[Heard]:
    """The tokens of each request's text, as engines take them from their pipelines."""
    ids: Heard = {}
    said = Batch._said

    def listening(batch: Batch, run: Run, of: Any) -> Said:
        ids[run.request.ticket] = list(of.ids)
        return said(batch, run, of)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Batch, "_said", listening)
        yield ids


class Case:
    """An engine, what it is asked, and what plain PyTorch says to that."""

    def __init__(self, mpt: TinyMpt, name: str, images: Path, heard: Heard) -> None:
        self.heard = heard
        folder = mpt.folder(name)
        self.tokenizer = openvino_genai.Tokenizer(folder)
        self.engine = VlmEngine(folder, precision=Precision.F32)
        self.reference = mpt.reference(name)
        self.asked: list[tuple[Pixels, str, int]] = []
        for path, size in zip(sorted(images.glob("*.jpg")), SIZES, strict=False):
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("RGB").resize(size))
            self.asked += [(pixels, question, length) for question, length in QUESTIONS.items()]
        self.alone: list[Told] = []
        self.prompts: list[int | None] = []
        """How many tokens each is."""
        for number in range(len(self.asked)):
            self.alone.append(self.said(ticket := self.submit(number)))
            self.prompts.append(ticket.result(60).prompt_tokens)

    def submit(self, number: int) -> Ticket:
        pixels, question, length = self.asked[number]
        return self.ask(pixels, Question(question), Options(max_new_tokens=length))

    def ask(self, pixels: Pixels, question: Question | None, options: Options, *history: Turn) -> Ticket:
        handle = self.engine.open_image(pixels)
        return self.engine.submit(Request(images=(handle,), question=question, options=options, history=history))

    def said(self, ticket: Ticket) -> Told:
        """Returns what the engine has generated, when it has."""
        answer = ticket.result(60)
        assert answer.tokens == len(self.heard[ticket])
        return answer.text, self.heard[ticket]

    def told(self, pixels: Pixels | tuple[Pixels, ...], prompt: str, length: int) -> Told:
        """Returns what plain PyTorch generates."""
        shown = pixels if isinstance(pixels, tuple) else (pixels,)
        ids = self.reference.generate(shown, prompt, length)
        known = ids[:-1] if ids[-1] in self.reference.ends else ids
        # By one tokenizer: what is no UTF-8, libraries replace in ways of their own.
        return str(self.tokenizer.decode(known)).strip(), ids


def _prompt(question: str, **given: object) -> str:
    return TEMPLATE.prompt(question, image=TEMPLATE.image, **given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def case(tiny_mpt: TinyMpt, images: Path, heard: Heard) -> Iterator[Case]:
    case = Case(tiny_mpt, "published", images, heard)
    yield case
    case.engine.close()


@pytest.fixture(scope="module")
def odd(tiny_mpt: TinyMpt, images: Path, heard: Heard) -> Iterator[Case]:
    """A model that is as different from the published one as can be."""
    tiny_mpt.checkpoint(
        "odd", sizes=Sizes(width=32, heads=4, layers=3), marked=False, dtype=torch.float16, shards=1,
        alibi_bias_max=6, clip_qkv=4, softmax_scale=0.6, logit_scale="inv_sqrt_d_model", expansion_ratio=2,
        tie_word_embeddings=False, mm_vision_select_layer=2, mm_vision_select_feature="cls_patch",
        norm_type="layernorm",
    )  # fmt: skip
    case = Case(tiny_mpt, "odd", images, heard)
    yield case
    case.engine.close()


def _check(case: Case) -> None:
    told = [case.told(pixels, _prompt(question), length) for pixels, question, length in case.asked]
    assert case.alone == told
    # Texts that do not depend on what is shown and asked would show nothing.
    assert len({tuple(ids) for _, ids in told}) > len(told) * 0.8


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
    lengths = [(prompt or 0, len(ids)) for prompt, (_, ids) in zip(case.prompts, case.alone, strict=True)]
    assert any(prompt < TRAINED < prompt + more for prompt, more in lengths)
    assert any(TRAINED < prompt < prompt + more < CONTEXT for prompt, more in lengths)


def test_many_mixed_requests_equal_single_ones(case: Case) -> None:
    before = case.engine.counters()

    # All are there before the first begins.
    with case.engine.set_aside():
        tickets = [case.submit(number) for number in range(len(case.asked))]

    assert [case.said(ticket) for ticket in tickets] == case.alone
    # And they did share steps.
    steps, rows = (case.engine.counters()[name] - before[name] for name in ("steps", "rows"))
    assert rows / steps > 3


def test_captions_equal_those_of_plain_pytorch(case: Case) -> None:
    pixels = case.asked[0][0]
    caption = case.ask(pixels, None, Options(max_new_tokens=9))
    assert case.said(caption) == case.told(pixels, _prompt(CAPTION), 9)


def test_follow_ups_equal_those_of_plain_pytorch(case: Case) -> None:
    pixels = case.asked[0][0]
    history = (Turn("what is it?", "a red mug"), Turn("what for?", "yes please"))
    answer = case.ask(pixels, Question("which colour?"), Options(max_new_tokens=9, system="Be brief."), *history)
    told = case.told(pixels, _prompt("which colour?", system="Be brief.", history=history), 9)
    assert case.said(answer) == told


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
    answer = case.engine.submit(request)

    prompt = TEMPLATE.prompt("and this?", image=TEMPLATE.image, images=2, history=history)
    assert prompt.count(TEMPLATE.image) == 2
    assert case.said(answer) == case.told((pixels, other), prompt, 9)
