"""The graphs of a model folder, compiled for one device, and the numbers in which states pass between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from askpix.producer.errors import ModelError
from askpix.worker import cores
from askpix.worker.blip.vision import STREAMS
from askpix.worker.blip.work import States
from askpix.worker.engine.base import READING, Ability
from askpix.worker.engine.devices import Compiler, Precision
from askpix.worker.engine.failures import reason_of
from askpix.worker.models.blip_manifest import BlipManifest

_TYPES = {Precision.F32: ov.Type.f32, Precision.BF16: ov.Type.bf16, Precision.F16: ov.Type.f16}


class StateType:
    """The numbers in which hidden states, keys and values pass between graphs: those that the device computes in.

    In float32 they would be converted at each step, which with bfloat16 was a fifth of the step.
    numpy has no bfloat16; there, and with float16, arrays hold the bits as float16 and are only ever copied.
    """

    def __init__(self, precision: Precision) -> None:
        self._element_type = _TYPES.get(precision, ov.Type.f32)
        self._half = self._element_type != ov.Type.f32

    def zeros(self, *shape: int) -> States:
        return np.zeros(shape, np.float16) if self._half else np.zeros(shape, np.float32)

    def tensor(self, states: States) -> ov.Tensor:
        """Returns a tensor on the memory of a C-contiguous array."""
        return ov.Tensor(states, ov.Shape(states.shape), self._element_type)

    def adapt(self, names: Iterable[str]) -> Callable[[ov.Model], ov.Model]:
        """Returns what makes inputs and outputs of these names be of this type."""
        wanted = frozenset(names)

        def adapted(model: ov.Model) -> ov.Model:
            changed = ov.preprocess.PrePostProcessor(model)
            for ports, side in ((model.inputs, changed.input), (model.outputs, changed.output)):
                for port in ports:
                    if port.get_names() & wanted:
                        side(port.get_any_name()).tensor().set_element_type(self._element_type)
            return changed.build()

        return adapted


@dataclass(frozen=True, kw_only=True, slots=True)
class Graphs:
    """The compiled graphs of a model, whose states are of one type."""

    vision_encoder: ov.CompiledModel
    text_encoder: ov.CompiledModel | None
    """None for a model that only captions."""

    text_decoder: ov.CompiledModel | None
    """None for a model that only matches."""

    states: StateType


def compile_graphs(folder: Path, manifest: BlipManifest, compiler: Compiler) -> Graphs:
    """Returns a model folder's graphs.

    Raises:
        ModelError: one of them cannot be compiled.
    """
    states = StateType(compiler.precision)
    cache = [f"cache.{index}" for index in range(2 * manifest.sizes.layers)]

    def compiled(name: str, *between: str, **properties: Any) -> ov.CompiledModel:
        path = folder / f"{name}.xml"
        try:
            return compiler.compile(path, states.adapt(between), **properties)
        except RuntimeError as error:
            raise ModelError(f"{path} cannot be compiled for {compiler.device}: {reason_of(error)}") from error

    reads = manifest.abilities & READING
    generates = Ability.CAPTION in manifest.abilities
    return Graphs(
        vision_encoder=compiled("vision_encoder", "states", **_streams(compiler)),
        text_encoder=compiled("text_encoder", "states", "understood", **_PLAIN) if reads else None,
        text_decoder=compiled("text_decoder", "states", "entry", *cache, **_PLAIN) if generates else None,
        states=states,
    )


def _streams(compiler: Compiler) -> dict[str, int]:
    """Returns the streams of the vision encoder; other devices than CPUs know best themselves."""
    return {"NUM_STREAMS": min(STREAMS, cores.available())} if compiler.device == "CPU" else {}


_PLAIN = {"SNIPPETS_MODE": "DISABLE"}
"""The CPU plugin would fuse the absorbed attention into kernels made for small heads; a step of 32 rows then takes
70 ms instead of 59 (AVX512-BF16; with AMX, 4.2 against 2.2 ms a row)."""
