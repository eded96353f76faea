"""The graphs of form (c): BLIP as the public OpenVINO notebook has it, written anew.

Three models, each what transformers' module computes: the vision encoder takes normalised pixels; the text
encoder and the text decoder attend to the encoder's states through keys and values that they project from
them in each call, the decoder therefore for each token; the decoder's own past keys and values come in and
go out as tensors that grow. Weights are stored in half precision.

Shapes: B rows, N tokens, P past tokens, S attended states, E their width, H heads, D = hidden / H.
"""

# mypy: disable-error-code="no-any-return, no-untyped-call, misc"
from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import openvino as ov
import torch
import transformers
from torch import Tensor, nn

_MASKED = -10_000.0


def save_notebook_graphs(checkpoint: Path, folder: Path) -> None:
    """Writes the three models of a checkpoint of BlipForQuestionAnswering into a folder."""
    kind = transformers.BlipForQuestionAnswering
    model: Any = kind.from_pretrained(checkpoint, dtype=torch.float32, local_files_only=True).eval()
    text, vision = model.config.text_config, model.config.vision_config
    width, side = vision.hidden_size, vision.image_size
    ids, mask, states = torch.ones(2, 3, dtype=torch.int64), torch.ones(2, 3), torch.zeros(2, 5, width)
    past = [torch.zeros(2, text.num_attention_heads, 4, text.hidden_size // text.num_attention_heads)]
    past *= 2 * text.num_hidden_layers
    folder.mkdir(parents=True)
    with torch.inference_mode():
        _save(_Vision(model.vision_model), (torch.zeros(1, 3, side, side),), folder / "vision.xml")
        _save(_TextEncoder(model.text_encoder), (ids, mask, states), folder / "text_encoder.xml")
        _save(_TextDecoder(model.text_decoder), (ids, torch.ones(2, 7), states, *past), folder / "text_decoder.xml")


def _save(module: nn.Module, example: tuple[Tensor, ...], path: Path) -> None:
    model = ov.convert_model(module.eval(), example_input=example)
    for number, one in enumerate(model.inputs):
        one.get_tensor().set_names({f"input{number}"})
        fixed = example[number].shape
        # Batches and lengths are free, all else is the model's own; an image keeps its size.
        free = {0} if len(fixed) == 4 and fixed[1] == 3 else {0, 1} if len(fixed) < 4 else {0, 2}
        one.get_node().set_partial_shape(
            ov.PartialShape([-1 if axis in free else size for axis, size in enumerate(fixed)])
        )
    for number, one in enumerate(model.outputs):
        one.get_tensor().set_names({f"output{number}"})
    model.validate_nodes_and_infer_types()
    ov.save_model(model, path, compress_to_fp16=True)


class _Vision(nn.Module):
    """Pixels [B, 3, height, width] to states [B, S, E]."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: Tensor) -> Tensor:
        return self.model(pixel_values).last_hidden_state


class _TextEncoder(nn.Module):
    """ids [B, N], mask [B, N] and image states [B, S, E] to question states [B, N, hidden]."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.embeddings = model.embeddings
        self.layers = nn.ModuleList(_Layer(layer) for layer in model.encoder.layer)

    def forward(self, ids: Tensor, mask: Tensor, states: Tensor) -> Tensor:
        hidden = self.embeddings(input_ids=ids)
        bias = (1 - mask)[:, None, None, :] * _MASKED
        for layer in self.layers:
            hidden, _, _ = layer(hidden, bias, states, None)
        return hidden


class _TextDecoder(nn.Module):
    """ids [B, N], mask [B, P + N], states [B, S, E] and past keys and values [B, H, P, D] of each layer.

    Gives logits [B, N, vocabulary], and keys and values [B, H, P + N, D] of each layer.
    """

    def __init__(self, decoder: Any) -> None:
        super().__init__()
        self.embeddings = decoder.bert.embeddings
        self.layers = nn.ModuleList(_Layer(layer) for layer in decoder.bert.encoder.layer)
        self.head = decoder.cls

    def forward(self, ids: Tensor, mask: Tensor, states: Tensor, *past: Tensor) -> tuple[Tensor, ...]:
        before, new = past[0].shape[2], ids.shape[1]
        places = torch.arange(before + new)
        hidden = self.embeddings(input_ids=ids, position_ids=places[None, before:])
        later = places[None, :] > places[before:, None]
        bias = (1 - mask)[:, None, None, :] * _MASKED + later[None, None] * _MASKED
        present: list[Tensor] = []
        for index, layer in enumerate(self.layers):
            hidden, key, value = layer(hidden, bias, states, (past[2 * index], past[2 * index + 1]))
            present += [key, value]
        return self.head(hidden), *present


class _Layer(nn.Module):
    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.own = _Attention(layer.attention)
        self.cross = _Attention(layer.crossattention)
        self.feed, self.output = layer.intermediate, layer.output

    def forward(
        self, hidden: Tensor, bias: Tensor, states: Tensor, past: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        hidden, key, value = self.own(hidden, hidden, bias, past)
        hidden, _, _ = self.cross(hidden, states, None, None)
        return self.output(self.feed(hidden), hidden), key, value


class _Attention(nn.Module):
    """Attention whose keys and values are projected from what it attends to, in this very call."""

    def __init__(self, attention: Any) -> None:
        super().__init__()
        own = attention.self
        self.query, self.key, self.value = own.query, own.key, own.value
        self.heads, self.scale = own.num_attention_heads, math.sqrt(own.attention_head_size)
        self.output = attention.output

    def forward(
        self, hidden: Tensor, attended: Tensor, bias: Tensor | None, past: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        query, key, value = (
            self._split(self.query(hidden)),
            self._split(self.key(attended)),
            self._split(self.value(attended)),
        )
        if past is not None:
            key, value = torch.cat([past[0], key], dim=2), torch.cat([past[1], value], dim=2)
        scores = query @ key.transpose(-1, -2) / self.scale
        if bias is not None:
            scores = scores + bias
        seen = (scores.softmax(-1) @ value).transpose(1, 2).reshape(hidden.shape)
        return self.output(seen, hidden), key, value

    def _split(self, states: Tensor) -> Tensor:
        batch, length, width = states.shape
        return states.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
