"""Forms in which a graph can be compiled, the best one first; the first that a device takes is used.

Which form is best is the device's matter: what OpenVINO documents for each is told in docs/devices.md.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import EllipsisType
from typing import Any

import openvino as ov

from askpix.producer.errors import DeviceError, ModelError
from askpix.worker.engine.compiling import Compiler
from askpix.worker.engine.failures import reason_of

_log = logging.getLogger(__name__)

Size = int | tuple[int, int] | EllipsisType
"""Of a dimension: fixed, from one to another, or as the graph has it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """A form in which a graph can be compiled."""

    name: str
    """In words for a person, such as "bounded shapes"."""

    shapes: Mapping[str, Sequence[Size]] = field(default_factory=dict)
    """Of inputs, by name; others keep theirs."""

    properties: Mapping[str, Any] = field(default_factory=dict)
    """OpenVINO's."""

    batches: tuple[int, ...] = ()
    """To which sizes batches are filled up, the largest last; none: they are given as they are."""

    def adapt(self, model: ov.Model) -> ov.Model:
        """Returns a graph with inputs of these shapes.

        Raises:
            RuntimeError: the graph does not take them.
        """
        if self.shapes:
            model.reshape({name: _shape(model, name, own) for name, own in self.shapes.items()})
        return model

    def filled(self, count: int) -> int:
        """Returns how large a batch of so many becomes."""
        return next((size for size in self.batches if size >= count), count)


DYNAMIC = Form(name="shapes of any size")


def compile_first(
    compiler: Compiler,
    path: Path,
    forms: Sequence[Form],
    adapt: Callable[[ov.Model], ov.Model],
    *,
    tried: bool = False,
    **properties: Any,
) -> tuple[ov.CompiledModel, Form]:
    """Returns a graph compiled in the first form that the device takes, and that form.

    A form is taken when the graph compiles and, where there are several or it is to be tried, computes once. Who
    follows the log is told of each one that is not.

    Args:
        path: of the graph's .xml.
        adapt: changes the graph before all else.
        tried: whether a form that is the only one has to compute once, too.
        properties: OpenVINO's, for every form.

    Raises:
        ModelError: there is one form only, which is not to be tried, and the graph cannot be compiled.
        DeviceError: the device takes none of several, or not the one that is tried.
    """
    tried = tried or len(forms) > 1
    reasons = []
    for form, following in zip(forms, (*forms[1:], None), strict=True):
        try:
            compiled = compiler.compile(path, _then(adapt, form.adapt), **{**properties, **form.properties})
            if tried:
                _try_once(compiled)
        except RuntimeError as error:
            reasons.append(f"{form.name}: {reason_of(error)}")
            if following is not None:
                _log.warning(
                    "%s does not take %s with %s, which suit it best (%s); it is given %s, which may be slower",
                    *(compiler.device, path.stem, form.name, reason_of(error), following.name),
                )
        else:
            return compiled, form
    if not tried:
        raise ModelError(f"{path} cannot be compiled for {compiler.device}: {reasons[0].partition(': ')[2]}")
    raise DeviceError(
        f"{compiler.device} takes {path} in no form: {'; '.join(reasons)}. `--device CPU` takes all; "
        "a newer driver may help too"
    )


def _then(first: Callable[[ov.Model], ov.Model], second: Callable[[ov.Model], ov.Model]) -> Callable[[Any], ov.Model]:
    return lambda model: second(first(model))


def _try_once(compiled: ov.CompiledModel) -> None:
    """Computes the smallest batch that there is, of zeros.

    Raises:
        RuntimeError: the device takes the form, but fails.
    """
    request = compiled.create_infer_request()
    for port in compiled.inputs:
        shape = [max(1, dimension.get_min_length()) for dimension in port.get_partial_shape()]
        tensor = ov.Tensor(port.get_element_type(), ov.Shape(shape))
        tensor.data[...] = 0
        request.set_tensor(port.get_any_name(), tensor)
    request.infer()


def _shape(model: ov.Model, name: str, sizes: Sequence[Size]) -> ov.PartialShape:
    there = model.input(name).get_partial_shape()
    return ov.PartialShape([_dimension(size, own) for size, own in zip(sizes, there, strict=True)])


def _dimension(size: Size, own: ov.Dimension) -> ov.Dimension:
    if isinstance(size, EllipsisType):
        return own
    return ov.Dimension(*size) if isinstance(size, tuple) else ov.Dimension(size)
