"""TLS between everybody and the broker: whoever is not who he says he is, is not talked to, and it is said why."""

from __future__ import annotations

import datetime
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from helpers.certificates import Papers
from helpers.job_outcomes import assert_unharmed, assert_whole
from helpers.pictures import jpeg
from helpers.processes import askpix
from helpers.secured import SecuredServer
from helpers.system import MODEL, HeldServer, Starter, WorkerProcess, finished

from askpix.producer.client import Client


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return Papers(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return Papers(tmp_path_factory.mktemp("tls") / "theirs")


@pytest.fixture(scope="module")
def broker(papers: Papers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredServer]:
    """A server that wants certificates of its clients too, as deploy/redis starts it."""
    server = SecuredServer(tmp_path_factory.mktemp("redis"), secrets=papers.secrets(mutual=True), tls=papers.own)
    yield server
    server.close()


def test_all_parts_of_the_system_talk_over_it(
    broker: SecuredServer, client: Client, pages: HeldServer, start_worker: Starter, folder: Path
) -> None:
    worker = start_worker()
    urls = pages.put_many([f"/{folder.name}-{number}" for number in range(6)], jpeg())

    job = finished(client.submit(urls, output=str(folder), model=MODEL, part_size=2))
    row = client.ask(urls[0], model=MODEL).get(timeout=30)
    watch = askpix("watch", folder, cwd=broker.folder, env=broker.environment)

    assert_whole(job, broker, urls)
    assert row.status == "ok"
    assert watch.code == 0, watch.err
    worker.close()


def _said(url: str, folder: Path, command: str = "jobs") -> str:
    """Returns what a command says that ends in trouble, at once, as one line."""
    words = {
        "jobs": ("jobs",),
        "submit": ("submit", "list.txt", "--output", str(folder / "job"), "--model", MODEL),
        "ask": ("ask", "https://example.org/a.jpg", "--model", MODEL),
    }[command]
    (folder / "list.txt").write_text("https://example.org/a.jpg\n")
    ran = askpix(*words, cwd=folder, env={"ASKPIX_BROKER_URL": url})
    assert (ran.code, ran.out) == (2, "")
    (line,) = ran.err.splitlines()
    assert "secret" not in line
    assert "ecret" not in line
    return line


@pytest.mark.parametrize("command", ["jobs", "submit", "ask"])
def test_a_server_of_another_authority_is_refused(
    command: str, broker: SecuredServer, strangers: Papers, tmp_path: Path
) -> None:
    said = _said(broker.url_of("askpix", ssl_ca_certs=strangers.ca), tmp_path, command)

    assert "no TLS with the broker: " in said
    assert "self-signed certificate" in said or "unable to get local issuer" in said
    assert "ssl_ca_certs= in the broker URL names the file of the authority" in said


def test_a_server_of_another_name_is_refused(broker: SecuredServer, tmp_path: Path) -> None:
    said = _said(broker.url_of("askpix", host="localhost"), tmp_path)

    assert "ostname mismatch, certificate is not valid for 'localhost'" in said


def test_a_client_without_a_certificate_is_refused_and_told_so(
    broker: SecuredServer, papers: Papers, tmp_path: Path
) -> None:
    url = broker.url_of("askpix").partition("?")[0]

    said = _said(f"{url}?ssl_ca_certs={papers.ca}", tmp_path)

    # The server's word may arrive, or only that it hung up.
    assert "certificate" in said
    assert "ssl_certfile= and ssl_keyfile=" in said


def test_a_client_with_a_strangers_certificate_is_refused(
    broker: SecuredServer, strangers: Papers, tmp_path: Path
) -> None:
    own = {"ssl_certfile": strangers.certificate, "ssl_keyfile": strangers.key}

    said = _said(broker.url_of("askpix", **own), tmp_path)

    assert "ssl_certfile= and ssl_keyfile=" in said


def test_who_speaks_no_tls_with_it_is_told_something(broker: SecuredServer, tmp_path: Path) -> None:
    url = broker.url_of("askpix").partition("?")[0].replace("rediss://", "redis://")

    assert "the broker does not answer: " in _said(url, tmp_path)


def test_a_certificate_that_has_expired_is_refused(papers: Papers, tmp_path: Path) -> None:
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    server = SecuredServer(
        tmp_path / "redis",
        secrets=papers.secrets(mutual=False, not_after=past),
        tls={"ssl_cert_reqs": "none"},
    )

    said = _said(server.url_of("askpix", ssl_cert_reqs="required", ssl_ca_certs=papers.ca), tmp_path)
    server.close()

    assert "certificate has expired" in said


def test_something_that_speaks_no_tls_is_said(pages: HeldServer, tmp_path: Path) -> None:
    port = urlsplit(pages.put("/", jpeg())).port

    said = _said(f"rediss://127.0.0.1:{port}/0", tmp_path)

    assert "no TLS with the broker: what answers there does not speak it" in said


def test_old_versions_of_tls_are_not_spoken(broker: SecuredServer, papers: Papers) -> None:
    def hello(version: ssl.TLSVersion) -> str:
        name = version.name.lower().replace("tlsv1_", "tls1_").replace("tlsv1", "tls1")
        to = ["-connect", f"127.0.0.1:{broker.port}", f"-{name}", "-cipher", "ALL:@SECLEVEL=0"]
        own = ["-CAfile", papers.ca, "-cert", papers.certificate, "-key", papers.key]
        done = subprocess.run(["openssl", "s_client", *to, *own], input=b"", capture_output=True)
        return (done.stdout + done.stderr).decode()

    assert "Verify return code: 0 (ok)" in hello(ssl.TLSVersion.TLSv1_2)
    assert "alert protocol version" in hello(ssl.TLSVersion.TLSv1_1)


def test_a_worker_says_why_it_waits(broker: SecuredServer, strangers: Papers, tmp_path: Path) -> None:
    """It goes on trying: a certificate may be exchanged under it."""
    worker = WorkerProcess(
        broker,
        tmp_path / "log",
        *("--storage-root", tmp_path),
        env={"ASKPIX_BROKER_URL": broker.url_of("askpix", ssl_ca_certs=strangers.ca)},
    )
    try:
        said = worker.wait_for_log("no TLS with the broker", "ssl_ca_certs=")
        assert "Traceback" not in said
        assert_unharmed(worker)
    finally:
        worker.close()
