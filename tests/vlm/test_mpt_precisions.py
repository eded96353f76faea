"""LLaVA on MPT in fewer bits: how far what is computed is from plain PyTorch, and that any mistake would be farther."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import mpt_reference
from helpers.mpt import TinyMpt
from helpers.mpt_graphs import Graphs
from helpers.mpt_reference import Reference
from helpers.tiny_mpt import CALM, TRAINED, Sizes
from PIL import Image

from askpix.producer.items import Options
from askpix.producer.questions import Question
from askpix.worker.engine.base import Request
from askpix.worker.engine.devices import Precision
from askpix.worker.image_form import Pixels
from askpix.worker.models.folder import load_vlm
from askpix.worker.vlm.engine import VlmEngine
from askpix.worker.vlm.templates import TEMPLATES

TEMPLATE = TEMPLATES["mpt"]
QUESTIONS = ("what is it?", "describe the picture, please.")

FARTHEST = {"f32": 1e-5, "f16": 3e-3, "int8": 0.03, "int4": 0.25}
"""Measured: 1e-6, 8e-4, 0.020 and 0.17."""

Weights = dict[str, torch.Tensor]


class Calm:
    """A model whose layers do not make small differences large, what it is asked, and what plain PyTorch says."""

    def __init__(self, mpt: TinyMpt, images: Path) -> None:
        self._mpt = mpt
        # Wide enough for most of its weights to be the language model's.
        mpt.checkpoint("calm", sizes=Sizes(width=96), scales=CALM)
        self.reference = mpt.reference("calm")
        random = np.random.default_rng(3)
        self.asked: list[tuple[Pixels, str, list[int]]] = []
        for path, size in zip(sorted(images.glob("*.jpg")), ((56, 56), (171, 89)), strict=False):
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("RGB").resize(size))
            self.asked += [(pixels, question, random.integers(3, 400, TRAINED).tolist()) for question in QUESTIONS]
        self.told = self.scores(self.reference)
        self._graphs: dict[str, torch.Tensor] = {}

    def folder(self, precision: str) -> Path:
        return self._mpt.folder("calm", precision)

    def graphs(self, precision: str) -> torch.Tensor:
        """Returns what a converted model says."""
        if precision not in self._graphs:
            graphs = Graphs(self.folder(precision), self.reference)
            scores = [graphs.scores(pixels, _prompt(question), ids) for pixels, question, ids in self.asked]
            self._graphs[precision] = torch.cat(scores)
        return self._graphs[precision]

    def scores(self, reference: Reference) -> torch.Tensor:
        """Returns the log-probabilities of all that is asked, each with a text behind it."""
        return torch.cat([reference.scores((pixels,), _prompt(question), ids) for pixels, question, ids in self.asked])


def _prompt(question: str) -> str:
    return TEMPLATE.prompt(question, image=TEMPLATE.image)


def _apart(one: torch.Tensor, other: torch.Tensor) -> float:
    """Returns how large the difference of log-probabilities is, in parts of what they differ by among tokens."""
    one, other = (scores - scores.mean(-1, keepdim=True) for scores in (one, other))
    return float((one - other).norm() / other.norm())


@pytest.fixture(scope="module")
def calm(tiny_mpt: TinyMpt, images: Path) -> Calm:
    return Calm(tiny_mpt, images)


@pytest.mark.parametrize("precision", FARTHEST)
def test_log_probabilities_are_those_of_plain_pytorch(
    precision: str, calm: Calm, record_property: Callable[[str, object], None]
) -> None:
    apart = _apart(calm.graphs(precision), calm.told)
    record_property("apart", apart)
    assert apart < FARTHEST[precision]


def _swapped(one: str, other: str) -> Callable[[Weights], None]:
    def change(weights: Weights) -> None:
        weights[one], weights[other] = weights[other], weights[one]

    return change


def _left_out(name: str) -> Callable[[Weights], None]:
    def change(weights: Weights) -> None:
        weights[name] = torch.zeros_like(weights[name])

    return change


def _as_ones(name: str) -> Callable[[Weights], None]:
    def change(weights: Weights) -> None:
        weights[name] = torch.ones_like(weights[name])

    return change


def _keys_for_queries(weights: Weights) -> None:
    query, key, value = weights["blocks.0.attn.Wqkv.weight"].chunk(3)
    weights["blocks.0.attn.Wqkv.weight"] = torch.cat([key, query, value])


@pytest.mark.parametrize(
    ("mistake", "precision"),
    [
        (_left_out("mm_projector.weight"), "int4"),
        (_left_out("mm_projector.bias"), "f16"),
        (_keys_for_queries, "int4"),
        (_swapped("blocks.0.norm_1.weight", "blocks.0.norm_2.weight"), "int4"),
        (_swapped("blocks.0.ffn.up_proj.weight", "blocks.1.ffn.up_proj.weight"), "int4"),
        (_swapped("blocks.0.attn.out_proj.weight", "blocks.1.attn.out_proj.weight"), "int4"),
        (_as_ones("norm_f.weight"), "int4"),
    ],
)
def test_a_weight_in_the_wrong_place_would_be_told(
    mistake: Callable[[Weights], None], precision: str, calm: Calm, tiny_mpt: TinyMpt
) -> None:
    wrong = tiny_mpt.reference("calm")
    mistake(wrong.weights)
    assert _apart(calm.graphs(precision), calm.scores(wrong)) > 1.2 * FARTHEST[precision]


@pytest.mark.parametrize(
    ("key", "value", "precision"),
    [("n_layers", 1, "int4"), ("mm_vision_select_layer", -1, "int8"), ("mm_vision_select_layer", 1, "int8")],
)
def test_a_layer_too_few_or_too_many_would_be_told(
    key: str, value: int, precision: str, calm: Calm, tiny_mpt: TinyMpt
) -> None:
    wrong = tiny_mpt.reference("calm")
    wrong.config[key] = value
    assert _apart(calm.graphs(precision), calm.scores(wrong)) > 2 * FARTHEST[precision]


@pytest.mark.parametrize(
    "change", [lambda slopes: [0.0] * len(slopes), lambda slopes: slopes[::-1], lambda slopes: sorted(slopes)[::-1]]
)
def test_other_slopes_would_be_told(
    change: Callable[[list[float]], list[float]], calm: Calm, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = mpt_reference._slopes
    monkeypatch.setattr(mpt_reference, "_slopes", lambda heads, most: change(right(heads, most)))
    assert _apart(calm.graphs("int4"), calm.scores(calm.reference)) > 2 * FARTHEST["int4"]


@pytest.fixture(params=["int8", "int4"])
def small(request: pytest.FixtureRequest, calm: Calm) -> Iterator[tuple[VlmEngine, torch.Tensor]]:
    """An engine of a compressed model, and what that model's graphs say by themselves."""
    assert load_vlm(calm.folder(request.param)).bytes < load_vlm(calm.folder("f16")).bytes
    engine = VlmEngine(calm.folder(request.param), precision=Precision.F32)
    yield engine, calm.graphs(request.param)
    engine.close()


def test_the_engine_of_a_compressed_model_says_what_its_graphs_do(
    small: tuple[VlmEngine, torch.Tensor], calm: Calm
) -> None:
    engine, scores = small
    options = Options(max_new_tokens=1)
    for number, (pixels, question, ids) in enumerate(calm.asked):
        handle = engine.open_image(pixels)
        answer = engine.submit(Request(images=(handle,), question=Question(question), options=options)).result(60)
        likeliest = scores[number * (len(ids) + 1)].max()
        assert answer.confidence == pytest.approx(math.exp(likeliest), rel=1e-3)
