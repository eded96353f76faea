"""What a failed transfer means for a person."""

from __future__ import annotations

import errno
import http.client
import socket

from urllib3.exceptions import (
    ConnectTimeoutError,
    DecodeError,
    IncompleteRead,
    InvalidHeader,
    LocationParseError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)

from askpix.worker.error_codes import Code
from askpix.worker.images.guarded_connections import RefusedError
from askpix.worker.item_errors import ImageError


def explained(error: BaseException, url: str) -> ImageError:
    """Returns what a failed transfer means for a person."""
    return _by_cause(error, url) or _by_kind(error, url)


def _by_cause(error: BaseException, url: str) -> ImageError | None:
    """Looks for what is known among the errors that led to this one; urllib3 wraps them in its own."""
    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case RefusedError():
                return ImageError(Code.NOT_ALLOWED, str(cause))
            case socket.gaierror() | UnicodeError():
                return ImageError(Code.HOST_NOT_FOUND, f"the host of {url} is not known", retryable=True)
            case OSError(errno=errno.EMFILE | errno.ENFILE):
                return ImageError(
                    Code.INTERNAL_ERROR,
                    "the worker may open no more files: raise its limit (ulimit -n)",
                    retryable=True,
                )
            case ConnectionRefusedError():
                return ImageError(Code.CONNECTION_REFUSED, f"nothing answers at {url}", retryable=True)
            case IncompleteRead() | http.client.IncompleteRead():
                return ImageError(Code.CUT_SHORT, f"{url} broke off before its end", retryable=True)
            case ConnectionError():
                return ImageError(Code.CONNECTION_FAILED, f"{url} closed the connection", retryable=True)
            case http.client.HTTPException() | DecodeError() | InvalidHeader():
                return ImageError(Code.BAD_RESPONSE, f"what {url} answers is no proper HTTP: {_reason(cause)}")
        # urllib3 hands some causes on as an argument of its own error.
        held = cause.args[1] if isinstance(cause, ProtocolError) and len(cause.args) > 1 else None
        cause = held or cause.__cause__ or cause.__context__
    return None


def _by_kind(error: BaseException, url: str) -> ImageError:
    match error:
        case ConnectTimeoutError() | ReadTimeoutError() | TimeoutError():
            return ImageError(Code.TIMEOUT, f"{url} did not answer in time", retryable=True)
        case SSLError():
            return ImageError(Code.TLS_FAILED, f"the secure connection to {url} failed: {_reason(error)}")
        case LocationParseError() | ValueError():
            return ImageError(Code.BAD_URL, f"{url} is no valid URL")
        case _:
            return ImageError(
                Code.CONNECTION_FAILED, f"the connection to {url} failed: {_reason(error)}", retryable=True
            )


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
