"""A failover among servers and sentinels that want names, passwords and certificates, as docs/redis.md sets them up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from helpers.certificates import Papers
from helpers.job_outcomes import assert_whole
from helpers.processes import askpix
from helpers.secured import TESTS_OWN, SecuredServer
from helpers.sentinels import MASTER, Secured, Sentinels
from helpers.system import MODEL, HeldServer, Starter, finished, in_work

from askpix.producer.client import Client

pytestmark = pytest.mark.timeout(300)

PASSWORD = "of-the-sentinels"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sentinels]:
    folder = tmp_path_factory.mktemp("secured")
    papers = Papers(folder / "papers")
    secrets = papers.secrets(mutual=True)
    for name, content in secrets.items():
        (folder / name).write_bytes(content)

    def server(where: Path) -> SecuredServer:
        return SecuredServer(where, "--tls-replication", "yes", secrets=secrets, tls=papers.own)

    asking = {"master": MASTER, "sentinel_password": PASSWORD, **papers.own}

    def url_of(user: str) -> str:
        password = quote(SecuredServer.password(user), safe="")
        return f"rediss+sentinel://{user}:{password}@{{hosts}}/0?{urlencode(asking)}"

    secured = Secured(
        server=server,
        port="port 0\ntls-port {port}",
        lines=(
            f"requirepass {PASSWORD}\n"
            f"sentinel auth-user {MASTER} sentinel\n"
            f'sentinel auth-pass {MASTER} "{SecuredServer.password("sentinel")}"\n'
            f"tls-replication yes\n"
            f"tls-cert-file {folder}/redis_tls_cert\n"
            f"tls-key-file {folder}/redis_tls_key\n"
            f"tls-ca-cert-file {folder}/redis_tls_ca\n"
        ),
        login={"password": PASSWORD, "ssl": True, **papers.own},
        url=url_of("askpix"),
        own_url=url_of(TESTS_OWN),
    )
    sentinels = Sentinels(folder, secured)
    yield sentinels
    sentinels.close()


def test_a_job_goes_on_with_the_other_server(
    broker: Sentinels, client: Client, pages: HeldServer, start_worker: Starter, folder: Path
) -> None:
    worker = start_worker()
    job, urls, _ = in_work(client, pages, folder)
    master = broker.master()
    assert master is not None

    master.kill()
    taken_over = broker.wait_for_another(master)
    pages.let_go()

    finished(job, within=120, whatever_fails=True)
    assert_whole(job, broker, urls)
    assert client.ask(urls[0], model=MODEL).get(timeout=60).status == "ok"
    assert isinstance(taken_over, SecuredServer)
    assert taken_over.refusals() == []
    assert "NOPERM" not in worker.log
    # It comes back as what it has become.
    broker.heal()
    assert master.client.role()[0] == "slave"
    worker.close()


def test_a_wrong_password_of_the_sentinels_is_said(broker: Sentinels, tmp_path: Path) -> None:
    ran = askpix("jobs", cwd=tmp_path, env={"ASKPIX_BROKER_URL": broker.url.replace(PASSWORD, "another")})

    assert (ran.code, ran.out) == (2, "")
    assert "the broker refuses this user or password" in ran.err
