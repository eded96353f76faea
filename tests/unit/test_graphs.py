"""The graphs, as torch modules, against the modules of transformers that they take their weights from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from models.random_blip import CAPTIONING, ODD, Recipe, random_model
from torch import Tensor

from askpix.worker.models.text_graphs import TextDecoder, TextEncoder
from askpix.worker.models.vision_graph import VisionEncoder

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
        text = recipe.text
        heads, rows = text["num_attention_heads"], len(states)
        shape = (rows, 2 * text["num_hidden_layers"], heads, places, text["hidden_size"] // heads)
        # What a place holds before its row writes to it is of no matter.
        self._cache = torch.randn(shape, generator=torch.Generator().manual_seed(5)) * 10
        self._states, self._mask = states, mask
        self._vocabulary = text["vocab_size"]

    def step(self, rows: list[int], ids: list[int], positions: list[int]) -> tuple[Tensor, Tensor]:
        """Steps some rows; returns the likeliest tokens [B] and all log-probabilities [B, V]."""
        given = (torch.tensor(ids), torch.tensor(positions))
        attended = (self._cache[rows], self._states[rows], self._mask[rows])
        token, log_probability, entry = self._decoder(*given, torch.full((len(rows),), -1), *attended)
        by_token = [
            self._decoder(*given, torch.full((len(rows),), number), *attended)[1] for number in range(self._vocabulary)
        ]
        self._cache[torch.tensor(rows), :, :, given[1]] = entry
        table = torch.stack(by_token, dim=1)
        _assert_close(log_probability, table.gather(1, token[:, None])[:, 0])
        return token, table


def _expected(model: Any, ids: list[int], states: Tensor) -> Tensor:
    """Returns log-probabilities [N, V] after each token of a text, the whole of it at once, by transformers."""
    logits: Tensor = model.text_decoder(torch.tensor([ids]), encoder_hidden_states=states).logits
    return logits[0].log_softmax(-1)


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_vision_encoder_takes_bytes_and_gives_transformers_states(recipe: Recipe) -> None:
    # given
    model, side = random_model(recipe), recipe.vision["image_size"]
    images = np.random.default_rng(1).integers(0, 256, (3, side, side, 3), np.uint8)
    normalised = (images.astype(np.float32) / 255 - np.array(MEAN, np.float32)) / np.array(STD, np.float32)

    # when
    states = VisionEncoder(model.vision_model, MEAN, STD)(torch.from_numpy(images))

    # then
    expected = model.vision_model(torch.from_numpy(normalised.transpose(0, 3, 1, 2).copy())).last_hidden_state
    _assert_close(states, expected)


def test_the_text_encoder_gives_padded_questions_the_states_they_have_alone() -> None:
    # given questions of different lengths
    model = random_model(ODD)
    questions = [[2, 8, 3], [2, 20, 30, 40, 50, 60, 70, 3], [2, 3], [2, *range(100, 130), 3]]
    longest = max(map(len, questions))
    ids = torch.tensor([[*one, *[0] * (longest - len(one))] for one in questions])
    mask = torch.tensor([[float(place < len(one)) for place in range(longest)] for one in questions])
    image_states = _states(len(questions), 26, 96)

    # when
    states = TextEncoder(model.text_encoder)(ids, mask, image_states)

    # then
    for row, question in enumerate(questions):
        alone = model.text_encoder(
            torch.tensor([question]), encoder_hidden_states=image_states[row : row + 1]
        ).last_hidden_state
        _assert_close(states[row, : len(question)], alone[0])


@pytest.mark.parametrize("recipe", RECIPES)
def test_decoding_step_by_step_gives_transformers_logits(recipe: Recipe) -> None:
    # given
    model, text = random_model(recipe), [5, 17, 42, 7, 7, 200, 9, 3]
    states = _states(1, 26, recipe.vision["hidden_size"])
    decoding = _Decoding(model, recipe, states=states, mask=torch.ones(1, 26), places=16)

    # when
    steps = [decoding.step([0], [token], [position]) for position, token in enumerate(text)]

    # then
    expected = _expected(model, text, states)
    _assert_close(torch.cat([table for _, table in steps]), expected)
    assert [int(token) for token, _ in steps] == expected.argmax(-1).tolist()


def test_rows_at_different_positions_with_states_of_different_lengths_do_not_meet() -> None:
    # given three texts, of which the second joins at the third step and the third at the fifth
    model = random_model(ODD)
    texts = [[5, 17, 42, 7, 7, 200, 9, 11], [5, 99, 98, 97, 96, 95], [5, 60, 61, 62]]
    starts, lengths = (0, 2, 4), (26, 9, 17)
    states = _states(3, 26, 96, seed=3)
    mask = torch.tensor([[float(place < length) for place in range(26)] for length in lengths])
    decoding = _Decoding(model, ODD, states=states, mask=mask, places=16)

    # when
    found: list[list[Tensor]] = [[], [], []]
    for now in range(8):
        rows = [row for row in range(3) if now >= starts[row]]
        positions = [now - starts[row] for row in rows]
        _, table = decoding.step(
            rows, [texts[row][place] for row, place in zip(rows, positions, strict=True)], positions
        )
        for row, log_probabilities in zip(rows, table, strict=True):
            found[row].append(log_probabilities)

    # then
    for row, length in enumerate(lengths):
        _assert_close(torch.stack(found[row]), _expected(model, texts[row], states[row : row + 1, :length]))


def test_a_forced_token_comes_with_its_own_probability() -> None:
    # given
    model, states = random_model(ODD), _states(3, 26, 96)
    decoder, cache = TextDecoder(model.text_decoder), torch.zeros(3, 2, 6, 16, 16)
    ids, positions, forced = torch.tensor([5, 5, 5]), torch.zeros(3, dtype=torch.long), torch.tensor([-1, 40, 0])

    # when
    token, log_probability, _ = decoder(ids, positions, forced, cache, states, torch.ones(3, 26))

    # then
    expected = torch.cat([_expected(model, [5], states[row : row + 1]) for row in range(3)])
    assert token.tolist() == [int(expected[0].argmax()), 40, 0]
    _assert_close(log_probability, expected[torch.arange(3), token])
