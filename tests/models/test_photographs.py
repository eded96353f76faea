"""Real photographs: what the small models say of them is what transformers says."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.engine_calls import opened
from helpers.photographs import photographs
from helpers.random_blip import CAPTIONING, DEMO_CHECKPOINT, ODD, Built, Recipe, built
from models.blip_reference import Reference
from models.parity import QUESTIONS, assert_same, engine_texts, expected_texts

from askpix.worker.local import demo_model

# Conversion, where a model is not in the cache: OpenVINO's converter traces with what torch wants to replace.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")


def _demo() -> Built:
    return Built(checkpoint=DEMO_CHECKPOINT, folder=Path(demo_model()))


@pytest.mark.parametrize(
    ("recipe", "texts", "new_tokens"),
    [
        pytest.param(None, (None, *QUESTIONS, "what is it?", "is it a cat?"), 20, id="demo model"),
        pytest.param(ODD, (None, *QUESTIONS), 10, id="odd sizes"),
        pytest.param(CAPTIONING, (None,), 10, id="captioning"),
    ],
)
def test_photographs_are_captioned_and_answered_as_transformers_does(
    recipe: Recipe | None, texts: tuple[str | None, ...], new_tokens: int
) -> None:
    # Given
    model = _demo() if recipe is None else built(recipe)
    files = list(photographs().values())
    expected = expected_texts(Reference(model.checkpoint, max_new_tokens=new_tokens), files, texts)

    # When
    with opened(model.folder) as engine:
        answers = engine_texts(engine, files, texts, new_tokens)

    # Then
    assert_same(answers, expected)
