"""Images in S3. The server is the one that the worker's own environment names, whatever a message says."""

from __future__ import annotations

from typing import Any

from askpix.producer.errors import StorageError
from askpix.producer.locations import S3Location
from askpix.producer.s3_client import doing, get_object, s3_client
from askpix.producer.s3_errors import S3Error, Trouble
from askpix.worker.error_codes import Code
from askpix.worker.images.deadline import deadline, watched
from askpix.worker.images.fetch_rules import FetchRules, Take
from askpix.worker.item_errors import ImageError

READ_SECONDS, ATTEMPTS = 10.0, 2
"""Shorter than for job folders: an image that is not there in time becomes a row that can be retried."""

_CHUNK = 65_536
_CODES = {
    Trouble.NO_OBJECT: (Code.OBJECT_NOT_FOUND, True),
    Trouble.NO_BUCKET: (Code.BUCKET_NOT_FOUND, False),
    Trouble.DENIED: (Code.OBJECT_DENIED, False),
    Trouble.OTHER: (Code.OBJECT_FAILED, True),
}


def read_object(location: S3Location, rules: FetchRules, take: Take) -> bytes:
    """Returns the bytes of an object.

    Args:
        location: which object.
        rules: how it is fetched.
        take: is told how many bytes are about to be held, and may wait.

    Raises:
        ImageError: `object_not_found`, `bucket_not_found`, `object_denied`, `object_failed`, `too_many_bytes` or
            `timeout`.
    """
    with deadline(rules.seconds) as limit:
        try:
            client = s3_client(read_timeout=READ_SECONDS, attempts=ATTEMPTS, connections=rules.connections)
            answer = get_object(location, client=client)
            body = answer["Body"]
            try:
                length = answer.get("ContentLength", rules.max_bytes)
                rules.check_bytes(length)
                with limit.paused():
                    take(length)
                return _whole(body, location, rules)
            finally:
                body.close()
        except StorageError as error:
            trouble = error.trouble if isinstance(error, S3Error) else Trouble.OTHER
            code, retryable = _CODES.get(trouble, _CODES[Trouble.OTHER])
            raise ImageError(code, str(error), retryable=retryable) from None


def _whole(body: Any, location: S3Location, rules: FetchRules) -> bytes:
    data = bytearray()
    with doing("cannot be read", location):
        # Between its bytes a server may be silent for a while, but all of them together have a time.
        watched(_socket(body))
        while chunk := body.read(_CHUNK):
            data += chunk
            rules.check_bytes(len(data))
    return bytes(data)


def _socket(body: Any) -> Any:
    """Returns the socket that a body comes from, None where the client does not give it away."""
    connection = getattr(getattr(body, "_raw_stream", None), "connection", None)
    return getattr(connection, "sock", None)
