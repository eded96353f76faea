"""Engines by what their model folders hold."""

from __future__ import annotations

from pathlib import Path

from askpix.producer.errors import ModelError
from askpix.worker.engine.base import Engine
from askpix.worker.engine.devices import Precision
from askpix.worker.models.folder import read_manifest


def build_engine(
    folder: Path,
    device: str = "CPU",
    precision: Precision = Precision.AUTO,
    cache: Path | None = None,
    *,
    vlm_cache_megabytes: int | None = None,
) -> Engine:
    """Returns the engine of a model folder, BLIP or vision-language model.

    Args:
        device: as OpenVINO names it, such as CPU or GPU.1.
        precision: in which numbers to compute.
        cache: where what loading has found out is kept for the next start.
        vlm_cache_megabytes: of memory for keys and values of a vision-language model; by default half of what is left.

    Raises:
        ModelError: the folder cannot be used, or the model does not fit into memory.
        DeviceError: the device is not there or cannot compute in that precision.
    """
    # Each kind needs packages of its own.
    if read_manifest(folder).kind == "blip":
        from askpix.worker.blip.engine import BlipEngine

        return BlipEngine(folder, device, precision, cache)
    try:
        from askpix.worker.vlm.engine import VlmEngine
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("askpix"):
            raise
        raise ModelError(
            f"{folder} holds a vision-language model, which needs the package {error.name}: "
            "run `pip install 'askpix[vlm]'`"
        ) from None
    return VlmEngine(folder, device, precision, cache, vlm_cache_megabytes)
