"""Graphs to fewer bits, by NNCF: encoders by what real images make of them, decoders by their weights alone.

Needs nncf, of the `convert` extra; running what comes of it does not.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import openvino as ov
from openvino import opset13 as opset

from askpix.worker.converting.calibration import Inputs

# NNCF reports each use of it to its makers, unless it takes itself to be under test.
os.environ.setdefault("NNCF_CI", "1")
import nncf

_LARGE = 65_536
"""Numbers from which on a constant counts as weights."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DecoderWeights:
    """How the text decoder's weights are stored. What it computes with them stays in whole numbers."""

    bits: Literal[8, 4] = 8
    group_size: int = 64
    """Of 4-bit weights: how many share a scale. Where a row of weights does not divide by it, fewer do."""

    ratio: float = 0.8
    """Of 4-bit weights: which share of them, the rest having 8 bits. Those stay at 8 that lose the most."""

    @property
    def name(self) -> Literal["int8", "int4"]:
        return "int8" if self.bits == 8 else "int4"


def quantize_graph(path: Path, output: Path, inputs: Callable[[], Iterator[Inputs]], number: int) -> None:
    """Writes an encoder's graph whose matmuls take INT8 numbers, weights and activations both.

    Args:
        path: the graph's .xml.
        inputs: what the graph is fed for calibration; called several times, for NNCF reads its samples once for
            each thing that it gathers.
        number: how many `inputs` yields.
    """
    model = ov.Core().read_model(path)
    with quietly():
        quantized = nncf.quantize(
            model,
            nncf.Dataset(_Again(inputs)),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=number,
            ignored_scope=nncf.IgnoredScope(names=_whole(model)),
        )
    _save(quantized, output)


def compress_graph(path: Path, output: Path, weights: DecoderWeights) -> None:
    """Writes a decoder's graph whose weights are stored in 8 or 4 bits."""
    model = ov.Core().read_model(path)
    with quietly():
        if weights.bits == 8:
            compressed = nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)
        else:
            fallback = nncf.AdvancedCompressionParameters(group_size_fallback_mode=nncf.GroupSizeFallbackMode.ADJUST)
            compressed = nncf.compress_weights(
                model,
                mode=nncf.CompressWeightsMode.INT4_SYM,
                group_size=weights.group_size,
                ratio=weights.ratio,
                advanced_parameters=fallback,
            )
    _save(compressed, output)


class _Again:
    """An iterable that begins anew each time."""

    def __init__(self, inputs: Callable[[], Iterator[Inputs]]) -> None:
        self._inputs = inputs

    def __iter__(self) -> Iterator[Inputs]:
        return self._inputs()


def _whole(model: ov.Model) -> list[str]:
    """Returns the names of the matmuls that stay as they are.

    - The patch embedding: 0.6 % of the vision encoder's work, and all of the picture goes through it.
    - What weighs image states by a softmax. Of one scale for all heads, 8 bits hold no weight under a 510th of
      the largest: beside a head that looks at one place, one that looks at all 577 alike would see nothing.
      (It costs a sixth of the text encoder's speed. The scores before the softmax are in INT8, and so are
      the image states for them. In the vision encoder NNCF leaves it out by itself.)
    """
    return [
        one.get_friendly_name()
        for one in model.get_ops()
        if one.get_type_name() == "MatMul"
        and (".patches." in one.get_friendly_name() or one.input_value(0).get_node().get_type_name() == "Softmax")
    ]


def _save(model: ov.Model, path: Path) -> None:
    """Writes a graph: weights that stayed whole in half the room, but not scales, biases and norms."""
    for constant in model.get_ops():
        if constant.get_type_name() != "Constant" or constant.get_output_element_type(0) != ov.Type.f32:
            continue
        values: Any = constant.data
        if values.size < _LARGE or np.abs(values).max() > np.finfo(np.float16).max:
            continue
        whole = opset.convert(opset.constant(values.astype(np.float16)), "f32")
        for reader in constant.output(0).get_target_inputs():
            reader.replace_source_output(whole.output(0))
    ov.save_model(model, path, compress_to_fp16=False)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keeps NNCF's progress bars and notes from the standard output, which is for results."""
    # Not by `nncf.set_log_level`, which sets the levels of handlers too, and some of these are others' as well.
    logging.getLogger("nncf").setLevel(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()):
        yield
