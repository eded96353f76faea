"""Two clients that submit into one folder at the same time: one job, whole, and nobody is told what is not so."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from helpers.pictures import jpeg
from helpers.processes import Ran, askpix
from helpers.s3_server import S3Server
from helpers.system import MODEL, HeldServer, RedisServer, Starter, finished

from askpix.producer.client import Client

pytestmark = pytest.mark.xdist_group("apart-together")

ITEMS = 30


def submitted_together(lists: list[list[str]], job: str, cwd: Path, env: dict[str, str]) -> list[Ran]:
    """Runs a submit of each list, all at once."""

    def submit(number: int) -> Ran:
        name = f"list-{number}.txt"
        (cwd / name).write_text("\n".join(lists[number]))
        return askpix("submit", name, "--output", job, "--model", MODEL, "--part-size", "2", cwd=cwd, env=env)

    with ThreadPoolExecutor(len(lists)) as pool:
        return list(pool.map(submit, range(len(lists))))


@pytest.fixture(scope="module")
def bucket(s3: S3Server, start_worker: Starter) -> str:
    """A bucket that a worker may use, beside the folder."""
    bucket = s3.bucket()
    start_worker("--storage-root", f"s3://{bucket}", env=s3.environment)
    return bucket


@pytest.fixture(params=["local", "s3"])
def job(
    request: pytest.FixtureRequest, folder: Path, s3: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> str:
    """A job folder that is not made yet."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return str(folder) if request.param == "local" else f"s3://{bucket}/{folder.name}"


def test_the_same_job_twice_at_once_is_one_job_for_both(
    job: str, broker: RedisServer, client: Client, pages: HeldServer, tmp_path: Path
) -> None:
    url = pages.put("/same", jpeg())

    came = submitted_together([[url] * ITEMS] * 2, job, tmp_path, broker.environment)

    assert [ran.code for ran in came] == [0, 0], [ran.err for ran in came]
    rows = list(finished(client.job(job)).results())
    assert [row.status.value for row in rows] == ["ok"] * ITEMS


def test_of_different_jobs_at_once_one_is_answered_and_the_other_client_is_told(
    job: str, broker: RedisServer, client: Client, pages: HeldServer, tmp_path: Path
) -> None:
    lists = [[pages.put(f"/{name}", jpeg())] * ITEMS for name in ("one", "other")]

    came = submitted_together(lists, job, tmp_path, broker.environment)

    assert sorted(ran.code for ran in came) == [0, 2], [ran.err for ran in came]
    (told,) = (ran for ran in came if ran.code)
    assert "holds another job" in told.err
    (made,) = (list_ for list_, ran in zip(lists, came, strict=True) if ran.code == 0)
    rows = list(finished(client.job(job)).results())
    assert [row.image for row in rows] == made
    assert [row.status.value for row in rows] == ["ok"] * ITEMS
