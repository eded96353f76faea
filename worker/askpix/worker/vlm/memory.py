"""What a vision-language model takes of a machine's memory, and what is left for the keys and values of its texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import openvino as ov

from askpix.producer.errors import ModelError
from askpix.worker.cgroup import memory_left
from askpix.worker.engine.devices import Compiler, Precision
from askpix.worker.models.vlm_manifest import VlmManifest
from askpix.worker.vlm.batch import BLOCK_TOKENS, ROWS, URGENT_ROWS

_RUNTIME_BYTES = 300_000_000
"""Of the process beside the weights, a step's numbers included."""

_WEIGHTS = 1.15
"""Of the files: the device keeps some weights in another order beside them."""

_SHARE = 0.5
"""Of what is left, for keys and values."""

_TEXT_TOKENS = 512
"""Of question and answer, for which there is room in each of the rows that are decoded together, if memory allows."""


def properties_for(compiler: Compiler) -> dict[str, Any]:
    """Returns OpenVINO's properties for a pipeline; in f32 it then computes as transformers does, token for token."""
    properties = dict(compiler.properties)
    if compiler.precision is Precision.F32:
        properties |= {"KV_CACHE_PRECISION": ov.Type.f32, "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
    return properties


def cache_blocks(manifest: VlmManifest, properties: Mapping[str, Any], left: int | None = None) -> int:
    """Returns for how many blocks of keys and values there is memory.

    Args:
        left: bytes of memory that the process may still take; None for what the system says.

    Raises:
        ModelError: the model does not fit, nor keys and values of one text of its full length.
    """
    left = memory_left() if left is None else left
    token = bytes_per_token(manifest, exact="KV_CACHE_PRECISION" in properties)
    context = manifest.language.context
    wanted = (ROWS + URGENT_ROWS) * (most_image_tokens(manifest) + _TEXT_TOKENS)
    taken = round(manifest.bytes * _WEIGHTS) + _RUNTIME_BYTES
    least = min(context, wanted) * token
    if left is not None and taken + least > left:
        raise ModelError(
            f"{manifest.name} does not fit: its weights and what runs them take {_gb(taken)}, "
            f"one text of {min(context, wanted):,} tokens {_gb(least)}, and there are {_gb(left)} of memory left"
        )
    room = wanted * token if left is None else min(wanted * token, max(least, round((left - taken) * _SHARE)))
    return -(-room // (token * BLOCK_TOKENS)) + 1


def bytes_per_token(manifest: VlmManifest, *, exact: bool) -> int:
    """Returns what keys and values of a token take.

    Args:
        exact: they are kept in f32, rather than in 8 bits with a scale and a zero for each head.
    """
    language = manifest.language
    vector = language.head_size * 4 if exact else language.head_size + 8
    return 2 * language.layers * language.kv_heads * vector


def most_image_tokens(manifest: VlmManifest) -> int:
    """Returns how many tokens an image comes to at the most; where that goes by its size, one of a megapixel."""
    form = manifest.image_tokens
    if form.kind == "fixed":
        return form.tokens
    if form.kind == "scaled":
        return min(form.max_pixels, 1_000_000) // form.unit**2
    each = form.side // form.patch
    return max(each * each + (high // form.patch) * (wide // form.patch + 1) for high, wide in form.grids)


def _gb(number: int) -> str:
    return f"{number / 1e9:.1f} GB"
