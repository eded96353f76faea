"""What devices are called: one such as GPU.1, or several behind a name, such as AUTO:GPU,CPU."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from askpix.producer.errors import DeviceError

VIRTUAL = ("AUTO", "HETERO", "MULTI")
"""Names of OpenVINO's for several devices: one of them, each for what it can, all of them in turn."""

_ONE = re.compile(r"[A-Z]+(\.\d+){0,2}")
_SHOWN = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceName:
    """A device, or several behind a name, all of which are there."""

    text: str
    """As OpenVINO takes it."""

    members: tuple[str, ...]
    """The devices that may compute: itself, or those that are behind the name, the preferred one first."""

    @property
    def virtual(self) -> bool:
        """Whether it is a name for several."""
        return self.text.partition(":")[0] in VIRTUAL

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of these devices, such as GPU for GPU.1."""
        return frozenset(kind_of(member) for member in self.members)


def device_name(text: str, there: Sequence[str]) -> DeviceName:
    """Returns the devices that a text names, in any case.

    What is not there is found here: OpenVINO falls back to nothing when a device of a list is missing, and
    tells of libraries that cannot be loaded.

    Args:
        there: OpenVINO's names of the devices of this machine.

    Raises:
        DeviceError: it is written otherwise, or a device is not there.
    """
    name = text.strip().upper()
    head, colon, tail = name.partition(":")
    if head == "BATCH":
        raise DeviceError(
            "BATCH is not for askpix, which forms batches by itself: OpenVINO's takes only models whose batch is 1 "
            f"and whose shapes are fixed. Give the device itself, such as {tail.partition('(')[0] or 'GPU'}"
        )
    if head not in VIRTUAL:
        return DeviceName(text=name, members=(_found(name, text, there),))
    if not colon and head == "AUTO":
        # As OpenVINO does: an NPU is taken only where it is named.
        return DeviceName(text=name, members=_preferred(there))
    given = [one.strip() for one in tail.split(",")]
    if not all(given):
        raise DeviceError(f"{text[:_SHOWN]!r} names no devices: {head} is written like {head}:GPU,CPU")
    wanted = [one for one in given if not one.startswith("-")]
    if head != "AUTO" and len(wanted) < len(given):
        raise DeviceError(f"{text[:_SHOWN]!r}: only AUTO takes devices to leave out, such as AUTO:-CPU")
    for one in wanted:
        _found(one, text, there)
    if len(set(wanted)) < len(wanted):
        # AUTO was seen to stand still for ever with one twice, when several infer requests came at once.
        raise DeviceError(f"{text[:_SHOWN]!r} names a device twice")
    left_out = {one[1:] for one in given if one.startswith("-")}
    members = tuple(one for one in wanted or _preferred(there) if not left_out & {one, kind_of(one)})
    if not members:
        raise DeviceError(f"{text[:_SHOWN]!r} leaves no device: there is {_told(there)}")
    return DeviceName(text=f"{head}:{','.join(given)}", members=members)


def kind_of(device: str) -> str:
    """Returns the kind of one device: GPU for GPU.1."""
    return device.partition(".")[0]


def _found(one: str, text: str, there: Sequence[str]) -> str:
    # One GPU is called GPU, several GPU.0 and GPU.1; OpenVINO takes GPU for the first in both cases. GPU.0.1 is a tile.
    if _ONE.fullmatch(one):
        whole = ".".join(one.split(".")[:2])
        if whole in there or (whole.endswith(".0") and whole[:-2] in there) or f"{whole}.0" in there:
            return one
    of = "" if one == text.strip().upper() else f" of {text.strip()[:_SHOWN]}"
    raise DeviceError(
        f"there is no device {one[:_SHOWN] or text[:_SHOWN]!r}{of} here; there is {_told(there)}"
        " (AUTO takes the best one, `askpix devices` tells more)"
    )


def _preferred(there: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted((one for one in there if kind_of(one) != "NPU"), key=lambda one: kind_of(one) != "GPU"))


def _told(there: Sequence[str]) -> str:
    return ", ".join(there) or "none at all"
