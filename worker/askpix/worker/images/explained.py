"""What a failed transfer means for a person."""

from __future__ import annotations

import socket

from urllib3.exceptions import (
    ConnectTimeoutError,
    IncompleteRead,
    LocationParseError,
    ProtocolError,
    ReadTimeoutError,
    ResponseError,
    SSLError,
)

from askpix.worker.errors import NOT_ALLOWED, ImageError
from askpix.worker.images.guarded import MAX_REDIRECTS, RefusedError


def explained(error: BaseException, url: str) -> ImageError:
    """Returns what a failed transfer means for a person."""
    return _by_cause(error, url) or _by_kind(error, url)


def _by_cause(error: BaseException, url: str) -> ImageError | None:
    """Looks for what is known among the errors that led to this one; urllib3 wraps them in its own."""
    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case RefusedError():
                return ImageError(NOT_ALLOWED, str(cause))
            case socket.gaierror() | UnicodeError():
                return ImageError("host_not_found", f"the host of {url} is not known", retryable=True)
            case ConnectionRefusedError():
                return ImageError("connection_refused", f"nothing answers at {url}", retryable=True)
            case IncompleteRead():
                return ImageError("connection_failed", f"{url} broke off before its end", retryable=True)
            case ConnectionError():
                return ImageError("connection_failed", f"{url} closed the connection", retryable=True)
        # urllib3 hands some causes on as an argument of its own error.
        held = cause.args[1] if isinstance(cause, ProtocolError) and len(cause.args) > 1 else None
        cause = held or cause.__cause__ or cause.__context__
    return None


def _by_kind(error: BaseException, url: str) -> ImageError:
    match error:
        case ConnectTimeoutError() | ReadTimeoutError() | TimeoutError():
            return ImageError("timeout", f"{url} did not answer in time", retryable=True)
        case SSLError():
            return ImageError("tls_failed", f"the secure connection to {url} failed: {_reason(error)}")
        case LocationParseError() | ValueError():
            return ImageError("bad_url", f"{url} is no valid URL")
        case ResponseError() if "redirect" in str(error):
            return ImageError("too_many_redirects", f"{url} redirects more than {MAX_REDIRECTS} times")
        case _:
            return ImageError("connection_failed", f"the connection to {url} failed: {_reason(error)}", retryable=True)


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
