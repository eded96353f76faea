"""What errors of the broker mean, in words for a person."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator

import redis
from kombu.exceptions import OperationalError
from redis.sentinel import MasterNotFoundError

from askpix.producer.errors import BrokerError, BrokerTrouble

LOST = (OperationalError, redis.RedisError, OSError)
"""What Celery and redis-py raise where the broker cannot be reached or does not do as it is told."""

_WHERE = "ASKPIX_BROKER_URL or --broker says where it is"

_SAID = {
    BrokerTrouble.FULL: "the broker's memory is full (its maxmemory)",
    BrokerTrouble.READ_ONLY: "the broker is read-only: it is a replica, or another is taking over",
}

_DENIED = re.compile(r"NOPERM|no permissions to|can't run this command or subcommand", re.IGNORECASE)

_TLS = (
    (
        re.compile("certificate required|handshake failure|bad certificate|unknown ca", re.IGNORECASE),
        "it does not take our certificate: ssl_certfile= and ssl_keyfile= in the broker URL say which is ours",
    ),
    (
        re.compile("wrong version number|record layer failure|packet length too long|http request", re.IGNORECASE),
        "what answers there does not speak it: rediss:// is for a server that does",
    ),
    (
        re.compile("unsupported protocol|protocol version|no protocols available", re.IGNORECASE),
        "the other side speaks no version from 1.2 on",
    ),
    (
        re.compile("verify failed", re.IGNORECASE),
        "{reason}; ssl_ca_certs= in the broker URL names the file of the authority that its certificate is from",
    ),
)
"""What is said about errors of TLS that stay, by what OpenSSL says."""

_HUNG_UP = (
    "the broker hung up; where it wants a certificate of ours, ssl_certfile= and ssl_keyfile= in its URL say which"
)
"""A server that dies and one that has looked for a certificate in vain are not always told apart."""


def explained(error: BaseException) -> BrokerError:
    """Returns what an error of LOST means for a person."""
    trouble, said = _understood(error)
    return BrokerError(said or f"the broker does not answer: {short(error).rstrip('.')}; {_WHERE}", trouble)


def refused(what: str, error: BaseException) -> BrokerError:
    """Returns what an error of LOST means for something that was to be sent."""
    trouble, said = _understood(error)
    return BrokerError(f"the broker did not take {what}: {said or short(error)}", trouble)


def short(error: BaseException) -> str:
    """Returns an error in one line, without the URL that may hold a password."""
    cause = error.__cause__ or error
    return " ".join(str(cause).split())[:200] or type(cause).__name__


def _understood(error: BaseException) -> tuple[BrokerTrouble, str | None]:
    """Returns what kind of trouble an error is, and what there is to say of it where its own words do not do."""
    chain = list(_chain(error))
    for cause in chain:
        if isinstance(cause, ssl.SSLEOFError):
            return BrokerTrouble.LOST, _HUNG_UP
        if isinstance(cause, ssl.SSLError) and (said := _tls_said(cause)):
            return BrokerTrouble.OTHER, f"no TLS with the broker: {said}"
        if _DENIED.search(str(cause)) and isinstance(cause, redis.ResponseError):
            return BrokerTrouble.OTHER, _denied_said(cause)
        if isinstance(cause, redis.AuthenticationError):
            return BrokerTrouble.OTHER, f"the broker refuses this user or password: {_WHERE}, and who asks"
    trouble = _trouble_of(error.__cause__ or error, chain)
    for cause in chain:
        if isinstance(cause, MasterNotFoundError):
            return trouble, f"the broker has no master for now: {cause}"
    return trouble, _SAID.get(trouble)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yields an error and those that it came from."""
    seen: BaseException | None = error
    for _ in range(8):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__ or seen.__context__


def _trouble_of(cause: BaseException, chain: list[BaseException]) -> BrokerTrouble:
    if any(isinstance(one, redis.ReadOnlyError) for one in chain):
        return BrokerTrouble.READ_ONLY
    match cause:
        case redis.OutOfMemoryError():
            return BrokerTrouble.FULL
        case redis.ConnectionError() | redis.TimeoutError() | OSError():
            return BrokerTrouble.LOST
    # In a transaction, and where a script wrote, the server's word comes as that of a command.
    said = str(cause)
    marks = {"OOM ": BrokerTrouble.FULL, "READONLY ": BrokerTrouble.READ_ONLY}
    return next((trouble for mark, trouble in marks.items() if mark in said), BrokerTrouble.OTHER)


def _tls_said(error: ssl.SSLError) -> str | None:
    text = " ".join(str(error.args[-1]).split()) if error.args else ""
    reason = str(getattr(error, "verify_message", "") or getattr(error, "reason", "") or text)[:200].rstrip(".")
    return next((said.format(reason=reason) for mark, said in _TLS if mark.search(text.replace("_", " "))), None)


def _denied_said(error: BaseException) -> str:
    said = " ".join(str(error).split()).removeprefix("NOPERM ")[:200].rstrip(".")
    return f"the broker's user may not do this: {said}; docs/redis.md lists the rights that askpix needs"
