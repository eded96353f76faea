"""The graphs, as torch modules, against the modules of transformers that they take their weights from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from helpers.random_blip import CAPTIONING, ODD, Recipe, random_model
from torch import Tensor

from askpix.worker.blip.choices import ChoiceTree, read_together
from askpix.worker.blip.questions import packed
from askpix.worker.converting.text_graphs import TextDecoder, TextEncoder, first_of_greatest
from askpix.worker.converting.vision_graph import VisionEncoder

MEAN, STD = (0.48, 0.46, 0.41), (0.27, 0.26, 0.28)
TOLERANCE = 1e-4

RECIPES = [
    pytest.param(ODD, id="question answering"),
    pytest.param(CAPTIONING, id="captioning, of two widths"),
    pytest.param(replace(ODD, deviation=0.2), id="question answering, sharp attention"),
]


@pytest.fixture(autouse=True)
def _no_gradients() -> Any:
    torch.set_num_threads(1)
    with torch.inference_mode():
        yield


def _assert_close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=TOLERANCE, rtol=TOLERANCE)


def _states(batch: int, length: int, width: int, seed: int = 0) -> Tensor:
    """Returns normalised states, as encoders give them."""
    return torch.randn(batch, length, width, generator=torch.Generator().manual_seed(seed))


class _Decoding:
    """Steps of a batch of rows through a TextDecoder, with the cache that it needs."""

    def __init__(self, model: Any, recipe: Recipe, *, states: Tensor, mask: Tensor, places: int) -> None:
        self._decoder = TextDecoder(model.text_decoder).eval()
        # What a place holds before its row writes to it is of no matter.
        self._cache = _empty_cache(recipe, rows=len(states), places=places)
        self._states, self._mask = states, mask
        self._vocabulary = torch.arange(recipe.text["vocab_size"])

    def step(self, rows: list[int], ids: list[int], positions: list[int]) -> tuple[Tensor, Tensor]:
        """Steps some rows; returns the likeliest tokens [B] and all log-probabilities [B, V]."""
        places = torch.tensor(positions)
        token, log_probability, scores, entry, normaliser = self._decoder(
            torch.tensor(ids)[:, None],
            places[:, None],
            torch.ones(len(rows), 1, 1),
            self._vocabulary.expand(len(rows), 1, -1),
            self._states[rows],
            self._mask[rows],
            *(part[rows] for part in self._cache),
        )
        for part, own in zip(self._cache, entry.unbind(1), strict=True):
            part[torch.tensor(rows), :, places] = own[:, :, 0]
        _assert_close(log_probability[:, 0], scores[:, 0].amax(-1))
        _assert_close((scores[:, 0] + normaliser).logsumexp(-1), normaliser[:, 0])
        return token[:, 0], scores[:, 0]


def _empty_cache(recipe: Recipe, *, rows: int, places: int) -> list[Tensor]:
    text, generator = recipe.text, torch.Generator().manual_seed(5)
    heads = text["num_attention_heads"]
    shape = (rows, heads, places, text["hidden_size"] // heads)
    return [torch.randn(shape, generator=generator) * 10 for _ in range(2 * text["num_hidden_layers"])]


def _expected(model: Any, ids: list[int], states: Tensor) -> Tensor:
    """Returns log-probabilities [N, V] after each token of a text, the whole of it at once, by transformers."""
    logits: Tensor = model.text_decoder(torch.tensor([ids]), encoder_hidden_states=states).logits
    return logits[0].log_softmax(-1)


@pytest.mark.parametrize(
    "recipe",
    [
        *RECIPES,
        pytest.param(replace(ODD, vision={**ODD.vision, "image_size": 65}), id="pixels that fill no patch"),
    ],
)
def test_the_vision_encoder_takes_bytes_and_gives_transformers_states(recipe: Recipe) -> None:
    # Given
    model, side = random_model(recipe), recipe.vision["image_size"]
    images = np.random.default_rng(1).integers(0, 256, (3, side, side, 3), np.uint8)
    normalised = (images.astype(np.float32) / 255 - np.array(MEAN, np.float32)) / np.array(STD, np.float32)

    # When
    states = VisionEncoder(model.vision_model, MEAN, STD)(torch.from_numpy(images))

    # Then
    expected = model.vision_model(torch.from_numpy(normalised.transpose(0, 3, 1, 2).copy())).last_hidden_state
    _assert_close(states, expected)


def test_the_text_encoder_gives_packed_questions_the_states_they_have_alone() -> None:
    # Given: questions of different lengths, of which the first image has three and the second one
    model = random_model(ODD)
    rows = [[[2, 8, 3], [2, 20, 30, 40, 50, 60, 70, 3], [2, 8, 3]], [[2, *range(100, 130), 3]]]
    image_states = _states(len(rows), 26, 96)

    # When
    given = (torch.from_numpy(part) for part in packed(rows, pad=0))
    states = TextEncoder(model.text_encoder)(*given, image_states)

    # Then
    for row, questions in enumerate(rows):
        place = 0
        for question in questions:
            alone = model.text_encoder(
                torch.tensor([question]), encoder_hidden_states=image_states[row : row + 1]
            ).last_hidden_state
            _assert_close(states[row, place : place + len(question)], alone[0])
            place += len(question)


@pytest.mark.parametrize("recipe", RECIPES)
def test_decoding_step_by_step_gives_transformers_logits(recipe: Recipe) -> None:
    # Given
    model, text = random_model(recipe), [5, 17, 42, 7, 7, 200, 9, 3]
    states = _states(1, 26, recipe.vision["hidden_size"])
    decoding = _Decoding(model, recipe, states=states, mask=torch.ones(1, 26), places=16)

    # When
    steps = [decoding.step([0], [token], [position]) for position, token in enumerate(text)]

    # Then
    expected = _expected(model, text, states)
    _assert_close(torch.cat([table for _, table in steps]), expected)
    assert [int(token) for token, _ in steps] == expected.argmax(-1).tolist()


def test_rows_at_different_positions_with_states_of_different_lengths_do_not_meet() -> None:
    # Given: three texts, of which the second joins at the third step and the third at the fifth
    model = random_model(ODD)
    texts = [[5, 17, 42, 7, 7, 200, 9, 11], [5, 99, 98, 97, 96, 95], [5, 60, 61, 62]]
    starts, lengths = (0, 2, 4), (26, 9, 17)
    states = _states(3, 26, 96, seed=3)
    mask = torch.tensor([[float(place < length) for place in range(26)] for length in lengths])
    decoding = _Decoding(model, ODD, states=states, mask=mask, places=16)

    # When
    found: list[list[Tensor]] = [[], [], []]
    for now in range(8):
        rows = [row for row in range(3) if now >= starts[row]]
        positions = [now - starts[row] for row in rows]
        _, table = decoding.step(
            rows, [texts[row][place] for row, place in zip(rows, positions, strict=True)], positions
        )
        for row, log_probabilities in zip(rows, table, strict=True):
            found[row].append(log_probabilities)

    # Then
    for row, length in enumerate(lengths):
        _assert_close(torch.stack(found[row]), _expected(model, texts[row], states[row : row + 1, :length]))


def test_the_choices_of_questions_are_scored_in_one_pass_as_they_are_alone() -> None:
    # Given: choices that begin alike, are part of each other, and have nothing in common
    model, states = random_model(ODD), _states(2, 26, 96)
    asked = [[[40, 41, 3], [40, 41, 42, 3], [40, 3], [99, 98, 97, 3]], [[60, 3], [61, 3]]]
    trees = [ChoiceTree(start=5) for _ in asked]
    for tree, choices in zip(trees, asked, strict=True):
        for number, ids in enumerate(choices):
            tree.add(number, ids)

    # When
    batch = read_together(trees, pad=5)
    given = (torch.from_numpy(part) for part in (batch.ids, batch.positions, batch.seen, batch.targets))
    cache = _empty_cache(ODD, rows=2, places=1)
    _, _, scores, _, _ = TextDecoder(model.text_decoder)(*given, states, torch.ones(2, 26), *cache)

    # Then
    assert [len(tree) for tree in trees] == [7, 3], "what choices share is read once"
    for row, (tree, choices) in enumerate(zip(trees, asked, strict=True)):
        for number, ids in enumerate(choices):
            table = _expected(model, [5, *ids[:-1]], states[row : row + 1])
            found = sum(scores[row][place] for place in tree.choices[number])
            _assert_close(torch.as_tensor(found), table[range(len(ids)), ids].sum())


@pytest.mark.parametrize("logits", [[0.0, 3.0, 3.0, 1.0], [2.0, 2.0, 2.0, 2.0], [-1.0, -5.0, -1.5, -0.5]])
def test_the_likeliest_token_is_the_first_of_equals(logits: list[float]) -> None:
    given = torch.tensor([logits])
    assert first_of_greatest(given, given.amax(-1, keepdim=True)).tolist() == [int(np.argmax(logits))]


def test_a_token_of_no_numbers_is_inside_the_vocabulary() -> None:
    given = torch.full((1, 4), torch.nan)
    assert first_of_greatest(given, given.amax(-1, keepdim=True)).tolist() == [3]
