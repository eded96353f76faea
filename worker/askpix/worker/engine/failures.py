"""Why the model failed on a request, in words for a person."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from askpix.worker.error_codes import Code
from askpix.worker.item_errors import EngineStoppedError, RequestError

_SOURCE_LINE = re.compile(r"\.(c|cc|cpp|h|hpp):\d+:?$")
"""How a line ends that names a place in OpenVINO's source; what went wrong there is on the next."""

_LOGGED = re.compile(r"^\[\d\d:\d\d:\d\d\] \S+\.(?:c|cc|cpp|h|hpp):\d+: ")
"""How a line begins that names such a place itself."""

_LONGEST = 200


def reason_of(error: BaseException) -> str:
    """Returns what an error says, in one line of at most 200 characters.

    OpenVINO's errors name the places in its source from the outermost to the innermost, a line each,
    and end with what went wrong there.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not _SOURCE_LINE.search(line)] or lines
    text = _LOGGED.sub("", telling[-1]) if telling else type(error).__name__
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def request_error(error: BaseException) -> RequestError | EngineStoppedError:
    """Returns what a ticket is told; an error that is not already meant for it becomes `model_failed`."""
    if isinstance(error, RequestError | EngineStoppedError):
        return error
    return model_failed(reason_of(error), retryable=True)


def model_failed(reason: str, *, retryable: bool = False) -> RequestError:
    """Returns what a request's ticket is told that the model failed on."""
    return RequestError(Code.MODEL_FAILED, f"the model failed on this request: {reason}", retryable=retryable)


def spoiled(log_probabilities: Iterable[float]) -> RequestError | None:
    """Returns an error where a number overflowed, as half precision can: the tokens then mean nothing."""
    if math.isfinite(sum(log_probabilities)):
        return None
    return RequestError(Code.MODEL_FAILED, "the model's numbers overflowed on this request; try --precision f32")
