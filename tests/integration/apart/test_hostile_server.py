"""Servers that mean ill: each item that they have ends with a code of its own, in time, and the others are answered."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from helpers.hostile_server import HostileServer
from helpers.pictures import jpeg
from helpers.system import MODEL, HeldServer, Starter, finished

from askpix.producer.client import Client
from askpix.producer.rows import Row, Status

SECONDS = 6
"""That an item may be fetched for."""

IN_TIME = SECONDS + 20
"""That a row may take: its fetching, and its turn among the others on a machine with much to do."""

MEMORY_MB = 400
GOOD = 200

DEEDS = {
    "/silent": "timeout",
    "/drip": "too_slow",
    "/drip-head": "timeout",
    "/drip-redirects": "timeout",
    "/continued": "timeout",
    "/many-headers": "bad_response",
    "/long-header": "bad_response",
    "/endless": "too_many_bytes",
    "/endless-chunks": "too_many_bytes",
    "/large": "too_many_bytes",
    "/gzip-bomb": "too_many_bytes",
    "/short": "cut_short",
    "/half-a-chunk": "cut_short",
    "/long": "not_an_image",
    "/reset": "connection_failed",
    "/reset-body": "connection_failed",
    "/loop": "too_many_redirects",
    "/endless-redirect": "too_many_redirects",
    "/away": "not_allowed",
    "/busy": "http_429",
    "/other-protocol": "bad_response",
    "/no-gzip": "bad_response",
    "/page": "not_an_image",
}
EACH = 5
"""Items of each deed, so that connections are used again where they can be."""


@pytest.fixture
def servers() -> Iterator[dict[str, HostileServer]]:
    """One for each deed, as each is a host of its own."""
    servers = {deed: HostileServer() for deed in DEEDS}
    yield servers
    for server in servers.values():
        server.close()


def memory_mb(pid: int, what: str) -> float:
    """Returns a line of a process's status in megabytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1024


def test_among_hostile_servers_all_else_is_answered(
    servers: dict[str, HostileServer], pages: HeldServer, client: Client, start_worker: Starter, root: Path
) -> None:
    # Given
    worker = start_worker(env={"ASKPIX_ITEM_SECONDS": str(SECONDS)})
    good = [pages.put(f"/good-{number}", jpeg()) for number in range(GOOD)]
    bad = {servers[deed].url(f"{deed}/{number}"): code for deed, code in DEEDS.items() for number in range(EACH)}
    finished(client.submit(good[:8], output=str(root / "before"), model=MODEL))
    before = memory_mb(worker.process.pid, "VmRSS")
    Path(f"/proc/{worker.process.pid}/clear_refs").write_text("5")

    # When
    job = finished(client.submit([*bad, *good], output=str(root / "hostile"), model=MODEL), within=120)

    # Then
    rows = {row.image: row for row in job.results()}
    assert {url: rows[url].error_code for url in bad} == bad
    assert [rows[url].status for url in good] == [Status.OK] * GOOD
    assert max(rows[url].seconds for url in bad) < IN_TIME
    assert all(_is_said_plainly(rows[url]) for url in bad)
    assert memory_mb(worker.process.pid, "VmHWM") - before < MEMORY_MB
    worker.close()


def _is_said_plainly(row: Row) -> bool:
    return row.error_message is not None and row.error_message.isprintable() and len(row.error_message) < 500


def test_a_certificate_of_another_name_is_refused(
    pages: HeldServer, client: Client, start_worker: Starter, root: Path, tmp_path: Path
) -> None:
    # Given an authority that the worker trusts, and two servers whose certificates are from it
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    servers = [HostileServer(_context(authority, name)) for name in ("127.0.0.1", "elsewhere.test")]
    start_worker(env={"SSL_CERT_FILE": str(tmp_path / "authority.pem")})

    # When
    urls = [server.url("/page") for server in servers]
    job = finished(client.submit(urls, output=str(root / "certificates"), model=MODEL))

    # Then: what is refused is the name
    rows = {row.image: row for row in job.results()}
    assert [rows[url].error_code for url in urls] == ["not_an_image", "tls_failed"]
    assert "127.0.0.1" in str(rows[urls[1]].error_message)
    assert servers[1].asked == []
    for server in servers:
        server.close()


def _context(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context
