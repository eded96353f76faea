"""The forms in which BLIP's graphs are compiled: as they are for CPUs, and for GPUs what suits those better first.

OpenVINO recommends fixed shapes for GPUs, then bounded ones. What a model fixes is fixed in its graphs; what is left
are batches, whose sizes are bounded and few, and lengths of texts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import openvino as ov

from askpix.worker.engine.device_names import DeviceName
from askpix.worker.engine.forms import DYNAMIC, Form
from askpix.worker.models.blip_manifest import BlipManifest

CPU_WAVE = 4
"""Images that are encoded at a time. On a CPU more gain nothing, measured at the base size."""

GPU_WAVE = 16
"""The same on a GPU, which needs large batches to be busy; a power of two, for each of which there is a graph."""

ROUND = 16
"""To a multiple of which states and caches are padded, so that few shapes are ever compiled."""

_LEAST_HALF = -65_504.0
"""The least number that float16 has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Most:
    """What is computed at a time, at the most."""

    rows: int
    """Texts that are decoded together."""

    images: int
    """Images whose questions are encoded together."""

    tokens: int
    """Of these questions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Forms:
    """The forms of each graph, the best one first."""

    wave: int
    """Images that are encoded at a time."""

    vision: tuple[Form, ...] = (DYNAMIC,)
    questions: tuple[Form, ...] = (DYNAMIC,)
    steps: tuple[Form, ...] = (DYNAMIC,)
    """Of the text decoder, for steps of decoding: one token of each row."""

    choices: Form = DYNAMIC
    """Of one more text decoder, for choices, where that for steps has bounds: bounds on rows, tokens and words, each by
    itself, would be one of 8 GB for scores that never take more than 31 MB."""


def forms_for(device: DeviceName, manifest: BlipManifest, most: Most) -> Forms:
    """Returns the forms of a model's graphs that suit a device."""
    if "GPU" not in device.kinds:
        return Forms(wave=wave_of(device))
    return Forms(
        wave=wave_of(device),
        vision=(_vision(), DYNAMIC),
        questions=(_questions(manifest, most), DYNAMIC),
        steps=(_steps(manifest, most), DYNAMIC),
    )


def wave_of(device: DeviceName) -> int:
    """Returns how many images a device encodes at a time."""
    return GPU_WAVE if "GPU" in device.kinds else CPU_WAVE


def within_half(model: ov.Model) -> ov.Model:
    """Returns a graph whose numbers are within float16: what stands for minus infinity is the least that there is.

    Where it became infinite, nothing times it would be no number.
    """
    for node in model.get_ops():
        if node.get_type_name() != "Constant" or node.get_element_type() != ov.Type.f32:
            continue
        value = np.asarray(node.data)
        if value.size == 1 and value.item() < _LEAST_HALF:
            least = ov.op.Constant(np.full(value.shape, _LEAST_HALF, np.float32))
            node.output(0).replace(least.output(0))
    return model


def _vision() -> Form:
    return Form(name="a bounded batch", shapes={"image": ((1, GPU_WAVE), ..., ..., ...)})


def _questions(manifest: BlipManifest, most: Most) -> Form:
    sizes = manifest.sizes
    images, tokens = (1, most.images), (1, max(most.tokens, sizes.max_positions))
    texts = dict.fromkeys(("ids", "positions", "questions"), (images, tokens))
    return Form(
        name="bounded shapes",
        shapes={**texts, "states": (images, sizes.image_tokens, ...)},
        batches=_powers(most.images),
    )


def _steps(manifest: BlipManifest, most: Most) -> Form:
    """Returns the form of a step: a token of each row, rows in a few sizes.

    Lengths of the past are left open: keys and values of the longest text that a model can write would take sixteen
    times the memory of those that it usually does, 0.8 GB at the base size.
    """
    sizes = manifest.sizes
    rows = (1, most.rows)
    longest = -(-max(sizes.image_tokens, sizes.max_positions) // ROUND) * ROUND
    return Form(
        name="bounded shapes",
        shapes={
            "ids": (rows, 1),
            "positions": (rows, 1),
            "seen": (rows, 1, 1),
            "targets": (rows, 1, (1, sizes.vocabulary)),
            "states": (rows, (1, longest), ...),
            "mask": (rows, (1, longest)),
            **{f"cache.{index}": (rows, ..., ..., ...) for index in range(2 * sizes.layers)},
        },
        batches=_powers(most.rows),
    )


def _powers(most: int) -> tuple[int, ...]:
    """Returns 1, 2, 4 and so on, and the number itself."""
    return (*(1 << power for power in range(most.bit_length()) if 1 << power < most), most)
