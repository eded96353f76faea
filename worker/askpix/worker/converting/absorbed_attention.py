"""Attention that is absorbed: keys and values are folded into the query and the output side.

With h the attended states, the scores are q·(W_k h) = (W_kᵀ q)·h, and the output is W_v (Σ p h) + b_v. The key's bias
adds the same to every score of a row, so it drops out of the softmax. All layers and heads then attend to the same h:
no keys or values of it are projected, stored or read again for each token.

All cross-attention in `text_graphs.py` is of this kind.

Shapes: B rows, N tokens, H heads, S attended states, E their width. Everything is float32.
"""

# mypy: disable-error-code="no-any-return, no-untyped-call, misc"
from __future__ import annotations

import math
from typing import Any

from torch import Tensor, nn


class AbsorbedAttention(nn.Module):
    """Attention to states that stay as they are: B rows of N tokens, [B, N, hidden], to [B, S, E].

    `bias`, [B, 1, S], is added to the scores, where there is padding.

    Args:
        attention: of transformers' BLIP, whose weights it takes.
    """

    def __init__(self, attention: Any) -> None:
        super().__init__()
        own = attention.self
        self.heads = own.num_attention_heads
        self.query = own.query
        width, attended = own.key.weight.shape
        size = width // self.heads
        # float32 all the way: W_k and W_v are used as they are, split by heads, so nothing is rounded.
        self.register_buffer("key", own.key.weight.detach().view(self.heads, size, attended) / math.sqrt(size))
        self.register_buffer(
            "value", own.value.weight.detach().view(self.heads, size, attended).transpose(1, 2).clone()
        )
        self.register_buffer("value_bias", own.value.bias.detach().clone())
        self.dense, self.norm = attention.output.dense, attention.output.LayerNorm

    def forward(self, hidden: Tensor, states: Tensor, bias: Tensor | None) -> Tensor:
        rows, length, width = hidden.shape
        query = self.query(hidden).view(rows * length, self.heads, width // self.heads).transpose(0, 1)
        absorbed = (query @ self.key).view(self.heads, rows, length, -1).transpose(0, 1)
        scores = absorbed.reshape(rows, self.heads * length, -1) @ states.transpose(1, 2)
        weights = (scores if bias is None else scores + bias).softmax(-1)
        seen = (weights @ states).view(rows, self.heads, length, -1).transpose(0, 1)
        attended = (seen.reshape(self.heads, rows * length, -1) @ self.value).transpose(0, 1)
        return self.norm(self.dense(attended.reshape(rows, length, width) + self.value_bias) + hidden)
