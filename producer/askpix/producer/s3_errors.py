"""What S3 and its client say when something goes wrong, in words for a person."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

import urllib3
from boto3.exceptions import Boto3Error
from botocore import exceptions as aws
from botocore.parsers import ResponseParserError

from askpix.producer.errors import StorageError
from askpix.producer.storage import shortened


class Trouble(Enum):
    """What a caller may want to tell apart."""

    NO_OBJECT = "there is no such object"
    NO_BUCKET = "there is no such bucket"
    DENIED = "these credentials may not do it"
    CREDENTIALS = "there are no credentials, or not valid ones"
    CHANGED = "the object is not the one that was asked for at first"
    CONFLICT = "another request was changing the same object"
    UNSUPPORTED = "the server does not know what was asked of it"
    TEMPORARY = "trying again can help"
    OTHER = "the settings are wrong, or something is unexpected"


class S3Error(StorageError):
    """S3 did not do what was asked.

    Args:
        message: one sentence for a person.
        trouble: what a caller may want to tell apart.
        tried_again: whether the client had sent the request more than once.
    """

    def __init__(self, message: str, trouble: Trouble, *, tried_again: bool = False) -> None:
        super().__init__(message, passing=trouble is Trouble.TEMPORARY)
        self.trouble = trouble
        self.tried_again = tried_again


_NO_CREDENTIALS = "no S3 credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile"
_WRONG_KEYS = "the S3 credentials are not valid there: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the endpoint"
_NOT_PERMITTED = (
    "access is denied: the credentials need s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket there"
)
_EXPIRED = "the S3 credentials have expired: renew them"
_CLOCK = "this machine's clock is too far off for S3: set it right"
_REGION = "the bucket is in another region: set AWS_REGION to it"
_CHANGED = "it was replaced by another meanwhile; run the same command again"
_BUSY = "the S3 server is overloaded or failing; try again later"
_CONFLICT = "another request was changing it; try again"

_BY_CODE: dict[str, tuple[Trouble, str]] = {
    **dict.fromkeys(("NoSuchKey", "NotFound", "404"), (Trouble.NO_OBJECT, "there is no such object")),
    **dict.fromkeys(("InvalidAccessKeyId", "SignatureDoesNotMatch"), (Trouble.CREDENTIALS, _WRONG_KEYS)),
    **dict.fromkeys(("InvalidToken", "AuthFailure", "InvalidClientTokenId"), (Trouble.CREDENTIALS, _WRONG_KEYS)),
    **dict.fromkeys(("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"), (Trouble.CREDENTIALS, _EXPIRED)),
    **dict.fromkeys(("RequestTimeTooSkewed", "RequestExpired"), (Trouble.OTHER, _CLOCK)),
    **dict.fromkeys(("PermanentRedirect", "AuthorizationHeaderMalformed", "301"), (Trouble.OTHER, _REGION)),
    **dict.fromkeys(("IllegalLocationConstraintException", "307"), (Trouble.OTHER, _REGION)),
    **dict.fromkeys(("PreconditionFailed", "412"), (Trouble.CHANGED, _CHANGED)),
    **dict.fromkeys(("ConditionalRequestConflict", "OperationAborted", "409"), (Trouble.CONFLICT, _CONFLICT)),
    **dict.fromkeys(("SlowDown", "ServiceUnavailable", "InternalError"), (Trouble.TEMPORARY, _BUSY)),
    **dict.fromkeys(("RequestTimeout", "Throttling", "TooManyRequests", "429"), (Trouble.TEMPORARY, _BUSY)),
}
_DENIED = frozenset(("AccessDenied", "AllAccessDisabled", "AccountProblem", "Forbidden", "401", "403"))


_BROKE_OFF = (
    *(aws.IncompleteReadError, aws.HTTPClientError, urllib3.exceptions.HTTPError, http.client.HTTPException),
    *(OSError, EOFError, ResponseParserError),
)
_BY_KIND: tuple[tuple[tuple[type[BaseException], ...], Trouble, str], ...] = (
    ((aws.NoCredentialsError,), Trouble.CREDENTIALS, _NO_CREDENTIALS),
    ((aws.PartialCredentialsError,), Trouble.CREDENTIALS, "half of the S3 credentials is missing: {said}"),
    ((aws.ProfileNotFound,), Trouble.CREDENTIALS, "there is no such AWS profile: check AWS_PROFILE and ~/.aws/config"),
    (
        (aws.TokenRetrievalError, aws.SSOError, aws.CredentialRetrievalError),
        Trouble.CREDENTIALS,
        "the S3 credentials could not be had: {said}",
    ),
    (
        (aws.ProxyConnectionError,),
        Trouble.TEMPORARY,
        "the proxy does not answer: check HTTP_PROXY, HTTPS_PROXY and NO_PROXY",
    ),
    # The client follows redirects by recursion; a server that sends http to https answers nothing else.
    ((RecursionError,), Trouble.OTHER, "{server} sends all requests elsewhere: check AWS_ENDPOINT_URL and AWS_REGION"),
    ((aws.SSLError,), Trouble.OTHER, "the secure connection to {server} failed: check AWS_CA_BUNDLE"),
    (
        (aws.ConnectTimeoutError, aws.EndpointConnectionError),
        Trouble.TEMPORARY,
        "{server} cannot be reached: check AWS_ENDPOINT_URL and the network",
    ),
    ((aws.ReadTimeoutError, TimeoutError), Trouble.TEMPORARY, "{server} did not answer in time; try again later"),
    (_BROKE_OFF, Trouble.TEMPORARY, "the connection to {server} broke off; try again"),
)
"""The first that fits counts."""


@contextmanager
def explained(where: str, bucket: str, endpoint: str = "") -> Iterator[None]:
    """Turns whatever the client raises into an `S3Error` about `where`, the URI as it is shown.

    Raises:
        S3Error: something was raised.
    """
    try:
        yield
    except aws.ClientError as error:
        raise _answered(error.response, where, bucket) from error
    except (aws.BotoCoreError, Boto3Error, ValueError, RecursionError, *_BROKE_OFF) as error:
        raise _failed(error, where, endpoint) from error


def _answered(response: dict[str, Any], where: str, bucket: str) -> S3Error:
    """Returns what a server's error answer means."""
    told = response.get("Error", {})
    code = str(told.get("Code", ""))
    meta = response.get("ResponseMetadata", {})
    status = int(meta.get("HTTPStatusCode", 0))
    tried_again = int(meta.get("RetryAttempts", 0)) > 0
    if code == "NoSuchBucket":
        return no_bucket(where, bucket)
    if code in _DENIED or (status in (401, 403) and code not in _BY_CODE):
        trouble, why = Trouble.DENIED, _NOT_PERMITTED
    elif code in _BY_CODE:
        trouble, why = _BY_CODE[code]
    elif code in ("NotImplemented", "501") or status == 501 or (code == "InvalidArgument" and status == 400):
        trouble, why = Trouble.UNSUPPORTED, f"the server does not do this: {_said(code, told.get('Message'))}"
    elif status >= 500:
        trouble, why = Trouble.TEMPORARY, _BUSY
    else:
        trouble, why = Trouble.OTHER, f"the server refuses: {_said(code, told.get('Message'))}"
    return S3Error(f"{where}: {why}", trouble, tried_again=tried_again)


def _failed(error: BaseException, where: str, endpoint: str) -> S3Error:
    """Returns what it means that there was no answer, or only a piece of one."""
    server = _host(endpoint) or "the S3 endpoint"
    # Where the recursion ends, somebody on the way may make a broken connection of it.
    error = next((link for link in _chain(error) if isinstance(link, RecursionError)), error)
    if isinstance(error, ValueError) and "timestamp" in str(error):
        # An answer whose head breaks off within a date.
        error = http.client.HTTPException()
    fitting = ((trouble, why) for kinds, trouble, why in _BY_KIND if isinstance(error, kinds))
    trouble, why = next(fitting, (Trouble.OTHER, "the S3 client refuses: {said}"))
    return S3Error(f"{where}: {why.format(server=server, said=_plain(error))}", trouble)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yields an error and those that led to it, as far as is any use."""
    link: BaseException | None = error
    for _ in range(50):
        if link is None:
            return
        yield link
        link = link.__cause__ or link.__context__


def no_bucket(where: str, bucket: str) -> S3Error:
    """Returns the error of a bucket that is not there."""
    return S3Error(f"{where}: there is no bucket {bucket}: create it, or check AWS_ENDPOINT_URL", Trouble.NO_BUCKET)


def settings_refused(error: ValueError) -> S3Error:
    """Returns the error of a client that cannot be made of its settings."""
    if any(word in str(error).lower() for word in ("endpoint", "url")):  # the URL itself may hold a password
        return S3Error("AWS_ENDPOINT_URL is no valid URL: write it as https://host:port", Trouble.OTHER)
    return S3Error(f"the AWS settings are not valid: {_plain(error)}", Trouble.OTHER)


def _host(endpoint: str) -> str:
    """Returns the host and port of an endpoint without whatever else its URL holds."""
    try:
        return urlsplit(endpoint).netloc.rpartition("@")[2]
    except ValueError:
        return ""


def _said(code: str, message: object) -> str:
    return shortened(" ".join(_printable(f"{code} {message or ''}").split())) or "no reason was given"


def _plain(error: BaseException) -> str:
    return shortened(" ".join(_printable(str(error)).split())) or type(error).__name__


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
