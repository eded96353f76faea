"""The text encoder and decoder of BLIP, as torch modules that take their weights from a checkpoint.

They compute what transformers' modules do, in forms that suit a worker:

- Where text attends to an image, or an answer to a question, the attention is absorbed; see `AbsorbedAttention`.
- The rows that the decoder steps need not be at the same position. Each row's past keys and values are in
  a buffer of a fixed length; what lies at or behind its position is masked.

Shapes: B rows or I images, N tokens, L layers, H heads, D = hidden / H, P places of the buffer, S attended
states, E their width, V vocabulary. Everything is float32 unless said otherwise.
"""

# mypy: disable-error-code="no-any-return, no-untyped-call, misc"
from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from askpix.worker.converting.absorbed_attention import AbsorbedAttention

MASKED = -1e9
"""Added to the scores of masked places: after the softmax their weight is exactly 0, in every precision."""


class TextEncoder(nn.Module):
    """The questions of I images, read with their images, to question states.

    An image's questions stand one behind the other in one row of N tokens: each sees itself, not the others.

    Inputs:
        ids: int64 [I, N].
        positions: int64 [I, N], of each token in its own question.
        questions: int64 [I, N], which of the row's questions a token belongs to; padding has a number of its own.
        states: [I, S, E], of the images.

    Returns [I, N, hidden]; with a head that tells matches, also [I, N], of which a text's first token has how likely it
    is that the text fits its image.
    """

    def __init__(self, text_model: Any, match_head: Any = None) -> None:
        super().__init__()
        self.match_head = match_head
        self.embeddings = _Embeddings(text_model.embeddings)
        self.layers = nn.ModuleList(_EncoderLayer(layer) for layer in text_model.encoder.layer)

    def forward(
        self, ids: Tensor, positions: Tensor, questions: Tensor, states: Tensor
    ) -> Tensor | tuple[Tensor, Tensor]:
        own = questions[:, :, None] == questions[:, None, :]
        bias = torch.where(own, 0.0, MASKED)[:, None]
        hidden = self.embeddings(ids, positions)
        for layer in self.layers:
            hidden = layer(hidden, bias, states)
        return hidden if self.match_head is None else (hidden, self.match_head(hidden).softmax(-1)[..., 1])


class TextDecoder(nn.Module):
    """Decodes N tokens of each of B rows at a time, each row at a position of its own.

    A step of decoding is one token for each row. Several tokens are a tree: each sees those that lead to it,
    so that all beginnings of several texts are read at once, what they share a single time.

    Inputs:
        ids: int64 [B, N], the tokens that are read.
        positions: int64 [B, N], of these in their texts; in the cache, a row's past is before its first one.
        seen: [B, N, N], 1 where a token (first) sees another, itself included, else 0.
        targets: int64 [B, N, K], tokens that may follow.
        states: [B, S, E], what the rows attend to.
        mask: [B, S], 1 for a state, 0 for padding.
        cache: 2L tensors [B, H, P, D], keys of layer l at 2l and its values at 2l + 1.

    Outputs:
        token: int64 [B, N], the likeliest next token; of equals the first.
        log_probability: [B, N], of that token, natural logarithm.
        scores: [B, N, K], log-probabilities of the targets.
        entry: [B, 2L, H, N, D], keys and values of the tokens that were read, for the cache at `positions`.
        normaliser: [B, N], logarithm of the sum of exp(logits): added to log-probabilities, it makes them logits.
    """

    def __init__(self, decoder: Any) -> None:
        super().__init__()
        self.embeddings = _Embeddings(decoder.bert.embeddings)
        self.layers = nn.ModuleList(_DecoderLayer(layer) for layer in decoder.bert.encoder.layer)
        head = decoder.cls.predictions
        self.dense, self.act = head.transform.dense, head.transform.transform_act_fn
        self.norm, self.vocabulary = head.transform.LayerNorm, head.decoder

    def forward(
        self,
        ids: Tensor,
        positions: Tensor,
        seen: Tensor,
        targets: Tensor,
        states: Tensor,
        mask: Tensor,
        *cache: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        places = torch.arange(cache[0].shape[2], device=ids.device)
        past_bias = torch.where(places[None] < positions[:, :1], 0.0, MASKED)[:, None, None, :]
        own_bias = ((1 - seen) * MASKED)[:, None]
        bias = ((1 - mask) * MASKED)[:, None, :]
        hidden = self.embeddings(ids, positions)
        entries = []
        for index, layer in enumerate(self.layers):
            past = (cache[2 * index], cache[2 * index + 1])
            hidden, entry = layer(hidden, past, past_bias, own_bias, states, bias)
            entries += entry
        logits = self.vocabulary(self.norm(self.act(self.dense(hidden))))
        best = logits.amax(-1, keepdim=True)
        total = (logits - best).exp().sum(-1, keepdim=True).log()
        scores = logits.gather(-1, targets) - best - total
        return (
            first_of_greatest(logits, best),
            -total[..., 0],
            scores,
            torch.stack(entries, dim=1),
            (best + total)[..., 0],
        )


def first_of_greatest(logits: Tensor, best: Tensor) -> Tensor:
    """Returns the first place of the last axis that holds the greatest value.

    OpenVINO's own argmax sorts: 4 ms of a step of 32 rows, where these comparisons take 1.
    """
    places = torch.arange(logits.shape[-1], device=logits.device, dtype=torch.float32)
    # Where all are NaN, none is greatest: the last place, so that what follows stays inside the vocabulary.
    return torch.where(logits >= best, places, places[-1]).amin(-1).to(torch.int64)


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
        self.cross = AbsorbedAttention(layer.crossattention)
        self.feed = _FeedForward(layer)

    def forward(self, hidden: Tensor, bias: Tensor, states: Tensor) -> Tensor:
        query, key, value = self.own.project(hidden)
        attended = (query @ key.transpose(-1, -2) + bias).softmax(-1) @ value
        hidden = self.own.finish(attended, hidden)
        return self.feed(self.cross(hidden, states, None))


class _DecoderLayer(nn.Module):
    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.own = _SelfProjections(layer.attention)
        self.cross = AbsorbedAttention(layer.crossattention)
        self.feed = _FeedForward(layer)

    def forward(
        self,
        hidden: Tensor,
        past: tuple[Tensor, Tensor],
        past_bias: Tensor,
        own_bias: Tensor,
        states: Tensor,
        bias: Tensor,
    ) -> tuple[Tensor, list[Tensor]]:
        query, key, value = self.own.project(hidden)
        keys, values = past
        before, own = query @ keys.transpose(-1, -2) + past_bias, query @ key.transpose(-1, -2) + own_bias
        weights = torch.cat([before, own], dim=-1).softmax(-1)
        length = keys.shape[2]
        attended = weights[..., :length] @ values + weights[..., length:] @ value
        hidden = self.own.finish(attended, hidden)
        return self.feed(self.cross(hidden, states, bias)), [key, value]
