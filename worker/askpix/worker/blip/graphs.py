"""The graphs of a model folder, compiled for one device, and the numbers in which states pass between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from askpix.worker import cores
from askpix.worker.blip.forms import Forms, Most, forms_for, within_half
from askpix.worker.blip.vision import STREAMS
from askpix.worker.blip.work import States
from askpix.worker.engine.base import READING, Ability
from askpix.worker.engine.compiling import Compiler
from askpix.worker.engine.devices import Precision
from askpix.worker.engine.forms import DYNAMIC, Form, compile_first
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

    choice_decoder: ov.CompiledModel | None
    """The same one, or one of its own where the other takes a token at a time only."""

    wave: int
    """Images that are encoded at a time."""

    question_form: Form
    step_form: Form
    """In which those two are compiled."""

    states: StateType


def compile_graphs(
    folder: Path, manifest: BlipManifest, compiler: Compiler, most: Most, forms: Forms | None = None
) -> Graphs:
    """Returns a model folder's graphs, each in the best form that the device takes.

    Args:
        most: what is computed at a time.
        forms: by default those that suit the device.

    Raises:
        ModelError: one of them cannot be compiled.
        DeviceError: the device takes none of several forms of one, or none in which it scores choices.
    """
    forms = forms or forms_for(compiler.name, manifest, most)
    states = StateType(compiler.precision)
    cache = [f"cache.{index}" for index in range(2 * manifest.sizes.layers)]

    def compiled(
        name: str, forms: Sequence[Form], *between: str, tried: bool = False, **properties: Any
    ) -> tuple[ov.CompiledModel, Form]:
        adapt = states.adapt(between)
        path = folder / f"{name}.xml"
        if compiler.name.kinds <= {"CPU"}:
            return compile_first(compiler, path, forms, adapt, tried=tried, **properties)
        return compile_first(compiler, path, forms, lambda model: within_half(adapt(model)), tried=tried, **properties)

    reads = manifest.abilities & READING
    generates = Ability.CAPTION in manifest.abilities
    vision, _ = compiled("vision_encoder", forms.vision, "states", **_streams(compiler))
    encoder, question_form, decoder, step_form, choices = None, DYNAMIC, None, DYNAMIC, None
    if reads:
        encoder, question_form = compiled("text_encoder", forms.questions, "states", "understood", **_PLAIN)
    if generates:
        decoder, step_form = compiled("text_decoder", forms.steps, "states", "entry", *cache, **_PLAIN)
        choices = decoder
        if step_form is not DYNAMIC:
            # Else the first choices of a job would show that the device does not compute it.
            choices, _ = compiled("text_decoder", (forms.choices,), "states", "entry", *cache, tried=True, **_PLAIN)
    return Graphs(
        vision_encoder=vision,
        text_encoder=encoder,
        text_decoder=decoder,
        choice_decoder=choices,
        wave=forms.wave,
        question_form=question_form,
        step_form=step_form,
        states=states,
    )


def _streams(compiler: Compiler) -> dict[str, Any]:
    """Returns the streams of the vision encoder; other devices than CPUs know best themselves."""
    return {"NUM_STREAMS": min(STREAMS, cores.available())} if compiler.name.kinds == {"CPU"} else {}


_PLAIN: dict[str, Any] = {"SNIPPETS_MODE": "DISABLE"}
"""The CPU plugin would fuse the absorbed attention into kernels made for small heads; a step of 32 rows then takes
70 ms instead of 59 (AVX512-BF16; with AMX, 4.2 against 2.2 ms a row)."""
