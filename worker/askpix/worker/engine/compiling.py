"""How a model is compiled for devices, and what a compiled one says of itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import openvino as ov

from askpix.worker.cache_folder import only_one, own_folder, settle
from askpix.worker.cores import Cores, taken
from askpix.worker.engine.device_names import kind_of
from askpix.worker.engine.devices import (
    ELEMENT_TYPES,
    Precision,
    best_precision,
    check_device,
    check_precision,
    own_memory,
)

_log = logging.getLogger(__name__)

_UNLISTED = {"CPU": ("SNIPPETS_MODE",)}
"""Properties that a device's plugin knows, though it does not list them."""


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
        self.name = check_device(device, self._core)
        check_precision(self.name, precision, self._core)
        self._precisions = {
            member: best_precision(member, self._core) if precision is Precision.AUTO else precision
            for member in self.name.members
        }
        self.precision = _one_of(self._precisions.values())
        """In which numbers graphs will compute; auto where only a compiled one can tell."""
        self._config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if precision is not Precision.AUTO:
            self._config["INFERENCE_PRECISION_HINT"] = ELEMENT_TYPES[precision]
        if self.device.startswith("AUTO") and len(self.name.members) > 1:
            # It would begin on the CPU while it compiles for another device, and answer a little otherwise there.
            self._config["ENABLE_STARTUP_FALLBACK"] = False
        if "CPU" in self._core.available_devices:
            self._core.set_property("CPU", _on_cores(taken()))
        self.cache = None if cache is None else own_folder(cache)
        """The folder of this user alone in which compiled graphs are kept; None where they are not."""
        if self.cache is not None:
            self._core.set_property({"CACHE_DIR": str(self.cache)})

    @property
    def device(self) -> str:
        """As OpenVINO takes it."""
        return self.name.text

    @property
    def properties(self) -> dict[str, Any]:
        """OpenVINO's properties, for who compiles by itself."""
        return {**self._config, **self._for_members({})}

    def memory(self) -> int | None:
        """Returns the bytes of memory that the smallest of its devices has of its own; None where none says."""
        known = [one for one in (own_memory(member, self._core) for member in self.name.members) if one is not None]
        return min(known, default=None)

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
        compiled = self._compile(model, {**self._config, **self._for_members(properties)})
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

    def _for_members(self, properties: Mapping[str, Any]) -> dict[str, Any]:
        """Returns what each device is told: what it knows of these properties, its precision and its cores."""
        told = {member: self._for_member(member, properties) for member in self.name.members}
        if self.name.virtual:
            return {"DEVICE_PROPERTIES": told}
        return told[self.device]

    def _for_member(self, member: str, properties: Mapping[str, Any]) -> dict[str, Any]:
        kind = kind_of(member)
        known = {*self._core.get_property(member, "SUPPORTED_PROPERTIES"), *_UNLISTED.get(kind, ())}
        own = {name: value for name, value in properties.items() if name in known}
        if kind == "CPU":
            own |= _on_cores(taken())
        # What stands for several was seen to compute in f32 where it was not told, though the device would not.
        precision = self._precisions[member]
        if precision is not Precision.AUTO and (kind == "GPU" or self.name.virtual):
            own["INFERENCE_PRECISION_HINT"] = ELEMENT_TYPES[precision]
        return own


def _one_of(precisions: Iterable[Precision]) -> Precision:
    """Returns the precision that all devices compute in; auto where they differ."""
    found = set(precisions)
    return found.pop() if len(found) == 1 else Precision.AUTO


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
    """Returns the precision that a compiled model really computes in; auto where its devices differ."""
    try:
        return _precision_name(compiled.get_property("INFERENCE_PRECISION_HINT"))
    except RuntimeError:  # what stands for several devices tells of each
        pass
    try:
        told = compiled.get_property("DEVICE_PROPERTIES")
    except RuntimeError:
        return str(Precision.AUTO)
    found = {_precision_name(own.get("INFERENCE_PRECISION_HINT")) for own in told.values()}
    return found.pop() if len(found) == 1 else str(Precision.AUTO)


def computes_on(compiled: ov.CompiledModel) -> tuple[str, ...]:
    """Returns the devices that a compiled model computes on, those that AUTO chose, say."""
    return tuple(compiled.get_property("EXECUTION_DEVICES"))


def _precision_name(element_type: Any) -> str:
    # The property is an ov.Type, which says <Type: 'bfloat16'>; "dynamic" is a device's word for "I choose".
    name = element_type.get_type_name() if isinstance(element_type, ov.Type) else str(element_type)
    return {"dynamic": "auto", "undefined": "auto"}.get(name, name)
