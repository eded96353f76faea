"""Which devices there are, and how a model is compiled for one."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import openvino as ov

from askpix.producer.errors import DeviceError
from askpix.worker.cache_folder import only_one, own_folder, settle
from askpix.worker.cores import Cores, taken

_log = logging.getLogger(__name__)

_DEVICE = re.compile(r"[A-Z]+(\.\d+)?")


class Precision(StrEnum):
    """In which numbers a device computes. `auto` is what the device does best."""

    AUTO = "auto"
    F32 = "f32"
    BF16 = "bf16"
    F16 = "f16"


_CAPABILITY = {Precision.BF16: "BF16", Precision.F16: "FP16"}
_UNLISTED = {"CPU": ("SNIPPETS_MODE",)}
"""Properties that a device's plugin knows, though it does not list them."""

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
    """Compiles a model folder's graphs for one device, in one precision, on the cores of this process.

    Args:
        device: as `check_device` takes it.
        cache: folder in which compiled graphs are kept for the next start; one that cannot be used is
            warned of, and nothing is kept.

    Raises:
        DeviceError: the device is not there or cannot compute in that precision.
    """

    def __init__(self, device: str, precision: Precision, cache: Path | None = None) -> None:
        self._core = ov.Core()
        self.device = check_device(device, self._core)
        self._config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        check_precision(self.device, precision, self._core)
        if precision is not Precision.AUTO:
            self._config["INFERENCE_PRECISION_HINT"] = _ELEMENT_TYPE[precision]
        self.precision = self._resolved(precision)
        """In which numbers graphs will compute; auto where only a compiled one can tell."""
        if "CPU" in self._core.available_devices:
            self._core.set_property("CPU", _on_cores(taken()))
        self.cache = None if cache is None else own_folder(cache)
        """The folder of this user alone in which compiled graphs are kept; None where they are not."""
        if self.cache is not None:
            self._core.set_property({"CACHE_DIR": str(self.cache)})

    def _resolved(self, precision: Precision) -> Precision:
        if precision is not Precision.AUTO or self.device.startswith("AUTO"):
            return precision
        default = self._core.get_property(self.device, "INFERENCE_PRECISION_HINT")
        return next((one for one, type_ in _ELEMENT_TYPE.items() if type_ == default), Precision.AUTO)

    @property
    def properties(self) -> dict[str, Any]:
        """OpenVINO's properties, for who compiles by itself."""
        return {**self._config, **(_on_cores(taken()) if self.device == "CPU" else {})}

    def read(self, path: Path) -> ov.Model:
        return self._core.read_model(path)

    def compile(
        self,
        source: ov.Model | Path,
        adapt: Callable[[ov.Model], ov.Model] | None = None,
        **properties: Any,
    ) -> ov.CompiledModel:
        """Returns a graph compiled, or loaded from the cache.

        What is found in the cache was compiled from the same graph as it is after `adapt`, weights included, with
        the same properties and OpenVINO. (A path given to OpenVINO itself would be found again although its
        weights have changed.)

        Args:
            source: a graph, or the path of its .xml.
            adapt: changes the graph after it is read, its tensors' element types say; returns it or another.
            properties: OpenVINO's, beside our own, such as NUM_STREAMS=2. Those that the device does not know
                are left out.

        Raises:
            RuntimeError: the graph cannot be read or compiled.
        """
        name = source.stem if isinstance(source, Path) else source.get_friendly_name()
        started = time.monotonic()
        model = self.read(source) if isinstance(source, Path) else source
        if adapt is not None:
            model = adapt(model)
        read = time.monotonic()
        compiled = self._compile(model, {**self._config, **self._known(properties)})
        how = "loaded from the cache" if _from_cache(compiled) else "compiled"
        _log.debug("start: %s read in %.2f s, %s in %.2f s", name, read - started, how, time.monotonic() - read)
        return compiled

    def _compile(self, model: ov.Model, config: dict[str, Any]) -> ov.CompiledModel:
        if self.cache is None:
            return self._core.compile_model(model, self.device, config)
        with only_one(self.cache):
            compiled = self._core.compile_model(model, self.device, config)
            if not _from_cache(compiled):
                settle(self.cache)
        return compiled

    def _known(self, properties: dict[str, Any]) -> dict[str, Any]:
        if not properties:
            return {}
        device = self.device.partition(":")[0]
        known = {*self._core.get_property(device, "SUPPORTED_PROPERTIES"), *_UNLISTED.get(device, ())}
        return {name: value for name, value in properties.items() if name in known}


def _on_cores(cores: Cores) -> dict[str, Any]:
    """Returns the CPU device's properties for what part of the machine it is to use.

    It keeps to the affinity mask by itself, one thread on each core. With fewer threads than that, it would put
    them on the first cores, in each process on the same ones: then the system places them.
    """
    return {"INFERENCE_NUM_THREADS": cores.threads, "ENABLE_CPU_PINNING": False} if cores.limited else {}


def _from_cache(compiled: ov.CompiledModel) -> bool:
    try:
        return bool(compiled.get_property("LOADED_FROM_CACHE"))
    except RuntimeError:  # AUTO does not tell
        return False


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
