"""Images from web servers, all of which are taken for hostile."""

from __future__ import annotations

from importlib.metadata import version
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from askpix.worker.access import Access
from askpix.worker.error_codes import Code
from askpix.worker.images.again import seconds_until
from askpix.worker.images.deadline import Deadline, deadline
from askpix.worker.images.fetch_rules import UNCOUNTED_BYTES, FetchRules, Take, opted_out
from askpix.worker.images.guarded_connections import CONNECT_SECONDS, guarded_pool
from askpix.worker.images.schemes.reader import Reader, Wanted
from askpix.worker.images.web_errors import explained
from askpix.worker.item_errors import ImageError

FIRST_BYTE_SECONDS = 15.0
"""In which the head of the answer must be there, connecting and redirects included."""

READ_SECONDS = 10.0
"""That a server may be silent for."""

SLOWEST, SLOW_SECONDS = 1_000, 10.0
"""Bytes a second that must come, on average, when an answer has taken that long."""

ROOM_SECONDS = 3.0
"""After which an image that takes much memory must come at half the rate, at least, at which it would be in time."""

MAX_REDIRECTS = 5

_RETRYABLE_STATUS = frozenset((408, 425, 429, 500, 502, 503, 504))
_PORTS = {"http": 80, "https": 443}
_CHUNK = 65_536
_LEFT_OVER = 16_384
"""Bytes of an answer nobody needs that are read, so that its connection can be kept."""

_SHOWN = 200


class Web(Reader):
    """Fetches over http and https. Used from many threads; connections are kept.

    Threads and urllib3: 0.5 ms of a processor for a small image, 64 in flight on 2 cores. aiohttp took 0.14 ms; what
    that would save at 300 images a second is a tenth of a core, and decoding takes three to four times as long.

    Args:
        access: what may be connected to.
        rules: how it is fetched.
    """

    def __init__(self, access: Access, rules: FetchRules) -> None:
        super().__init__(access, rules)
        agent = f"askpix/{version('askpix')}" + (f" (+{rules.contact})" if rules.contact else "")
        headers = {"User-Agent": agent, "Accept": "image/*"}
        self._http = guarded_pool(
            access,
            headers=headers,
            connections=rules.connections,
            proxy=None if rules.proxy is None else rules.proxy.get_secret_value(),
        )

    def close(self) -> None:
        self._http.clear()

    def read(self, wanted: Wanted) -> bytes:
        url = wanted.reference
        try:
            self._check(url)
            with deadline(self._rules.seconds, FIRST_BYTE_SECONDS) as limit:
                response = self._answer(url)
                limit.answered()
                try:
                    self._judge(response)
                    data = self._body(response, limit, wanted.take)
                except BaseException:
                    # What is left of a body would be taken for the next answer on this connection.
                    response.close()
                    raise
                response.release_conn()
                return data
        except (HTTPError, OSError, ValueError) as error:
            raise explained(error, _shown(url)) from None

    def _check(self, url: str) -> None:
        # By the reading of it by which the connection is made; and by another, where they differ about users.
        parts, user = urllib3.util.parse_url(url), urlsplit(url).username
        if parts.auth is not None or user is not None:
            raise ImageError(Code.BAD_URL, "the URL holds a user name or password, which askpix does not send")
        if parts.scheme not in ("http", "https") or not parts.host:
            raise ImageError(Code.BAD_URL, f"{_shown(url)} names no web server")
        self._rules.check_scheme(parts.scheme)
        port = parts.port or _PORTS[parts.scheme]
        # Without a proxy, the address is looked at when it is known.
        if self._rules.proxy is not None and not self._access.may_ask_for(parts.host, port):
            raise ImageError(
                Code.NOT_ALLOWED, f"no proxy is asked for {parts.host} at port {port}; --allow-net opens it"
            )

    def _answer(self, url: str) -> urllib3.BaseHTTPResponse:
        """Returns the answer to a URL, or to that which it leads to in the end."""
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
        start = url
        for _ in range(MAX_REDIRECTS + 1):
            response = self._http.request(
                "GET", url, preload_content=False, redirect=False, retries=False, timeout=timeout
            )
            where = response.get_redirect_location()
            if not where:
                return response
            _drop(response)
            url = urljoin(url, where)
            self._check(url)
        raise ImageError(Code.TOO_MANY_REDIRECTS, f"{_shown(start)} redirects more than {MAX_REDIRECTS} times")

    def _judge(self, response: urllib3.BaseHTTPResponse) -> None:
        if response.status != 200:
            problem = ImageError(
                f"http_{response.status}",
                f"the server answered {response.status} {_plain(response.reason or '')}".rstrip(),
                retryable=response.status in _RETRYABLE_STATUS,
                after=seconds_until(response.headers.get("Retry-After")),
            )
            _drop(response)
            raise problem
        if self._rules.heed_opt_out and (said := opted_out(response.headers.getlist("X-Robots-Tag"))):
            raise ImageError(Code.OPTED_OUT, f"the server says {said} of it; ASKPIX_HEED_OPT_OUT=false takes it anyway")

    def _body(self, response: urllib3.BaseHTTPResponse, limit: Deadline, take: Take) -> bytes:
        # Of what is unpacked, the length is not known.
        said = None if response.headers.get("Content-Encoding") else response.length_remaining
        length = self._rules.max_bytes if said is None else said
        self._rules.check_bytes(length)
        data, begun, taken = bytearray(), limit.seconds(), length <= UNCOUNTED_BYTES
        while piece := response.read1(_CHUNK):
            data += piece
            self._rules.check_bytes(len(data))
            # Not at once: whoever says that much is to come may send little of it.
            if not taken and len(data) > UNCOUNTED_BYTES:
                taken = True
                with limit.paused():
                    take(length)
            self._check_rate(len(data), limit.seconds() - begun, length if taken and said is not None else 0)
        return bytes(data)

    def _check_rate(self, had: int, seconds: float, length: int) -> None:
        """Raises ImageError where an image comes too slowly.

        Args:
            length: that one has which takes room; 0 for others.
        """
        patience = self._rules.seconds / 3
        if (seconds > min(SLOW_SECONDS, patience) and had < SLOWEST * seconds) or (
            length > UNCOUNTED_BYTES
            and seconds > min(ROOM_SECONDS, patience)
            and had / seconds * self._rules.seconds < length / 2
        ):
            rate = max(SLOWEST, length / self._rules.seconds / 2)
            raise ImageError(Code.TOO_SLOW, f"the server sends less than {rate:,.0f} bytes a second", retryable=True)


def _drop(response: urllib3.BaseHTTPResponse) -> None:
    """Does without the body of an answer; keeps its connection where that body is short."""
    length = response.length_remaining
    if length is None or length > _LEFT_OVER:
        response.close()
        return
    try:
        response.read(decode_content=False)
    except (HTTPError, OSError):
        response.close()
    else:
        response.release_conn()


def _shown(url: str) -> str:
    """Returns a URL as it is said to people: not too long, and with nothing that a terminal or a table acts on."""
    short = url if len(url) <= _SHOWN else f"{url[: _SHOWN - 3]}..."
    return short if short.isprintable() else ascii(short)[1:-1]


def _plain(text: str) -> str:
    """Returns a server's words without what a terminal would act on."""
    return "".join(character for character in text if character.isprintable())[:100]
