"""Which devices there are, and in which numbers they compute."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import openvino as ov

from askpix.producer.errors import DeviceError
from askpix.worker.engine.device_names import DeviceName, device_name, kind_of


class Precision(StrEnum):
    """In which numbers a device computes. `auto` is what the device does best."""

    AUTO = "auto"
    F32 = "f32"
    BF16 = "bf16"
    F16 = "f16"


_CAPABILITY = {Precision.BF16: "BF16", Precision.F16: "FP16"}
_MEMORY = ("GPU_DEVICE_TOTAL_MEM_SIZE", "NPU_DEVICE_TOTAL_MEM_SIZE")

ELEMENT_TYPES = {Precision.F32: ov.Type.f32, Precision.BF16: ov.Type.bf16, Precision.F16: ov.Type.f16}


@dataclass(frozen=True, kw_only=True, slots=True)
class Device:
    """A device as OpenVINO sees it."""

    name: str
    full_name: str
    capabilities: tuple[str, ...]
    """The kinds of numbers it computes with, in OpenVINO's words."""

    default_precision: str
    """What `auto` stands for on it."""

    memory: int | None
    """Bytes of memory of its own; None where it does not say."""


def list_devices(core: ov.Core | None = None) -> list[Device]:
    """Returns the devices of this machine."""
    core = core or ov.Core()
    return [
        Device(
            name=name,
            full_name=str(core.get_property(name, "FULL_DEVICE_NAME")).strip(),
            capabilities=tuple(core.get_property(name, "OPTIMIZATION_CAPABILITIES")),
            default_precision=str(best_precision(name, core)),
            memory=own_memory(name, core),
        )
        for name in core.available_devices
    ]


def check_device(device: str, core: ov.Core | None = None) -> DeviceName:
    """Returns what a text names: CPU, GPU, GPU.1, NPU, AUTO, AUTO:GPU,CPU, HETERO:GPU,CPU or MULTI:GPU,CPU.

    Raises:
        DeviceError: it is written otherwise, or a device is not there.
    """
    return device_name(device, list((core or ov.Core()).available_devices))


def check_precision(device: DeviceName, precision: Precision, core: ov.Core | None = None) -> None:
    """Raises DeviceError where a device that may compute does not do so in that precision.

    OpenVINO takes a precision for a hint, and would compute in another one without a word.
    """
    needed = _CAPABILITY.get(precision)
    if needed is None:
        return
    core = core or ov.Core()
    for member in device.members:
        if needed not in core.get_property(member, "OPTIMIZATION_CAPABILITIES"):
            raise DeviceError(f"{member} does not compute in {precision}: leave --precision out, or say auto or f32")


def best_precision(device: str, core: ov.Core) -> Precision:
    """Returns in which numbers one device computes unless it is told otherwise; auto where it does not say."""
    if kind_of(device) == "GPU" and "FP16" in core.get_property(device, "OPTIMIZATION_CAPABILITIES"):
        return Precision.F16
    default = core.get_property(device, "INFERENCE_PRECISION_HINT")
    return next((one for one, type_ in ELEMENT_TYPES.items() if type_ == default), Precision.AUTO)


def own_memory(device: str, core: ov.Core) -> int | None:
    """Returns the bytes of memory that one device has of its own; None where it does not say."""
    for name in _MEMORY:
        if name in core.get_property(device, "SUPPORTED_PROPERTIES"):
            return int(core.get_property(device, name))
    return None
