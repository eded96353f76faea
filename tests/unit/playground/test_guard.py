"""Who may ask the playground's server: the page itself, under a name that is ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import MutableMapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from askpix.worker.playground.dropped import Uploads
from askpix.worker.playground.guard import App, Guard
from askpix.worker.playground.payload import checked


async def _app(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"content-type", b"text/html"), (b"Content-Security-Policy", b"none of ours")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"the page"})


def asked(
    path: str = "/",
    method: str = "GET",
    *,
    host: str = "127.0.0.1:7860",
    room: bool = True,
    kind: str = "http",
    body: bytes = b"{}",
    app: App = _app,
    **headers: str,
) -> list[MutableMapping[str, Any]]:
    """Returns what is sent to who asks so."""
    named = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {
        "type": kind,
        "path": path,
        "method": method,
        "headers": [(name.encode(), value.encode()) for name, value in named.items() if value],
    }
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    guard = Guard(app, ["shop-box"], lambda _: nullcontext(room), lambda path: path.startswith("/ours/"))
    asyncio.run(guard(scope, receive, send))
    return sent


def status(*arguments: Any, **named: Any) -> int:
    return int(asked(*arguments, **named)[0]["status"])


@pytest.mark.parametrize(
    "host", ["127.0.0.1:7860", "localhost:8000", "LOCALHOST", "[::1]:7860", "10.0.0.7", "shop-box:1"]
)
def test_the_page_is_had_by_address_and_by_our_own_name(host: str) -> None:
    assert status(host=host) == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:7860", "localhost.evil.example", "127.0.0.1.evil.example", "", "a b", "x" * 300,
     "evil.example@127.0.0.1", "127.0.0.1/@evil", "[::1", "2130706433.evil"],
)  # fmt: skip
def test_a_name_that_is_made_to_point_here_is_refused(host: str) -> None:
    assert status(host=host) == 421


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:9999", "null", "http://localhost:7860"])
def test_pages_of_somebody_elses_are_refused(origin: str) -> None:
    assert status("/gradio_api/queue/join", "POST", origin=origin, content_length="5") == 403
    assert status(origin=origin) == 403


def test_the_page_itself_may_ask() -> None:
    assert status("/gradio_api/queue/join", "POST", origin="http://127.0.0.1:7860", content_length="5") == 200
    for path in ("/assets/index.js", "/theme.css", "/gradio_api/heartbeat/abc123", "/gradio_api/file=/ours/b.jpg"):
        assert status(path) == 200


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/run/predict",
        "/gradio_api/call/ask",
        "/gradio_api/proxy=https://evil.example/",
        "/gradio_api/vibe-edit/",
        "/gradio_api/process_recording",
        "/gradio_api/dev/reload",
        "/gradio_api/openapi.json",
        "/gradio_api/runs",
        "/monitoring",
        "/login",
        "/docs",
        "/gradio_api/stream/1/2/3/playlist.m3u8",
        "/gradio_api/heartbeat/../run/predict",
    ],
)
def test_what_the_page_does_not_need_is_closed(path: str) -> None:
    assert status(path) == 404
    assert status(path, "POST", content_length="5") == 404


@pytest.mark.parametrize(
    "file",
    [
        "https://evil.example/x.jpg",
        "HTTP://evil.example/x.jpg",
        "//evil.example/x.jpg",
        "/etc/passwd",
        "ours/b.jpg",
        "",
    ],
)
def test_only_files_of_ours_are_had_and_no_address_is_fetched(file: str) -> None:
    """Gradio would fetch an address and pass it on, as a page that may do what ours may."""
    for method in ("GET", "HEAD"):
        assert status(f"/gradio_api/file={file}", method) == 404


def test_a_file_that_was_dropped_does_nothing_in_a_browser() -> None:
    headers = asked("/gradio_api/file=/ours/b.svg")[0]["headers"]
    policies = [value for name, value in headers if name.lower() == b"content-security-policy"]
    assert policies == [b"sandbox; default-src 'none'"]


def test_pages_of_somebody_elses_may_lead_to_the_page_and_ask_for_nothing_else() -> None:
    for site in ("cross-site", "same-site"):
        assert status("/", sec_fetch_site=site) == 200
        assert status("/gradio_api/file=/ours/b.jpg", sec_fetch_site=site) == 403
        assert status("/gradio_api/queue/join", "POST", content_length="5", sec_fetch_site=site) == 403
    for site in ("same-origin", "none"):
        assert status("/gradio_api/file=/ours/b.jpg", sec_fetch_site=site) == 200


@pytest.mark.parametrize("length", ["", "21000001", "-1", "many"])
def test_requests_of_any_length_are_not_taken(length: str) -> None:
    assert status("/gradio_api/queue/join", "POST", content_length=length) == 413


def test_other_methods_and_websockets_are_refused() -> None:
    assert status("/", "DELETE") == 405
    assert asked(kind="websocket") == [{"type": "websocket.close", "code": 1008}]


def test_there_is_room_for_so_many_images() -> None:
    assert status("/gradio_api/upload", "POST", content_length="5", room=False) == 507
    assert status("/gradio_api/upload", "POST", content_length="5") == 200
    assert status("/gradio_api/queue/join", "POST", content_length="5", room=False) == 200


def test_images_that_come_at_the_same_moment_share_the_room(tmp_path: Path) -> None:
    """Eight at a time, and no more bytes than there is room for, though none of them is on the disk."""

    async def statuses(lengths: list[int], room: int) -> list[int]:
        go_on, come = asyncio.Event(), list[list[MutableMapping[str, Any]]]()

        async def slow(scope: Any, receive: Any, send: Any) -> None:
            await go_on.wait()
            await _app(scope, receive, send)

        guard = Guard(slow, [], Uploads(tmp_path, room=room).room, lambda _: False)

        async def upload(length: int) -> None:
            sent: list[MutableMapping[str, Any]] = []
            come.append(sent)

            async def receive() -> MutableMapping[str, Any]:
                return {"type": "http.request", "body": b""}

            async def send(message: MutableMapping[str, Any]) -> None:
                sent.append(message)

            headers = [(b"host", b"127.0.0.1"), (b"content-length", str(length).encode())]
            scope = {"type": "http", "path": "/gradio_api/upload", "method": "POST", "headers": headers}
            await guard(scope, receive, send)

        for _ in range(2):  # again, to see that it is given back
            come.clear()
            go_on.clear()
            tasks = [asyncio.create_task(upload(length)) for length in lengths]
            await asyncio.sleep(0)
            go_on.set()
            await asyncio.gather(*tasks)
        return [int(sent[0]["status"]) for sent in come]

    assert asyncio.run(statuses([10] * 10, room=1_000)) == [200] * 8 + [507] * 2
    assert asyncio.run(statuses([400, 400, 400, 200], room=1_000)) == [200, 200, 507, 200]


def test_an_image_that_does_not_come_keeps_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    async def waiting(_scope: Any, _receive: Any, _send: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("askpix.worker.playground.guard._UPLOAD_SECONDS", 0.01)
    assert status("/gradio_api/upload", "POST", content_length="5", app=waiting) == 408


@pytest.mark.parametrize("path", ["/", "/nothing"])
def test_every_answer_says_what_browsers_may_do_with_it(path: str) -> None:
    headers = asked(path)[0]["headers"]
    policies = [value for name, value in headers if name.lower() == b"content-security-policy"]
    assert len(policies) == 1
    assert b"default-src 'self'" in policies[0]
    assert b"frame-ancestors 'none'" in policies[0]
    assert (b"x-content-type-options", b"nosniff") in headers


def joined(value: Any) -> int:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return status("/gradio_api/queue/join", "POST", body=body, content_length=str(len(body)))


def test_a_page_names_files_of_ours_alone() -> None:
    def named(path: Any) -> dict[str, Any]:
        return {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}, "what is it?"], "fn_index": 0}

    assert joined(named("/ours/a.jpg")) == 200
    assert joined({"data": [None, "what is it?"]}) == 200
    for path in ("/etc/passwd", "http://example.com/a.jpg", "", None, 7, ["/ours/a.jpg"], {"path": "/ours/a.jpg"}):
        assert joined(named(path)) == 400
    # Wherever it stands.
    assert joined({"data": ["x", {"a": [[{"b": named("/etc/passwd")}]]}]}) == 400


@pytest.mark.parametrize("body", [b"", b"nonsense", b"{", b"[" * 100_000, b'{"a": NaN}', b"\xff\xfe"])
def test_what_is_no_json_goes_no_further(body: bytes) -> None:
    assert joined(body) == 400


def test_of_a_name_that_comes_twice_the_one_that_was_looked_at_counts() -> None:
    body = b'{"path": "/etc/passwd", "path": "/ours/a.jpg"}'
    assert checked(body, lambda path: path.startswith("/ours/")) == b'{"path": "/ours/a.jpg"}'
    assert joined(b'{"path": "/ours/a.jpg", "path": "/etc/passwd"}') == 400


def test_a_question_has_an_end() -> None:
    assert status("/gradio_api/queue/join", "POST", content_length="2000001") == 413
