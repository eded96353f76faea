"""The vision encoder of BLIP, as a torch module that takes its weights from a checkpoint.

It computes what transformers' module does, in a form that suits a worker:

- Images come as 8-bit RGB. Normalising them is folded into the patch embedding, a matmul over patches of
  whole numbers from -128 to 127, which even bfloat16 holds exactly.
- What a LayerNorm scales and shifts by is folded into the matmul behind it, and the attention's scale
  into the queries' weights.
- Queries, keys and values are three matmuls, not one that is split afterwards: as the graph is executed,
  each goes into the attention as it is, in INT8 quantized by the matmul that makes it.

Folded weights are computed in float64. Shapes: B images, S states (one for each patch, and one before
them), E their width, H heads. Everything is float32 unless said otherwise.
"""

# mypy: disable-error-code="no-any-return, no-untyped-call, misc"
from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

_MIDDLE = 128.0
"""Taken from each byte: weights that are rounded to bfloat16 do the least harm to small numbers."""


class VisionEncoder(nn.Module):
    """uint8 [B, height, width, 3] to image states [B, S, E]."""

    def __init__(self, vision_model: Any, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        embeddings = vision_model.embeddings
        self.patches = _Patches(embeddings.patch_embedding, vision_model.config.image_size, mean, std)
        self.first = embeddings.class_embedding
        self.positions = embeddings.position_embedding
        self.layers = nn.ModuleList(_VisionLayer(layer) for layer in vision_model.encoder.layers)
        self.norm = vision_model.post_layernorm

    def forward(self, image: Tensor) -> Tensor:
        patches = self.patches(image)
        first = self.first.expand(patches.shape[0], -1, -1)
        states = torch.cat([first, patches], dim=1) + self.positions
        for layer in self.layers:
            states = layer(states)
        return self.norm(states)


class _Patches(nn.Module):
    """uint8 [B, height, width, 3] to [B, S - 1, E], row by row; pixels that fill no patch are left out."""

    def __init__(
        self, convolution: Any, image: int | tuple[int, int], mean: tuple[float, ...], std: tuple[float, ...]
    ) -> None:
        super().__init__()
        self.size = int(convolution.kernel_size[0])
        height, width = (image, image) if isinstance(image, int) else image
        self.rows, self.columns = height // self.size, width // self.size
        self.fill = (height, width) == (self.rows * self.size, self.columns * self.size)
        weight = convolution.weight.detach().double()  # [E, 3, size, size]
        scale = 1 / torch.tensor(std, dtype=torch.float64)
        shift = -torch.tensor(mean, dtype=torch.float64) * scale
        bias = convolution.bias.detach().double() + torch.einsum("ecij,c->e", weight, shift)
        scaled = (weight * (scale / 255).view(1, 3, 1, 1)).permute(0, 2, 3, 1).flatten(1)
        self.embed = _linear(scaled, bias + _MIDDLE * scaled.sum(1))

    def forward(self, image: Tensor) -> Tensor:
        batch, size, rows, columns = image.shape[0], self.size, self.rows, self.columns
        if not self.fill:
            image = image[:, : rows * size, : columns * size]
        patches = image.reshape(batch, rows, size, columns, size * 3).transpose(2, 3)
        return self.embed(patches.reshape(batch, rows * columns, size * size * 3).to(torch.float32) - _MIDDLE)


class _VisionLayer(nn.Module):
    def __init__(self, layer: Any) -> None:
        super().__init__()
        attention, mlp = layer.self_attn, layer.mlp
        self.heads = attention.num_heads
        weight, bias = _behind(layer.layer_norm1, attention.qkv)
        width = len(bias) // 3
        scale = (width // self.heads) ** -0.5
        self.query = _linear(weight[:width] * scale, bias[:width] * scale)
        self.key = _linear(weight[width : 2 * width], bias[width : 2 * width])
        self.value = _linear(weight[2 * width :], bias[2 * width :])
        self.projection = attention.projection
        self.norm1, self.norm2 = _norm(layer.layer_norm1), _norm(layer.layer_norm2)
        self.up, self.act, self.down = _linear(*_behind(layer.layer_norm2, mlp.fc1)), mlp.activation_fn, mlp.fc2

    def forward(self, states: Tensor) -> Tensor:
        normed = self.norm1(states)
        query, key, value = (self._heads(part(normed)) for part in (self.query, self.key, self.value))
        attended = (query @ key.transpose(-1, -2)).softmax(-1) @ value
        states = states + self.projection(attended.transpose(1, 2).reshape(states.shape))
        return states + self.down(self.act(self.up(self.norm2(states))))

    def _heads(self, states: Tensor) -> Tensor:
        """[B, S, E] to [B, H, S, E / H]."""
        batch, length, width = states.shape
        return states.view(batch, length, self.heads, width // self.heads).transpose(1, 2)


def _norm(norm: Any) -> nn.LayerNorm:
    """Returns a LayerNorm that neither scales nor shifts."""
    return nn.LayerNorm(norm.normalized_shape, eps=norm.eps, elementwise_affine=False)


def _behind(norm: Any, linear: Any) -> tuple[Tensor, Tensor]:
    """Returns weight and bias, float64, of a linear layer that does what a LayerNorm scales and shifts by first."""
    weight, bias = linear.weight.detach().double(), linear.bias.detach().double()
    return weight * norm.weight.detach().double(), bias + weight @ norm.bias.detach().double()


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    linear = nn.Linear(weight.shape[1], weight.shape[0])
    linear.weight, linear.bias = (nn.Parameter(part.float().contiguous()) for part in (weight, bias))
    return linear.requires_grad_(False)
