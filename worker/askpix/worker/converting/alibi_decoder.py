"""A decoder as MPT's is, as a torch module that takes its weights from a checkpoint.

It computes what MPT's own modules do, in a form that the pipeline knows: where a token stands is told by ALiBi alone, a
slope for each head by which the scores of tokens fall with their distance. The slopes are handed to the pipeline's own
attention, which has no table of positions to run out of, where MPT's ends at the length it was trained with.

Shapes: B rows, N tokens that are read, T tokens with those before them, H heads, E head size, D = H E, L layers, V
vocabulary. What is computed is float32, in whatever numbers the weights are stored.
"""

# mypy: disable-error-code="no-any-return, misc"
from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

_MASKED = torch.finfo(torch.float32).min


def slopes(heads: int, most: float = 8) -> Tensor:
    """Returns ALiBi's slope of each head [H], as MPT has them: powers of two, from 2^(-most / H) down to 2^-most.

    Of a number of heads that is no power of two they are every other one of the next such number's, the second first.
    See https://arxiv.org/abs/2108.12409.
    """
    whole = 2 ** math.ceil(math.log2(heads))
    powers = torch.arange(1, whole + 1, dtype=torch.float32) * (most / whole)
    values = 1 / torch.pow(2, powers)
    return values if whole == heads else torch.cat([values[1::2], values[::2]])[:heads]


class AlibiDecoder(nn.Module):
    """Reads N more tokens of each of B rows.

    Inputs:
        embeds: [B, N, D].
        mask: int64 [B, T], 1 for a token, 0 for padding in front.
        past: 2L tensors [B, H, T - N, E], keys of layer l at 2l and its values at 2l + 1.

    Outputs: logits [B, N, V]; then keys and values of all T tokens, as `past` has them.
    """

    def __init__(
        self,
        blocks: Sequence[AlibiBlock],
        *,
        norm: Tensor,
        epsilon: float,
        vocabulary: Tensor,
        slopes: Tensor,
        logit_scale: float,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.norm = _Norm(norm, epsilon)
        self.vocabulary = _Linear(vocabulary)
        self.slopes = _fixed(slopes.view(1, -1, 1))
        self.masked = _fixed(torch.tensor(_MASKED))
        self.logit_scale = logit_scale

    def forward(self, embeds: Tensor, mask: Tensor, *past: Tensor) -> tuple[Tensor, ...]:
        bias = self._bias(mask, embeds.shape[1])
        hidden = embeds
        kept: list[Tensor] = []
        for number, block in enumerate(self.blocks):
            hidden, *own = block(hidden, past[2 * number], past[2 * number + 1], bias)
            kept += own
        logits = self.vocabulary(self.norm(hidden))
        if self.logit_scale != 1:
            logits = logits * self.logit_scale
        return (logits, *kept)

    def _bias(self, mask: Tensor, read: int) -> Tensor:
        """Returns what is added to scores [B, H, N, T].

        The pipeline knows ALiBi by this very form: slopes times positions, reshaped twice, where a token is seen.
        """
        rows, total = mask.shape
        heads = self.slopes.shape[1]
        positions = (mask.cumsum(-1) - 1) * mask
        bias = self.slopes * positions[:, None, :].to(torch.float32)
        bias = bias.reshape(rows * heads, 1, total).reshape(rows, heads, 1, total)
        places = torch.arange(total, device=mask.device)
        unseen = (places[None, :] > places[total - read :][:, None])[None, None] | (mask[:, None, None, :] == 0)
        return torch.where(unseen, self.masked, bias)


class AlibiBlock(nn.Module):
    """One layer.

    Args:
        scale: of scores, before the slopes' share is added.
        clip: how large queries, keys and values may be; None where they are not cut.
    """

    def __init__(
        self,
        *,
        heads: int,
        scale: float,
        clip: float | None,
        epsilon: float,
        norm_1: Tensor,
        qkv: Tensor,
        out: Tensor,
        norm_2: Tensor,
        up: Tensor,
        down: Tensor,
    ) -> None:
        super().__init__()
        self.heads, self.scale, self.clip = heads, scale, clip
        self.norm_1, self.norm_2 = _Norm(norm_1, epsilon), _Norm(norm_2, epsilon)
        self.qkv, self.out, self.up, self.down = map(_Linear, (qkv, out, up, down))

    def forward(self, hidden: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        made = self.qkv(self.norm_1(hidden))
        if self.clip is not None:
            made = made.clamp(-self.clip, self.clip)
        query, key, value = (self._heads(part) for part in made.chunk(3, dim=-1))
        keys, values = torch.cat([keys, key], dim=2), torch.cat([values, value], dim=2)
        seen = functional.scaled_dot_product_attention(query, keys, values, attn_mask=bias, scale=self.scale)
        hidden = hidden + self.out(seen.transpose(1, 2).reshape(hidden.shape))
        return hidden + self.down(functional.gelu(self.up(self.norm_2(hidden)))), keys, values

    def _heads(self, states: Tensor) -> Tensor:
        """[B, N, D] to [B, H, N, E]."""
        rows, read, width = states.shape
        return states.view(rows, read, self.heads, width // self.heads).transpose(1, 2)


class TokenEmbedding(nn.Module):
    """int64 ids [B, N] to [B, N, D].

    Args:
        weight: [V, D].
        more: rows behind those, which stand for tokens that have none: the image's, in whose place others are put.
    """

    def __init__(self, weight: Tensor, more: int = 0) -> None:
        super().__init__()
        rows = weight.new_zeros((more, weight.shape[1]))
        self.weight = _fixed(torch.cat([weight, rows]) if more else weight)

    def forward(self, ids: Tensor) -> Tensor:
        return functional.embedding(ids, self.weight).to(torch.float32)


class _Linear(nn.Module):
    """A matmul whose weights are stored in any kind of numbers, which the graph turns into float32 as it goes."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = _fixed(weight)

    def forward(self, states: Tensor) -> Tensor:
        return functional.linear(states, self.weight.to(torch.float32))


class _Norm(nn.Module):
    """A LayerNorm that scales, and does not shift."""

    def __init__(self, weight: Tensor, epsilon: float) -> None:
        super().__init__()
        self.weight = _fixed(weight.to(torch.float32))
        self.epsilon = epsilon

    def forward(self, states: Tensor) -> Tensor:
        return functional.layer_norm(states, self.weight.shape, self.weight, None, self.epsilon)


def _fixed(tensor: Tensor) -> nn.Parameter:
    return nn.Parameter(tensor, requires_grad=False)
