"""JSON values: what the caller's own columns may hold."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from askpix.producer.errors import InputError
from askpix.producer.storage import shortened

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
# Made once: json.dumps makes an encoder for each call that is not of its own defaults.


def json_text(values: Mapping[str, Any]) -> str:
    """Returns the caller's columns as strict JSON; NaN and infinity, which JSON lacks, become null.

    Raises:
        InputError: a column holds what is no JSON value.
    """
    try:
        return _encode(values if isinstance(values, dict) else dict(values))
    except (ValueError, TypeError, RecursionError):
        pass
    # Only now and then: so the usual values pay nothing for it.
    return _encode({str(name): _column(str(name), value) for name, value in values.items()})


def _column(name: str, value: Any) -> Any:
    try:
        cleaned = _finite(value)
        _encode(cleaned)
    except RecursionError:
        raise InputError(f"the column {shortened(name)!r} of its extra holds itself, or is too deep") from None
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the column {shortened(name)!r} of its extra is no JSON value ({shortened(str(error))}): "
            "give text, numbers, true, false, null, and lists or objects of them"
        ) from None
    return cleaned


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return value
