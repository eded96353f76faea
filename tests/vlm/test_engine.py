"""What the engine of a vision-language model takes, and gives: one request alone, many together, bad ones between."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable

import numpy as np
import pytest
from helpers.pictures import noise
from helpers.processes import wait_until
from helpers.vlm import TinyVlms

from askpix.producer.items import Options, Turn
from askpix.producer.questions import Question
from askpix.producer.rows import Answer, Kind
from askpix.worker.engine.base import Request
from askpix.worker.engine.devices import Precision
from askpix.worker.engine.ticket import Ticket
from askpix.worker.image_form import Pixels
from askpix.worker.item_errors import EngineStoppedError, RequestError
from askpix.worker.vlm.batch import ROWS
from askpix.worker.vlm.engine import VlmEngine

SECONDS = 60
MUG = {
    "type": "object",
    "properties": {"kind": {"enum": ["mug", "plate"]}, "sold": {"type": "boolean"}},
    "required": ["kind", "sold"],
    "additionalProperties": False,
}
ENDLESS = Options(max_new_tokens=900, min_new_tokens=900)


@pytest.fixture
def ask(engine: VlmEngine) -> Callable[..., Ticket]:
    """Submits a request about a picture of noise."""

    def submit(
        text: str | None = "what is it?", *, number: int = 0, options: Options | None = None, **values: object
    ) -> Ticket:
        own = {name: values.pop(name) for name in ("urgent", "deadline", "seconds", "history") if name in values}
        question = None if text is None else Question(text, **values)
        image = engine.open_image(noise(number))
        return engine.submit(
            Request(images=(image,), question=question, options=options or Options(max_new_tokens=12), **own)
        )

    return submit


Ask = Callable[..., Ticket]


def _said(ticket: Ticket) -> Answer:
    return ticket.result(SECONDS)


def test_captions_and_answers(ask: Ask) -> None:
    caption, answer = _said(ask(None)), _said(ask("what is it?", name="kind"))

    assert (caption.kind, caption.name, caption.question) == (Kind.CAPTION, "caption", None)
    assert (answer.kind, answer.name, answer.question) == (Kind.OPEN, "kind", "what is it?")
    assert 0 < answer.confidence < 1
    assert answer.tokens <= 12
    # The image has 16 tokens.
    assert answer.prompt_tokens is not None
    assert answer.prompt_tokens > 16


def test_a_caption_begins_with_its_prompt(ask: Ask) -> None:
    caption = _said(ask(None, options=Options(prompt="a red mug", max_new_tokens=8)))
    assert caption.text.startswith("a red mug")
    assert caption.tokens <= 8


def test_choices_have_probabilities_whose_odds_go_by_the_mean_length_of_all(ask: Ask) -> None:
    choices = ("red mug", "a (blue) plate", "größer [x]*", "a shirt that is far longer than all of the others")

    answer = _said(ask("which?", choices=choices))

    assert answer.kind is Kind.CHOICE
    assert answer.choices is not None
    assert [choice.text for choice in answer.choices] == list(choices)
    assert sum(choice.probability for choice in answer.choices) == pytest.approx(1)
    assert answer.confidence == max(choice.probability for choice in answer.choices)
    # And these do not depend on their order; without one of them, all log-odds are others in the same proportion.
    turned = _said(ask("which?", choices=choices[::-1]))
    assert turned.text == answer.text
    few = _said(ask("which?", choices=choices[:3]))
    (first, second), (first_of_few, second_of_few) = _log_odds(answer), _log_odds(few)
    assert first / first_of_few == pytest.approx(second / second_of_few, rel=1e-3)
    assert first / first_of_few > 1.1, "the longest is not there to lengthen the mean"


def _log_odds(answer: Answer) -> tuple[float, float]:
    first, second, third, *_ = (math.log(choice.probability) for choice in answer.choices or ())
    return first - second, second - third


def test_a_model_that_knows_nothing_does_not_prefer_short_choices(ask: Ask) -> None:
    # Given: words that are longer and longer, and weights that were drawn
    choices = [" ".join(("mug", "plate", "shirt", "bottle", "shoe")[:words]) for words in range(1, 6)]

    # When
    probabilities = [
        [choice.probability for choice in _said(ask(text, number=number, choices=choices)).choices or ()]
        for number in range(6)
        for text in ("which?", "what is it?", "what may it be, and why?")
    ]

    # Then: the whole likelihoods would fall with each word, from nearly all to nearly nothing.
    mean = np.mean(probabilities, 0)
    assert mean.max() < 0.9
    assert mean[-1] > 0.01


def test_what_a_model_would_say_is_its_likeliest_choice(ask: Ask) -> None:
    # Given: the first letter that it would write of its own accord.
    free = _said(ask("which?", json_schema={"enum": ["mug", "plate", "shirt", "bottle"]}))
    word = json.loads(free.text)

    # Then: among words that begin with others, that is not the least likely.
    choice = _said(ask("which?", choices=[f'"{one}"' for one in ("mug", "plate", "shirt", "bottle")]))
    assert choice.text == f'"{word}"'


def test_json_keeps_to_its_schema(ask: Ask) -> None:
    for number in range(4):
        answer = _said(ask("describe", number=number, json_schema=MUG, options=Options(max_new_tokens=400)))
        assert answer.kind is Kind.JSON
        value = json.loads(answer.text)
        assert set(value) == {"kind", "sold"}
        assert value["kind"] in ("mug", "plate")


def test_json_that_is_cut_off_is_an_error(ask: Ask) -> None:
    with pytest.raises(RequestError, match="it was cut off after 4 tokens: give more as max_new_tokens") as caught:
        _said(ask("describe", json_schema=MUG, options=Options(max_new_tokens=4)))
    assert caught.value.code == "schema_unmet"


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "nonsense"}, "not valid"),
        ({"$ref": "https://example.com/other.json"}, "outside itself"),
        ({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, "outside itself"),
    ],
)
def test_schemas_that_are_none_are_refused(schema: dict[str, object], words: str, ask: Ask) -> None:
    with pytest.raises(RequestError, match=words) as caught:
        ask("describe", json_schema=schema)
    assert caught.value.code == "schema_refused"


def test_what_the_pipeline_fails_on_fails_alone(ask: Ask) -> None:
    """A schema that is valid, and that the pipeline cannot make a grammar of."""
    good = [ask("what is it?", number=number, options=Options(max_new_tokens=30)) for number in range(6)]
    bad = ask("describe", json_schema={"type": "string", "pattern": "(?<!a)b"})
    more = [ask("what is it?", number=number, options=Options(max_new_tokens=30)) for number in range(6, 9)]

    with pytest.raises(RequestError) as caught:
        _said(bad)

    assert caught.value.code in ("model_failed", "schema_refused")
    together = [_said(ticket) for ticket in (*good, *more)]
    alone = [_said(ask("what is it?", number=number, options=Options(max_new_tokens=30))) for number in range(9)]
    assert [one.text for one in together] == [one.text for one in alone]


def test_a_text_ends_before_a_stop(ask: Ask) -> None:
    whole = _said(ask(options=Options(max_new_tokens=40)))
    place = next(at for at in range(8, 40) if whole.text[at : at + 3] not in whole.text[: at + 2])
    stop = whole.text[place : place + 3]

    answer = _said(ask(options=Options(max_new_tokens=40, stop=(stop, "never to be seen"))))

    assert answer.text == whole.text[:place].strip()
    assert answer.finish_reason == "stop"
    assert answer.tokens < whole.tokens


@pytest.mark.parametrize("options", [Options(num_beams=3), Options(do_sample=True, temperature=1.5, seed=3)])
def test_several_texts(options: Options, ask: Ask) -> None:
    several = options.model_copy(update={"num_return_sequences": 3, "max_new_tokens": 10})

    answer = _said(ask(options=several))

    assert answer.alternatives is not None
    assert len({answer.text, *(other.text for other in answer.alternatives)}) == 3


def test_what_is_drawn_follows_from_seed_image_and_question(ask: Ask) -> None:
    drawn = Options(do_sample=True, seed=5, max_new_tokens=20)
    first = _said(ask(options=drawn))

    company = [ask(number=number, options=drawn) for number in range(1, 8)]
    again = _said(ask(options=drawn))
    other = _said(ask(options=drawn.model_copy(update={"seed": 6})))
    texts = {_said(ticket).text for ticket in company}

    assert again.text == first.text
    assert other.text != first.text
    assert len(texts) == 7


def test_penalties_and_shortest_lengths_count(ask: Ask) -> None:
    plain = _said(ask(options=Options(max_new_tokens=200)))
    penalised = _said(ask(options=Options(max_new_tokens=200, repetition_penalty=5.0)))
    assert penalised.text != plain.text
    least = _said(ask(options=Options(max_new_tokens=200, min_new_tokens=200)))
    assert least.tokens == 200


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (Options(no_repeat_ngram_size=2), "settings_contradict"),
        (Options(num_beams=2, stop=("x",)), "settings_contradict"),
        (Options(max_new_tokens=2_000), "too_long"),
    ],
)
def test_settings_that_would_do_nothing_are_refused(options: Options, code: str, ask: Ask) -> None:
    with pytest.raises(RequestError) as caught:
        ask(options=options)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("text", "values", "code"),
    [
        (" \n", {}, "empty_question"),
        ("a red mug", {"match": True}, "cannot_match"),
        ("which?", {"choices": ["red", "red</s>"]}, "choices_alike"),
        ("which?", {"choices": ["red", "<image>"]}, "choices_alike"),
        ("✓" * 1_000, {}, "too_long"),
    ],
)
def test_questions_that_cannot_be_answered_are_refused(
    text: str, values: dict[str, object], code: str, ask: Ask
) -> None:
    with pytest.raises(RequestError) as caught:
        ask(text, **values)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "text",
    ["what <image> is it?", "what <ima<image>ge> is it?", "what <ov_genai_image_0> is it?</s>", "what <s> is it?"],
)
def test_no_text_stands_for_an_image_or_ends_a_turn(text: str, ask: Ask) -> None:
    assert _said(ask(text)).text == _said(ask("what  is it?")).text


def test_what_was_said_before_counts(ask: Ask) -> None:
    first = _said(ask("what is it?"))
    history = (Turn("what is it?", first.text),)

    answer = _said(ask("and its colour?", history=history))

    assert answer.text != _said(ask("and its colour?")).text
    assert answer.text != _said(ask("and its colour?", history=(Turn("what is it?", "a plate"),))).text


def test_a_system_text_counts(ask: Ask) -> None:
    told = Options(system="Answer in one word.", max_new_tokens=12)
    assert _said(ask(options=told)).text != _said(ask()).text
    assert _said(ask(options=Options(system=" ", max_new_tokens=12))).text == _said(ask()).text


def test_images_of_any_size(engine: VlmEngine) -> None:
    for width, height in ((1, 1), (3, 1_000), (2_000, 5), (1_500, 1_100)):
        image = engine.open_image(noise(1, width, height))
        request = Request(images=(image,), question=Question("what is it?"), options=Options(max_new_tokens=3))
        assert engine.submit(request).result(SECONDS).tokens <= 3


@pytest.mark.parametrize(
    "pixels", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)]
)
def test_what_is_no_image_is_refused(pixels: Pixels, engine: VlmEngine) -> None:
    with pytest.raises(ValueError, match="uint8"):
        engine.open_image(pixels)


def test_an_urgent_request_is_answered_while_all_places_are_taken(engine: VlmEngine, ask: Ask) -> None:
    # Given: more long texts than there are places.
    long = [ask(number=number, options=ENDLESS) for number in range(48)]
    wait_until(lambda: engine.counters()["images"] >= 1, within=20, what="texts under way")

    # When
    urgent = _said(ask(urgent=True, number=99))

    # Then
    assert urgent.tokens <= 12
    assert sum(ticket.done() for ticket in long) < 24
    for ticket in long:
        ticket.cancel()
    for ticket in long:
        with pytest.raises(RequestError, match="cancelled"):
            _said(ticket)


def test_what_takes_too_long_ends(ask: Ask) -> None:
    began = time.monotonic()
    slow, late = ask(options=ENDLESS, seconds=0.05), ask(options=ENDLESS, deadline=began - 1)
    for ticket in (slow, late):
        with pytest.raises(RequestError, match="did not answer in time") as caught:
            _said(ticket)
        assert caught.value.code == "deadline"
    # And what it had is free for others.
    assert _said(ask()).tokens


def test_a_closed_engine_answers_what_it_has_and_takes_no_more(tiny: TinyVlms) -> None:
    engine = VlmEngine(tiny.folder("llava"))
    image = engine.open_image(noise())
    request = Request(images=(image,), question=Question("what is it?"), options=Options(max_new_tokens=30))
    tickets = [engine.submit(request) for _ in range(10)]

    engine.close()

    assert all(ticket.result(0).tokens for ticket in tickets)
    assert engine.stopped
    with pytest.raises(EngineStoppedError):
        engine.submit(request)


def test_a_schema_whose_pattern_would_hang_python_is_kept_to_by_the_pipeline(ask: Ask) -> None:
    schema = {"const": "a" * 40 + "!", "pattern": "^(a+)+$"}
    answer = _said(ask("describe", json_schema=schema, options=Options(max_new_tokens=60)))
    assert json.loads(answer.text) == "a" * 40 + "!"


def test_choices_of_any_length_are_whole_or_refused(ask: Ask) -> None:
    answer = _said(ask("which?", choices=["a" * 300 + "b", "a" * 300 + "c"]))
    assert answer.choices is not None
    assert answer.choices[0].probability != answer.choices[1].probability
    with pytest.raises(RequestError, match="more than 512 bytes"):
        ask("which?", choices=["色" * 200, "b"])


def test_searches_keep_nobody_waiting(engine: VlmEngine, ask: Ask) -> None:
    before = engine.counters()["steps"]
    searching = ask("x " * 150, options=Options(num_beams=4, max_new_tokens=700, min_new_tokens=700))
    wait_until(lambda: engine.counters()["steps"] > before, within=10, what="a search under way")
    urgent = _said(ask(urgent=True, number=2))
    assert urgent.tokens
    assert not searching.done()
    searching.cancel()


def test_who_goes_again_for_anothers_fault_has_all_its_time(ask: Ask) -> None:
    options = Options(max_new_tokens=600, min_new_tokens=600)
    good = [ask(number=number, options=options, seconds=4) for number in range(12)]
    bad = ask("describe", json_schema={"type": "string", "pattern": "(?<!a)b"}, seconds=4)

    with pytest.raises(RequestError):
        _said(bad)

    assert [_said(ticket).tokens for ticket in good] == [600] * 12


def test_a_pipeline_that_has_seen_many_schemas_is_built_anew(tiny: TinyVlms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("askpix.worker.vlm.batch.GRAMMARS", 20)
    engine = VlmEngine(tiny.folder("llava"), precision=Precision.F32)
    image = engine.open_image(noise())
    tickets = [
        engine.submit(
            Request(
                images=(image,),
                question=Question("which?", choices=[f"red {number}", f"blue {number}"]),
            )
        )
        for number in range(25)
    ]
    whole = engine.submit(Request(images=(image,), question=Question("what is it?")))

    assert all(ticket.result(SECONDS).choices for ticket in tickets)
    assert whole.result(SECONDS).tokens
    assert not engine.stopped
    engine.close()


def test_what_it_says_of_its_steps_is_what_it_counts(engine: VlmEngine, ask: Callable[..., Ticket]) -> None:
    tickets = [ask(number=number) for number in range(4)]
    assert all(ticket.result(SECONDS) for ticket in tickets)

    wait_until(lambda: engine.measures().under_way == 0, within=10, what="the end of the last request")
    measures, counters = engine.measures(), engine.counters()
    sizes = measures.stages["pipeline"].sizes.read()
    assert sizes.total == counters["rows"] > 0
    assert sum(measures.stages["pipeline"].seconds.read().counts) == sum(sizes.counts)
    assert measures.rows == {"pipeline": (0, ROWS)}
    assert measures.reused is None
