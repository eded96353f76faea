"""Conversations over several images: tokens that equal transformers', alone and in a batch; and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import openvino_genai
import pytest
from helpers.pictures import noise
from helpers.vlm import FAMILIES, Asked, TinyVlms, Told
from PIL import Image

from askpix.producer.items import Options, Turn
from askpix.producer.questions import Question
from askpix.producer.rows import Answer
from askpix.worker.engine.base import Ability, ImageHandle, Request
from askpix.worker.engine.devices import Precision
from askpix.worker.engine.ticket import Ticket
from askpix.worker.image_form import Pixels
from askpix.worker.item_errors import RequestError
from askpix.worker.models.folder import load_vlm
from askpix.worker.vlm.ends import Ends
from askpix.worker.vlm.engine import VlmEngine
from askpix.worker.vlm.request_reader import RequestReader
from askpix.worker.vlm.templates import TEMPLATES

SECONDS = 60
# Sides that no patch divides among them, and none that the pipeline resizes otherwise than Pillow 13.
SIZES = ((56, 56), (120, 80), (300, 211), (57, 28))
TURNS = (
    # Of each turn the question, the answer, and how many images it shows.
    (("what is it?", "a red mug", 1), ("and this one?", None, 1)),
    (("what is it?", " a red mug \n", 1), ("  what colour?", "red", 0), ("which is larger?", None, 1)),
    (("what do these show?", "a plate", 2), ("in which colour?", None, 0)),
    (("one", "two", 1), ("three", "four", 1), ("describe all of them, please.", None, 2)),
    (("is it red?", "yes", 0), ("and on the table?", None, 1)),
)
LENGTHS = (5, 33, 20, 12, 21)


class Talk:
    """A conversation with pictures of its own, as an engine is asked and as transformers is."""

    def __init__(self, number: int) -> None:
        *before, (self.question, _, _) = TURNS[number]
        self.history = tuple(Turn(text, said or "", ("i",) * shown) for text, said, shown in before)
        self.length = LENGTHS[number]
        count = sum(shown for *_, shown in TURNS[number])
        sizes = [SIZES[(number + place) % len(SIZES)] for place in range(count)]
        self.pictures: list[Pixels] = [noise(10 * number + place, *size) for place, size in enumerate(sizes)]

    def submit(self, engine: VlmEngine) -> Ticket:
        images = tuple(engine.open_images(self.pictures))
        question, options = Question(self.question), Options(max_new_tokens=self.length)
        return engine.submit(Request(images=images, question=question, options=options, history=self.history))

    def asked(self, template: str, folder: Path) -> Asked:
        files = [folder / f"{self.length}-{place}.png" for place in range(len(self.pictures))]
        for file, picture in zip(files, self.pictures, strict=True):
            Image.fromarray(picture).save(file)
        tag = TEMPLATES[template].image
        prompt = TEMPLATES[template].prompt(self.question, image=tag, images=len(files), history=self.history)
        return Asked([str(file) for file in files], prompt, self.length)


class Case:
    """A family's engine, and what it and transformers say to each conversation."""

    def __init__(self, tiny: TinyVlms, family: str, folder: Path) -> None:
        model = tiny.folder(family)
        self.engine = VlmEngine(model, precision=Precision.F32)
        self.talks = [Talk(number) for number in range(len(TURNS))]
        template = load_vlm(model).template
        self.told: list[Told] = tiny.reference(family, [talk.asked(template, folder) for talk in self.talks])
        tokenizer = openvino_genai.Tokenizer(model)
        self.written = [str(tokenizer.decode(told.ids)).strip() for told in self.told]
        self.alone: list[Answer] = [talk.submit(self.engine).result(SECONDS) for talk in self.talks]


@pytest.fixture(scope="module", params=FAMILIES)
def case(request: pytest.FixtureRequest, tiny: TinyVlms, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    case = Case(tiny, request.param, tmp_path_factory.mktemp("pictures"))
    yield case
    case.engine.close()


def test_tokens_of_a_conversation_over_several_images_equal_those_of_generate(case: Case) -> None:
    said = [(answer.text, answer.tokens) for answer in case.alone]
    assert said == [(text, len(told.ids)) for text, told in zip(case.written, case.told, strict=True)]
    assert len({text for text, _ in said}) == len(said)


def test_all_images_are_counted_as_the_processor_does(case: Case) -> None:
    assert [answer.prompt_tokens for answer in case.alone] == [len(told.prompt_ids) for told in case.told]


def test_conversations_in_a_batch_equal_single_ones(case: Case) -> None:
    with case.engine.set_aside():
        tickets = [talk.submit(case.engine) for talk in case.talks * 2]
    together = [ticket.result(SECONDS) for ticket in tickets]

    assert [answer.text for answer in together] == [answer.text for answer in case.alone] * 2


def test_what_was_said_and_shown_before_is_taken_in_once(case: Case) -> None:
    """A prompt takes a step for each 256 tokens."""
    history = [Turn("a red mug on a table " * 40, "a mug", ("i",)), Turn("what is it " * 30, "that", ("j",))]

    def steps(*turns: Turn, shown: int = 2) -> tuple[int, int]:
        before = case.engine.counters()["steps"]
        images = tuple(case.engine.open_images([noise(number) for number in range(shown)]))
        options = Options(max_new_tokens=1)
        request = Request(images=images, question=Question("and?"), options=options, history=turns)
        tokens = case.engine.submit(request).result(SECONDS).prompt_tokens or 0
        return tokens, case.engine.counters()["steps"] - before

    first, taken = steps(*history)
    assert first > 256
    assert taken == 2
    # With a turn and an image more.
    longer, taken = steps(*history, Turn("and?", "no"), shown=3)
    assert longer > first
    assert taken == 1
    # Unless it begins otherwise.
    assert steps(Turn("b" + history[0].question, "a mug", ("i",)), history[1])[1] == 2


def test_which_image_is_shown_when_counts(case: Case) -> None:
    talk = case.talks[0]
    talk.pictures.reverse()
    turned = talk.submit(case.engine).result(SECONDS)
    talk.pictures.reverse()
    assert turned.text != case.alone[0].text


# What a tiny LLaVA does beside that.


@pytest.fixture
def ask(engine: VlmEngine) -> Callable[..., Ticket]:
    def submit(text: str = "and this?", *, shown: int = 2, options: Options | None = None, **more: object) -> Ticket:
        images = tuple(engine.open_images([noise(number) for number in range(shown)]))
        history = (Turn("what is it?", "a mug", ("i",) * (shown - 1)),)
        return engine.submit(
            Request(
                images=images,
                question=Question(text),
                options=options or Options(max_new_tokens=12),
                **{"history": history, **more},
            )
        )

    return submit


Ask = Callable[..., Ticket]


@pytest.mark.parametrize("tag", ["<image>", "<ima<image>ge>", "<ov_genai_image_1>", "</s>"])
def test_no_text_shows_an_image_or_ends_a_turn(tag: str, ask: Ask) -> None:
    hostile = (Turn(f"what{tag} is it?", f"a {tag}mug{tag}", ("i",)),)
    assert ask(f"and{tag} this?", history=hostile).result(SECONDS).text == ask().result(SECONDS).text


def test_a_turn_without_a_question_asked_for_a_caption(ask: Ask) -> None:
    captioned, spelt = (
        ask(history=(Turn(text, "a mug", ("i",)),)).result(SECONDS)
        for text in ("", "Describe the image in one sentence.")
    )
    assert captioned.text == spelt.text


def test_images_that_are_too_many_for_the_context_are_told(ask: Ask) -> None:
    with pytest.raises(RequestError, match=r"its 64 images come to 1,\d+ tokens, and 12 may be") as caught:
        ask(shown=64)
    assert caught.value.code == "too_long"
    assert ask(shown=8).result(SECONDS).prompt_tokens > 8 * 16


def test_images_that_do_not_fit_the_history_are_an_error(ask: Ask) -> None:
    with pytest.raises(ValueError, match="the history shows 3 images, and 2 are there"):
        ask(history=(Turn("what?", "that", ("a", "b", "c")),))


def test_what_is_drawn_follows_from_all_images(engine: VlmEngine) -> None:
    options = Options(do_sample=True, temperature=1.5, seed=3, max_new_tokens=12)

    def drawn(*numbers: int) -> tuple[int, str]:
        images = tuple(engine.open_images([noise(number) for number in numbers]))
        history = (Turn("what is it?", "a mug", ("i",)),)
        request = Request(images=images, question=Question("and?"), options=options, history=history)
        return engine._read(request).seed, engine.submit(request).result(SECONDS).text

    assert drawn(1, 2) == drawn(1, 2)
    assert len({drawn(*numbers)[0] for numbers in ((1, 2), (3, 2), (1, 3), (2, 1))}) == 4


def test_a_family_that_looks_at_one_image_says_so(tiny: TinyVlms) -> None:
    manifest = load_vlm(tiny.folder("llava")).model_copy(update={"family": "minicpmv"})
    assert Ability.IMAGES not in manifest.offered
    reader = RequestReader(manifest, len, 1_000, str, Ends(always=frozenset(), tokens={}))
    with pytest.raises(RequestError, match="tiny-llava looks at one image at a time") as caught:
        reader.read(Request(images=(ImageHandle(), ImageHandle()), question=Question("what?")), owner=None)
    assert caught.value.code == "too_many_images"
