"""The S3 client, and asking it for an object.

Where the server is and who asks is told by the variables and files that every AWS program knows
(`AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_PROFILE` and so on): the client reads them itself, and no
message can change them.
"""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ConnectionClosedError

from askpix.producer.locations import S3Location
from askpix.producer.s3_errors import explained, settings_refused

_clients: dict[tuple[float, int, int], Any] = {}
_TRIES = 3
"""Of a request whose answer broke off where the client does not notice it, and so does not try again."""

_making = threading.Lock()


def s3_client(*, read_timeout: float = 30, attempts: int = 4, connections: int = 32) -> Any:
    """Returns this process's S3 client, which all its threads share; asks no network for it.

    Args:
        read_timeout: seconds that the server may be silent.
        attempts: how often a request is sent before its failure counts.
        connections: how many are kept open.

    Raises:
        StorageError: the AWS settings are not valid.
    """
    limits = (read_timeout, attempts, connections)
    with _making:  # a client may be used by many threads, but not made by them
        if limits not in _clients:
            _clients[limits] = _new_client(*limits)
        return _clients[limits]


def _new_client(read_timeout: float, attempts: int, connections: int) -> Any:
    config = Config(
        connect_timeout=5,
        read_timeout=read_timeout,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=connections,
        # Otherwise the client sends and expects checksums that many other servers do not know.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    try:
        # Of the variables that all AWS programs read, boto3 leaves out this one.
        session = boto3.session.Session(region_name=os.environ.get("AWS_REGION") or None)
        return session.client("s3", config=config)
    except ValueError as error:
        raise settings_refused(error) from error
    except BotoCoreError as error:
        with explained("the S3 client cannot be made", bucket=""):
            raise error


def forget_clients() -> None:
    """Lets the next request make a new client, of the settings as they are then."""
    global _making
    _clients.clear()
    _making = threading.Lock()


# The connections of a forked process are its parent's, and so is a lock that a thread of it held.
os.register_at_fork(after_in_child=forget_clients)


def doing(what: str, location: S3Location) -> AbstractContextManager[None]:
    """Explains what goes wrong while it is done, as in `doing("cannot be read", location)`.

    Raises:
        S3Error: something did.
    """
    return explained(f"{location.shown} {what}", location.bucket, str(s3_client().meta.endpoint_url))


def get_object(
    location: S3Location, *, client: Any | None = None, start: int = 0, etag: str | None = None
) -> dict[str, Any]:
    """Asks for an object, or the rest of it; returns the client's answer, whose `Body` is to be read and closed.

    Args:
        location: which one.
        client: the client to ask with, instead of the process's usual one.
        start: how many bytes to leave out.
        etag: as which the object was known before.

    Raises:
        S3Error: it cannot be had; `trouble` says why.
    """
    options: dict[str, str] = {}
    if start:
        options["Range"] = f"bytes={start}-"
    if etag:
        options["IfMatch"] = etag
    with doing("cannot be read", location):
        for _ in range(_TRIES):
            response: dict[str, Any] = (client or s3_client()).get_object(
                Bucket=location.bucket, Key=location.key, **options
            )
            headers = response["ResponseMetadata"]["HTTPHeaders"]
            if headers.keys() & {"content-length", "transfer-encoding"}:
                return response
            # The client takes an answer that broke off among its headers for a whole one with an empty body.
            response["Body"].close()
        raise ConnectionClosedError(endpoint_url=str(s3_client().meta.endpoint_url))
