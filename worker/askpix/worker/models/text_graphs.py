"""The text encoder and decoder of BLIP, as torch modules that take their weights from a checkpoint.

They compute what transformers' modules do, in forms that suit a worker:

- Where text attends to an image, or an answer to a question, the attention is *absorbed*: with h the
  attended states, the scores are q·(W_k h) = (W_kᵀ q)·h, and the output is W_v (Σ p h) + b_v. The key's
  bias adds the same to every score of a row, so it drops out of the softmax. All layers and heads then
  attend to the same h: no keys or values of it are projected, stored or read again for each token.
- The decoder makes one step for a batch of rows that need not be at the same position. Each row's past
  keys and values are in a buffer of a fixed length; what lies at or behind its position is masked.

Shapes: B rows, L layers, H heads, D = hidden / H, T places of the buffer, S attended states, E their
width, N question tokens, V vocabulary. Everything is float32 unless said otherwise.
"""

# mypy: disable-error-code="no-any-return, no-untyped-call, misc"
from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

MASKED = -1e9
"""Added to the scores of masked places: after the softmax their weight is exactly 0, in every precision."""


class TextEncoder(nn.Module):
    """Questions, read with their images, to question states.

    ids int64 [B, N], mask [B, N] (1 for a token, 0 for padding), image states [B, S, E] to [B, N, hidden].
    """

    def __init__(self, text_model: Any) -> None:
        super().__init__()
        self.embeddings = _Embeddings(text_model.embeddings)
        self.layers = nn.ModuleList(_EncoderLayer(layer) for layer in text_model.encoder.layer)

    def forward(self, ids: Tensor, mask: Tensor, image_states: Tensor) -> Tensor:
        bias = ((1 - mask) * MASKED)[:, None, None, :]
        states = self.embeddings(ids, torch.arange(ids.shape[1], device=ids.device)[None])
        for layer in self.layers:
            states = layer(states, bias, image_states)
        return states


class TextDecoder(nn.Module):
    """One step of decoding, for B rows at positions of their own.

    Inputs:
        ids: int64 [B], each row's last token.
        positions: int64 [B], that token's position; places before it in the cache are the row's past.
        forced: int64 [B], the token that a row goes on with, or -1 to take the likeliest.
        cache: [B, 2L, H, T, D], keys of layer l at 2l and its values at 2l + 1.
        states: [B, S, E], what the rows attend to.
        mask: [B, S], 1 for a state, 0 for padding.

    Outputs:
        token: int64 [B], the forced or likeliest next token.
        log_probability: [B], of that token, natural logarithm.
        entry: [B, 2L, H, D], this step's keys and values, for the cache at `positions`.
    """

    def __init__(self, decoder: Any) -> None:
        super().__init__()
        self.embeddings = _Embeddings(decoder.bert.embeddings)
        self.layers = nn.ModuleList(_DecoderLayer(layer) for layer in decoder.bert.encoder.layer)
        head = decoder.cls.predictions
        self.dense, self.act = head.transform.dense, head.transform.transform_act_fn
        self.norm, self.vocabulary = head.transform.LayerNorm, head.decoder

    def forward(
        self, ids: Tensor, positions: Tensor, forced: Tensor, cache: Tensor, states: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        places = torch.arange(cache.shape[3], device=ids.device)
        past_bias = torch.where(places[None] < positions[:, None], 0.0, MASKED)[:, None, None, :]
        bias = ((1 - mask) * MASKED)[:, None, :]
        hidden = self.embeddings(ids[:, None], positions[:, None])
        entries = []
        for index, layer in enumerate(self.layers):
            past = (cache[:, 2 * index], cache[:, 2 * index + 1])
            hidden, entry = layer(hidden, past, past_bias, states, bias)
            entries += entry
        logits = self.vocabulary(self.norm(self.act(self.dense(hidden[:, 0]))))
        token = torch.where(forced >= 0, forced, logits.argmax(-1))
        log_probability = torch.log_softmax(logits, -1).gather(-1, token[:, None])[:, 0]
        return token, log_probability, torch.stack(entries, dim=1)


class _Embeddings(nn.Module):
    def __init__(self, embeddings: Any) -> None:
        super().__init__()
        self.words, self.places = embeddings.word_embeddings, embeddings.position_embeddings
        self.norm = embeddings.LayerNorm

    def forward(self, ids: Tensor, positions: Tensor) -> Tensor:
        return self.norm(self.words(ids) + self.places(positions))


class _SelfProjections(nn.Module):
    """Queries, keys and values of a text's own attention, [B, H, N, D] each, and what follows it."""

    def __init__(self, attention: Any) -> None:
        super().__init__()
        own = attention.self
        self.heads = own.num_attention_heads
        self.query, self.key, self.value = own.query, own.key, own.value
        self.dense, self.norm = attention.output.dense, attention.output.LayerNorm

    def project(self, states: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        batch, length, width = states.shape
        shape = (batch, length, self.heads, width // self.heads)
        scale = (width // self.heads) ** -0.5
        query = self.query(states).view(shape).transpose(1, 2) * scale
        return query, self.key(states).view(shape).transpose(1, 2), self.value(states).view(shape).transpose(1, 2)

    def finish(self, attended: Tensor, states: Tensor) -> Tensor:
        """[B, H, N, D] and the layer's input [B, N, hidden] to [B, N, hidden]."""
        return self.norm(self.dense(attended.transpose(1, 2).reshape(states.shape)) + states)


class _AbsorbedAttention(nn.Module):
    """Attention to states that stay as they are: text [B, N, hidden] to [B, S, E], with bias [B, 1, S]."""

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

    def forward(self, hidden: Tensor, states: Tensor, bias: Tensor) -> Tensor:
        batch, length, width = hidden.shape
        query = self.query(hidden).view(batch, length, self.heads, width // self.heads).transpose(1, 2)
        absorbed = (query @ self.key).reshape(batch, self.heads * length, -1)
        weights = (absorbed @ states.transpose(1, 2) + bias).softmax(-1)
        seen = (weights @ states).view(batch, self.heads, length, -1) @ self.value
        attended = seen.transpose(1, 2).reshape(batch, length, width) + self.value_bias
        return self.norm(self.dense(attended) + hidden)


class _FeedForward(nn.Module):
    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.up, self.act = layer.intermediate.dense, layer.intermediate.intermediate_act_fn
        self.down, self.norm = layer.output.dense, layer.output.LayerNorm

    def forward(self, states: Tensor) -> Tensor:
        return self.norm(self.down(self.act(self.up(states))) + states)


class _EncoderLayer(nn.Module):
    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.own = _SelfProjections(layer.attention)
        self.cross = _AbsorbedAttention(layer.crossattention)
        self.feed = _FeedForward(layer)

    def forward(self, states: Tensor, bias: Tensor, image_states: Tensor) -> Tensor:
        query, key, value = self.own.project(states)
        attended = (query @ key.transpose(-1, -2) + bias).softmax(-1) @ value
        states = self.own.finish(attended, states)
        no_bias = torch.zeros(1, 1, 1, device=states.device)
        return self.feed(self.cross(states, image_states, no_bias))


class _DecoderLayer(nn.Module):
    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.own = _SelfProjections(layer.attention)
        self.cross = _AbsorbedAttention(layer.crossattention)
        self.feed = _FeedForward(layer)

    def forward(
        self, hidden: Tensor, past: tuple[Tensor, Tensor], past_bias: Tensor, states: Tensor, bias: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        query, key, value = self.own.project(hidden)
        past_keys, past_values = past
        scores = torch.cat([query @ past_keys.transpose(-1, -2) + past_bias, query @ key.transpose(-1, -2)], dim=-1)
        weights = scores.softmax(-1)
        attended = weights[..., :-1] @ past_values + weights[..., -1:] * value
        hidden = self.own.finish(attended, hidden)
        return self.feed(self.cross(hidden, states, bias)), [key[:, :, 0], value[:, :, 0]]
