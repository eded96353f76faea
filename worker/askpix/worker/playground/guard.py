"""What stands between the network and the page: which requests get through, and what browsers may do with answers."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import AbstractContextManager
from typing import Any

from askpix.worker.playground.payload import MOST_BYTES, checked

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Room = AbstractContextManager[bool]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_PATHS = re.compile(
    r"/|/(assets|static|svelte|custom_component)/.*|/(config|theme\.css|favicon\.ico|robots\.txt|manifest\.json)/?"
    r"|/gradio_api/(queue/join|queue/data|cancel|reset|upload|upload_progress|info|app_id|startup-events|theme\.css)/?"
    r"|/gradio_api/heartbeat/\w+|/gradio_api/file=.*|/pwa_icon(/\d+)?"
)
"""What the page itself asks for. Gradio has much more, from fetching through it to changing its own source."""

_FILES = "/gradio_api/file="
"""Before the path of a file. Gradio takes an address too: it would fetch it, and pass it on as a page of ours."""

_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(:\d{1,5})?")

_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        b"img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
        b"object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)

_FILE_HEADERS = tuple(
    (name, b"sandbox; default-src 'none'" if name == b"content-security-policy" else value) for name, value in _HEADERS
)
"""What was dropped is shown, and does nothing, whatever it is."""

_OTHERS = frozenset({"cross-site", "same-site"})
"""Who asks, as browsers say it, where it is not a page of ours, nor the person."""

_POST_BYTES = 21_000_000
"""Of a request: an image of the largest size, and what surrounds it."""


_UPLOAD_SECONDS = 120.0
"""That an image may take to come: few may come at a time."""

_QUESTIONS = "/gradio_api/queue/join"
_UPLOADS = "/gradio_api/upload"


class Guard:
    """Lets through what the page asks for, under a name that is ours.

    A page of somebody else's could otherwise ask in the name of whoever looks at it: by a form, or by a host name that
    is made to point here.

    Args:
        app: what is guarded.
        names: names under which it may be asked for, beside addresses and this machine's own.
        room: yields whether there is room for an upload of so many bytes, and keeps it meanwhile.
        is_ours: returns whether a page may name a file, and have it.
    """

    def __init__(
        self, app: App, names: Iterable[str], room: Callable[[int], Room], is_ours: Callable[[str], bool]
    ) -> None:
        self._app = app
        self._names = frozenset({"localhost", socket.gethostname().lower(), *(name.lower() for name in names)})
        self._room = room
        self._may_name = is_ours

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            # The page has no use for websockets.
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        if refusal := self._refusal(scope):
            await _refuse(send, *refusal)
            return

        headers = _FILE_HEADERS if scope["path"].startswith(_FILES) else _HEADERS

        async def with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                ours = {name for name, _ in headers}
                theirs = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in ours]
                message["headers"] = [*theirs, *headers]
            await send(message)

        if scope["path"].startswith(_QUESTIONS):
            body = checked(await _read(receive), self._may_name)
            if body is None:
                await _refuse(send, 400, "an image is dropped here, or picked from the examples")
                return
            scope, receive = _with(scope, body)
        if scope["method"] == "POST" and scope["path"].startswith(_UPLOADS):
            await self._take_upload(scope, receive, with_headers)
            return
        await self._app(scope, receive, with_headers)

    async def _take_upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        length = next(int(value) for name, value in scope["headers"] if name.lower() == b"content-length")
        with self._room(length) as there_is:
            if not there_is:
                await _refuse(send, 507, "too many images are being dropped, or were of late: try again later")
                return
            try:
                async with asyncio.timeout(_UPLOAD_SECONDS):
                    await self._app(scope, receive, send)
            except TimeoutError:
                await _refuse(send, 408, "the image came too slowly")

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Returns with which status and words a request is refused; None where it is not."""
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get(b"host", "")
        if not self._is_ours(host):
            return 421, "the playground is not asked for under this name: use the address that it printed"
        origin = headers.get(b"origin")
        if origin not in (None, f"http://{host}", f"https://{host}"):
            return 403, "this was asked by a page of somebody else's"
        path = scope["path"]
        if headers.get(b"sec-fetch-site") in _OTHERS and (path, scope["method"]) != ("/", "GET"):
            return 403, "this was asked by a page of somebody else's"
        if not _PATHS.fullmatch(path) or (path.startswith(_FILES) and not self._is_served(path[len(_FILES) :])):
            return 404, "there is no such page"
        if scope["method"] in ("GET", "HEAD"):
            return None
        if scope["method"] != "POST":
            return 405, "this is not done here"
        length = headers.get(b"content-length", "")
        most = MOST_BYTES if path.startswith(_QUESTIONS) else _POST_BYTES
        if not length.isascii() or not length.isdigit() or int(length) > most:
            return 413, "this is too much: an image may have 20 MB"
        return None

    def _is_served(self, file: str) -> bool:
        return file.startswith("/") and self._may_name(file)

    def _is_ours(self, host: str) -> bool:
        named = _HOST.fullmatch(host)
        if named is None:
            return False
        name = named["name"].lower()
        try:
            return bool(ipaddress.ip_address(name.strip("[]")))
        except ValueError:
            return name in self._names


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body") or len(body) > MOST_BYTES:
            return bytes(body)


def _with(scope: Scope, body: bytes) -> tuple[Scope, Receive]:
    """Returns a request with another body."""
    others = [(name, value) for name, value in scope["headers"] if name.lower() != b"content-length"]
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> MutableMapping[str, Any]:
        return next(messages, {"type": "http.disconnect"})

    return {**scope, "headers": [*others, (b"content-length", str(len(body)).encode())]}, receive


async def _refuse(send: Send, status: int, words: str) -> None:
    body = f"{words}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode()), *_HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
