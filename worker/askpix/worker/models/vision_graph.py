"""The vision encoder of BLIP, as a torch module that takes its weights from a checkpoint.

It computes what transformers' module does, in a form that suits a worker: images come as 8-bit RGB, and
normalising them is part of the graph. Shapes: B images, S states (one for each patch, and one before
them), E their width. Everything is float32 unless said otherwise.
"""

# mypy: disable-error-code="no-any-return, no-untyped-call, misc"
from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class VisionEncoder(nn.Module):
    """uint8 [B, height, width, 3] to image states [B, S, E]."""

    def __init__(self, vision_model: Any, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        embeddings = vision_model.embeddings
        self.patches = embeddings.patch_embedding
        self.first = embeddings.class_embedding
        self.positions = embeddings.position_embedding
        self.layers = nn.ModuleList(_VisionLayer(layer) for layer in vision_model.encoder.layers)
        self.norm = vision_model.post_layernorm
        scale = 1 / (255 * torch.tensor(std))
        self.scale: Tensor
        self.shift: Tensor
        self.register_buffer("scale", scale.view(1, 3, 1, 1))
        self.register_buffer("shift", (-255 * torch.tensor(mean) * scale).view(1, 3, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        pixels = image.permute(0, 3, 1, 2).to(torch.float32) * self.scale + self.shift
        patches = self.patches(pixels).flatten(2).transpose(1, 2)
        first = self.first.expand(patches.shape[0], -1, -1)
        states = torch.cat([first, patches], dim=1)
        states = states + self.positions[:, : states.shape[1]]
        for layer in self.layers:
            states = layer(states)
        return self.norm(states)


class _VisionLayer(nn.Module):
    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.norm1, self.norm2 = layer.layer_norm1, layer.layer_norm2
        self.qkv, self.projection = layer.self_attn.qkv, layer.self_attn.projection
        self.heads = layer.self_attn.num_heads
        self.up, self.act, self.down = layer.mlp.fc1, layer.mlp.activation_fn, layer.mlp.fc2

    def forward(self, states: Tensor) -> Tensor:
        batch, length, width = states.shape
        qkv = self.qkv(self.norm1(states)).view(batch, length, 3, self.heads, width // self.heads)
        qkv = qkv.permute(2, 0, 3, 1, 4)
        query, key, value = qkv[0], qkv[1], qkv[2]
        scores = (query * (width // self.heads) ** -0.5) @ key.transpose(-1, -2)
        attended = (scores.softmax(-1) @ value).transpose(1, 2).reshape(batch, length, width)
        states = states + self.projection(attended)
        return states + self.down(self.act(self.up(self.norm2(states))))
