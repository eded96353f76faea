"""Generation settings: what is refused when a job is submitted, and what comes of a model's defaults."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from askpix.producer.errors import InputError
from askpix.producer.generation import Generation
from askpix.producer.items import Options


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"min_new_tokens": 9, "max_new_tokens": 8}, "min_new_tokens 9 is more than max_new_tokens 8"),
        ({"do_sample": False, "temperature": 0.5}, "temperature is for drawing, and do_sample says not to"),
        ({"num_beams": 3, "do_sample": True}, "num_beams 3 and do_sample do not go together"),
        ({"num_beams": 3, "seed": 0}, "num_beams 3 and seed do not go together"),
        ({"length_penalty": 1.5}, "length_penalty is for beams"),
        ({"num_return_sequences": 2}, "num_return_sequences 2 is more than there would be"),
        ({"num_beams": 2, "num_return_sequences": 3}, "num_return_sequences 3 is more than there would be"),
        ({"temperature": 0}, "temperature: Input should be greater than or equal to 0.01"),
        ({"top_p": 1.5}, "top_p: Input should be less than or equal to 1"),
        ({"num_beams": 33}, "num_beams: Input should be less than or equal to 32"),
        ({"repetition_penalty": float("nan")}, "repetition_penalty: Input should be"),
        ({"no_repeat_ngram": 2}, "there is no generation option 'no_repeat_ngram'"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(values: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=f".*{told}"):
        Options.parse(values)


@pytest.mark.parametrize(
    ("values", "is_greedy", "samples"),
    [
        ({}, True, False),
        ({"max_new_tokens": 5, "num_beams": 1, "do_sample": False}, True, False),
        ({"num_beams": 2}, False, False),
        ({"repetition_penalty": 1.5}, False, False),
        ({"min_new_tokens": 2}, False, False),
        ({"seed": 0}, False, True),
        ({"top_k": 0}, False, True),
        ({"do_sample": True}, False, True),
    ],
)
def test_settings_say_how_tokens_are_chosen(values: dict[str, Any], *, is_greedy: bool, samples: bool) -> None:
    settings = Generation(**values)
    assert (settings.is_greedy, settings.samples) == (is_greedy, samples)


def test_what_a_job_leaves_open_is_the_models_default() -> None:
    defaults = Generation(max_new_tokens=20, repetition_penalty=1.2, num_beams=3)
    settings = Options(prompt="a", max_new_tokens=5).with_defaults(defaults)
    assert settings == Generation(max_new_tokens=5, repetition_penalty=1.2, num_beams=3)


BEAMS = {"num_beams": 3, "length_penalty": 2.0}
DRAWING = {"temperature": 2.0, "num_return_sequences": 2}


@pytest.mark.parametrize(
    ("defaults", "own", "settings"),
    [
        (BEAMS, {"temperature": 0.7}, {"temperature": 0.7}),
        (BEAMS, {"num_beams": 4}, {"num_beams": 4, "length_penalty": 2.0}),
        (BEAMS, {"num_beams": 1}, {"num_beams": 1}),
        (BEAMS, {"do_sample": False}, {**BEAMS, "do_sample": False}),
        (DRAWING, {"seed": 7}, {**DRAWING, "seed": 7}),
        (DRAWING, {"num_beams": 2}, {"num_beams": 2, "num_return_sequences": 2}),
        (DRAWING, {"do_sample": False}, {"do_sample": False}),
        ({"num_beams": 4, "num_return_sequences": 4}, {"num_beams": 2}, {"num_beams": 2, "num_return_sequences": 2}),
    ],
)
def test_a_way_of_decoding_takes_the_place_of_the_models_other_one(
    defaults: dict[str, Any], own: dict[str, Any], settings: dict[str, Any]
) -> None:
    assert Options(**own).with_defaults(Generation(**defaults)) == Generation(**settings)


@pytest.mark.parametrize("defaults", [BEAMS, DRAWING, {"repetition_penalty": 2.0, "min_new_tokens": 3}])
def test_plain_settings_are_greedy_whatever_the_model_has(defaults: dict[str, Any]) -> None:
    assert Options.plain(20).with_defaults(Generation(**defaults)).is_greedy


def test_settings_that_contradict_the_models_defaults_are_told() -> None:
    with pytest.raises(ValidationError, match="min_new_tokens 30 is more than max_new_tokens 20"):
        Options(min_new_tokens=30).with_defaults(Generation(max_new_tokens=20))
