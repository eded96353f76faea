"""The machine that figures were taken on, as results describe it; and the cores that are used of it."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

CORES = 2
"""The ratios are defined for that many."""

_FLAGS = (
    "avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8",
    "amx_bf16",
)  # fmt: skip
_PACKAGES = ("askpix", "openvino", "nncf", "torch", "transformers", "tokenizers", "numpy", "pillow", "celery")


def use_two_cores() -> list[int]:
    """Keeps this process and all that it starts to two cores; returns those that are used."""
    own = sorted(os.sched_getaffinity(0))[:CORES]
    os.sched_setaffinity(0, own)
    return own


def described() -> dict[str, Any]:
    """Returns the machine as JSON values."""
    cpu = Path("/proc/cpuinfo").read_text()
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    flags = set(_field(cpu, "flags").split())
    return {
        "cpu": _field(cpu, "model name"),
        "vendor": _field(cpu, "vendor_id"),
        "family": _field(cpu, "cpu family"),
        "model": _field(cpu, "model"),
        "flags": [flag for flag in _FLAGS if flag in flags],
        "virtual": "hypervisor" in flags,
        "cores": os.cpu_count(),
        "cores_used": sorted(os.sched_getaffinity(0)),
        "memory_gb": round(int(memory[1]) / 2**20, 1) if memory else None,
        "os": platform.freedesktop_os_release().get("PRETTY_NAME", platform.system()),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": {package: version(package) for package in _PACKAGES},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "load": load(),
    }


def load() -> list[float]:
    """Returns how many processes were ready to run on average, over 1, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()]


def remark(machine: dict[str, Any]) -> str:
    """Returns in one sentence how the machine differs from the one that the floors are meant for."""
    lacking = "" if "amx_bf16" in machine["flags"] else " without AMX"
    used = len(machine["cores_used"])
    cores = f"{used} core" if used == 1 else f"{used} cores"
    if used == CORES and not lacking:
        return "The floors are meant for 2 cores with AMX, which these are."
    vector = ", ".join(flag for flag in ("avx512_bf16", "avx512_vnni", "avx_vnni") if flag in machine["flags"])
    has = f" (it has {vector})" if lacking and vector else ""
    return f"The floors are meant for 2 cores with AMX; this was measured on {cores}{lacking}{has}."


def _field(cpuinfo: str, name: str) -> str:
    found = re.search(rf"^{name}\s*:\s*(.*)$", cpuinfo, re.MULTILINE)
    return found[1] if found else ""
