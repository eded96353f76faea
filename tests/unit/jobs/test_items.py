"""Generation options and model names, as people give them."""

from __future__ import annotations

from typing import Any

import pytest

from askpix.producer.errors import InputError
from askpix.producer.items import Options


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, Options()),
        ({"prompt": "a photo of"}, Options(prompt="a photo of")),
        ({"max_new_tokens": 5, "prompt": None}, Options(max_new_tokens=5)),
        ({"max_new_tokens": None}, Options()),
    ],
)
def test_options_are_read_from_an_object(given: dict[str, Any], expected: Options) -> None:
    assert Options.parse(given) == expected


def test_how_long_an_answer_may_be_is_the_models_affair_unless_it_is_said() -> None:
    assert Options().max_new_tokens is None
    assert Options.model_validate_json(Options().model_dump_json()) == Options()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"warmth": 1}, "there is no generation option 'warmth'; there is max_new_tokens, min_new_tokens, num_beams"),
        ({"prompt": "a", "max_tokens": 1}, "no generation option 'max_tokens'; there is max_new_tokens"),
        ({1: 2}, "no generation option 1; there is"),
        ({"max_new_tokens": 0}, "max_new_tokens: Input should be greater than or equal to 1"),
        ({"max_new_tokens": "many"}, "max_new_tokens: Input should be a valid integer"),
        ({"prompt": "p" * 2_001}, "prompt: String should have at most 2000 characters"),
        ("prompt", "generation options are an object with max_new_tokens, min_new_tokens"),
        (None, "stop, prompt, system, not None"),
    ],
)
def test_options_that_are_not_known_or_not_valid_are_named(given: Any, said: str) -> None:
    with pytest.raises(InputError) as raised:
        Options.parse(given)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)
