"""S3 that goes away while a worker writes to it: the job waits, and goes on by itself when S3 is back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.pictures import jpeg
from helpers.processes import wait_until
from helpers.proxy import Proxy, Way
from helpers.s3_server import S3Server, environment, using
from helpers.system import MODEL, HeldServer, Starter, finished

from askpix.producer.client import Client


@pytest.fixture
def door(s3: S3Server) -> Iterator[Proxy]:
    door = Proxy(s3.port)
    yield door
    door.close()


def test_a_job_waits_for_its_storage_and_goes_on_by_itself(
    client: Client, pages: HeldServer, s3: S3Server, door: Proxy, start_worker: Starter, folder: Path
) -> None:
    # Given: a job in work, whose results a worker writes through the door.
    bucket = s3.bucket()
    worker = start_worker("--storage-root", f"s3://{bucket}/jobs", env=environment(f"http://127.0.0.1:{door.port}"))
    names = [f"/{folder.name}-{number}" for number in range(6)]
    urls = pages.put_many(names, jpeg())
    pages.hold(*names)
    with using(s3.environment):
        job = client.submit(urls, output=f"s3://{bucket}/jobs/one", model=MODEL, part_size=1)
        wait_until(lambda: set(names[:2]) <= set(pages.came), within=20, what="two parts in work")

        # When: its answers are there, and S3 is not.
        door.turn(Way.REFUSED)
        pages.let_go()
        worker.wait_for_log("cannot be written", "trying again")
        door.turn(Way.OPEN)

        # Then
        assert [row.image for row in finished(job).results()] == urls
        assert job.progress().error is None
    # And: what was answered was not asked for again.
    assert sorted(pages.came) == sorted(names)
    assert "Traceback" not in worker.log
    wait_until(lambda: client.jobs() == [], within=20, what="the end of the job")
    worker.close()
