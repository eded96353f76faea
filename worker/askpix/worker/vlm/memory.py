"""What a vision-language model takes of a machine's memory, and what is left for the keys and values of its texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import openvino as ov

from askpix.worker.cgroup import memory_left
from askpix.worker.engine.compiling import Compiler
from askpix.worker.engine.devices import Precision
from askpix.worker.item_errors import MemoryShortError
from askpix.worker.models.vlm_manifest import VlmManifest
from askpix.worker.vlm.batch import ROWS, URGENT_ROWS

_RUNTIME_BYTES = 300_000_000
"""Of the process beside the weights, a step's numbers included."""

_WEIGHTS = {"int4": 1.35, "int8": 1.1, "f16": 1.1, "f32": 1.1}
"""Of the files, which the device copies in an order of its own. Measured with 0.9 billion weights: 1.21 GB for 0.69 in
INT4, 1.29 for 0.96 in INT8 (`bench/vlm_sizes.py`)."""

_SHARE = 0.5
"""Of what is left, for keys and values."""

_TEXT_TOKENS = 512
"""Of question and answer, for which there is room in each of the rows that are decoded together, if memory allows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """What a device has room for, and how it keeps keys and values there."""

    memory: int | None = None
    """Bytes of its own; None where it has the machine's, or does not say."""

    block_tokens: int = 32
    """Whose keys and values are kept together."""

    compressed: bool = True
    """Whether numbers of keys and values take 8 bits, unless all is computed in f32."""


def room_on(compiler: Compiler) -> Room:
    """Returns what the devices of a compiler have room for.

    OpenVINO GenAI keeps blocks of 32 tokens on CPUs and 16 on GPUs. In how many bits a GPU keeps them goes by
    generation: 16 are counted.
    """
    if "GPU" in compiler.name.kinds:
        return Room(memory=compiler.memory(), block_tokens=16, compressed=False)
    return Room(memory=compiler.memory())


def properties_for(compiler: Compiler) -> dict[str, Any]:
    """Returns OpenVINO's properties for a pipeline; in f32 it then computes as transformers does, token for token."""
    properties = dict(compiler.properties)
    if compiler.precision is Precision.F32:
        properties |= {"KV_CACHE_PRECISION": ov.Type.f32, "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
    return properties


def cache_blocks(
    manifest: VlmManifest,
    properties: Mapping[str, Any],
    left: int | None = None,
    room: Room | None = None,
    most: int | None = None,
) -> int:
    """Returns for how many blocks of keys and values there is memory.

    Args:
        left: bytes of memory that the process may still take; None for what the system says.
        room: on the device; by default as on CPUs.
        most: bytes that they may take; None for half of what is left.

    Raises:
        MemoryShortError: the model does not fit, nor keys and values of one text of its full length.
    """
    room = room or Room()
    left = memory_left() if left is None else left
    if room.memory is not None:
        left = room.memory if left is None else min(left, room.memory)
    token = bytes_per_token(manifest, exact="KV_CACHE_PRECISION" in properties, compressed=room.compressed)
    context = manifest.language.context
    wanted = (ROWS + URGENT_ROWS) * (most_image_tokens(manifest) + _TEXT_TOKENS)
    taken = taken_bytes(manifest.bytes, manifest.precision)
    least = min(context, wanted) * token
    if left is not None and taken + least > left:
        raise MemoryShortError(
            f"{manifest.name} does not fit: its weights and what runs them take {_gb(taken)}, "
            f"one text of {min(context, wanted):,} tokens {_gb(least)}, and there are {_gb(left)} of memory left"
        )
    if most is not None and least > most:
        raise MemoryShortError(
            f"{manifest.name} does not fit: one text of {min(context, wanted):,} tokens takes {_gb(least)}, and "
            f"ASKPIX_VLM_CACHE_MEGABYTES allows {_gb(most)}"
        )
    given = wanted * token
    if most is not None:
        given = min(given, most, given if left is None else left - taken)
    elif left is not None:
        given = min(given, max(least, round((left - taken) * _SHARE)))
    return -(-given // (token * room.block_tokens)) + 1


def taken_bytes(weights: int, precision: str) -> int:
    """Returns what a process takes that has a model loaded, without keys and values.

    Args:
        weights: bytes of its files.
        precision: in which its language model's weights are stored.
    """
    return round(weights * _WEIGHTS[precision]) + _RUNTIME_BYTES


def bytes_per_token(manifest: VlmManifest, *, exact: bool, compressed: bool = True) -> int:
    """Returns what keys and values of a token take.

    Args:
        exact: they are kept in f32.
        compressed: else, in 8 bits with a scale and a zero for each head, rather than in 16.
    """
    language = manifest.language
    half = language.head_size + 8 if compressed else language.head_size * 2
    vector = language.head_size * 4 if exact else half
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
