"""Which devices there are, and how a model is compiled for one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import openvino as ov

from askpix.producer.errors import DeviceError

_DEVICE = re.compile(r"[A-Z]+(\.\d+)?")


class Precision(StrEnum):
    """In which numbers a device computes. `auto` is what the device does best."""

    AUTO = "auto"
    F32 = "f32"
    BF16 = "bf16"
    F16 = "f16"


_CAPABILITY = {Precision.BF16: "BF16", Precision.F16: "FP16"}
_ELEMENT_TYPE = {Precision.F32: ov.Type.f32, Precision.BF16: ov.Type.bf16, Precision.F16: ov.Type.f16}


@dataclass(frozen=True, kw_only=True, slots=True)
class Device:
    """A device as OpenVINO sees it."""

    name: str
    full_name: str
    capabilities: tuple[str, ...]
    """The kinds of numbers it computes with, in OpenVINO's words."""

    default_precision: str
    """What `auto` stands for on it."""


def list_devices(core: ov.Core | None = None) -> list[Device]:
    """Returns the devices of this machine."""
    core = core or ov.Core()
    return [
        Device(
            name=name,
            full_name=str(core.get_property(name, "FULL_DEVICE_NAME")).strip(),
            capabilities=tuple(core.get_property(name, "OPTIMIZATION_CAPABILITIES")),
            default_precision=_precision_name(core.get_property(name, "INFERENCE_PRECISION_HINT")),
        )
        for name in core.available_devices
    ]


def check_device(device: str, core: ov.Core | None = None) -> str:
    """Returns the device's name as OpenVINO takes it: CPU, GPU, GPU.1, NPU, AUTO or AUTO:GPU,CPU.

    OpenVINO itself falls back to nothing when a device in such a list is missing, and says so in terms
    of libraries; so it is checked here.

    Raises:
        DeviceError: it is not there.
    """
    name = device.strip().upper()
    there = list((core or ov.Core()).available_devices)
    head, _, tail = name.partition(":")
    wanted = (tail.split(",") if tail else []) if head == "AUTO" else [name]
    missing = [one for one in wanted if not _is_there(one, there)]
    if missing:
        raise DeviceError(
            f"there is no device {missing[0] or device!r} here; there is {', '.join(there) or 'none at all'}"
            " (AUTO takes the best one, `askpix devices` tells more)"
        )
    return name


def check_precision(device: str, precision: Precision, core: ov.Core | None = None) -> None:
    """Raises DeviceError where the device, named as `check_device` returns it, does not compute in that precision."""
    needed = _CAPABILITY.get(precision)
    if needed is None or device.startswith("AUTO"):
        return
    if needed not in (core or ov.Core()).get_property(device, "OPTIMIZATION_CAPABILITIES"):
        raise DeviceError(f"{device} does not compute in {precision}: leave --precision out, or say auto or f32")


def _is_there(name: str, there: list[str]) -> bool:
    # One GPU is called GPU, several GPU.0 and GPU.1; OpenVINO takes GPU for the first in both cases.
    if not _DEVICE.fullmatch(name):
        return False
    return name in there or (name.endswith(".0") and name[:-2] in there) or f"{name}.0" in there


class Compiler:
    """Compiles a model folder's graphs for one device, in one precision."""

    def __init__(self, device: str, precision: Precision, cache: Path | None = None) -> None:
        """Raises DeviceError where the device is not there or cannot compute in that precision."""
        self._core = ov.Core()
        self.device = check_device(device, self._core)
        self._config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        check_precision(self.device, precision, self._core)
        if precision is not Precision.AUTO:
            self._config["INFERENCE_PRECISION_HINT"] = _ELEMENT_TYPE[precision]
        if cache is not None:
            self._core.set_property({"CACHE_DIR": str(cache)})

    def read(self, path: Path) -> ov.Model:
        return self._core.read_model(path)

    def compile(self, model: ov.Model) -> ov.CompiledModel:
        return self._core.compile_model(model, self.device, self._config)


def precision_of(compiled: ov.CompiledModel) -> str:
    """Returns the precision that a compiled model really computes in."""
    try:
        return _precision_name(compiled.get_property("INFERENCE_PRECISION_HINT"))
    except RuntimeError:  # AUTO does not tell while it is still choosing
        return str(Precision.AUTO)


def _precision_name(element_type: Any) -> str:
    # The property is an ov.Type, which says <Type: 'bfloat16'>; "dynamic" is a device's word for "I choose".
    name = element_type.get_type_name() if isinstance(element_type, ov.Type) else str(element_type)
    return {"dynamic": "auto", "undefined": "auto"}.get(name, name)
