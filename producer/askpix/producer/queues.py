"""Queues and their names: a model has them for parts and for asks, of any device and of each kind of it.

They are called `<model>`, `<model>.cpu`, `<model>.ask`, `<model>.cpu.ask` and so on.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from askpix.producer.errors import InputError
from askpix.producer.shown import shown_value

DEVICE_KINDS = ("cpu", "gpu", "npu", "auto", "hetero", "multi")
"""Kinds of devices, as queues are called by them; the last three stand for several devices."""

_ASK = "ask"

_MODEL = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"

ModelName = Annotated[str, Field(pattern=f"^{_MODEL}$")]
"""What a model may be called where it is written down: its name is part of queue names. For a new one,
`check_model_name` is stricter."""

_ENDINGS = frozenset({_ASK, *DEVICE_KINDS})
_DEVICE = re.compile(rf"({'|'.join(DEVICE_KINDS)})(\.\d+){{0,2}}(:[a-z0-9.,-]*)?", re.IGNORECASE)


def check_model_name(name: str) -> str:
    """Returns a model's name, if it is one.

    Raises:
        InputError: it holds what no queue's name may, or would be taken for the queue of another model.
    """
    if not re.fullmatch(_MODEL, name):
        raise InputError(
            f"{shown_value(name)} is no model name: use up to 100 letters, digits, '.', '_' and '-', "
            "a letter or a digit first"
        )
    model, _, ending = name.rpartition(".")
    if model and ending.lower() in _ENDINGS:
        raise InputError(f"a model cannot be called {name!r}: that is the name of a queue of the model {model!r}")
    return name


def device_kind(device: str) -> str:
    """Returns the kind of a device, named as OpenVINO does or by its kind: gpu for GPU.1.

    Raises:
        InputError: it is none.
    """
    named = _DEVICE.fullmatch(device)
    if named is None:
        raise InputError(f"{device[:100]!r} is no kind of device: it is {', '.join(DEVICE_KINDS)}")
    return named[1].lower()


def queue_name(model: str, device: str | None = None, *, ask: bool = False) -> str:
    """Returns the queue of a model's parts or asks, served by any device or by one kind of it.

    Args:
        device: as OpenVINO names it; its kind is what counts, so GPU.1 stands for any GPU.

    Raises:
        InputError: the device is none.
    """
    kind = "" if device is None else f".{device_kind(device)}"
    return f"{model}{kind}{f'.{_ASK}' if ask else ''}"


def is_ask_queue(queue: str) -> bool:
    """Returns whether a queue is one for asks. No model's name ends so."""
    return queue.endswith(f".{_ASK}")
