"""Storage that is full, overloaded or cut off for a while: a result that cannot be written is not lost."""

from __future__ import annotations

import io
import random
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from helpers.disk import fill, small_disk
from helpers.job_outcomes import assert_unharmed, assert_whole
from helpers.pictures import jpeg
from helpers.processes import wait_until
from helpers.s3_server import BrokenS3, S3Server, passes_on, says, using
from helpers.system import MODEL, HeldServer, RedisServer, Starter, finished

from askpix.producer.client import Client

__all__ = ["small_disk"]

pytestmark = pytest.mark.timeout(300)


def test_a_job_whose_disk_is_full_says_so_and_goes_on_when_there_is_room(
    client: Client, pages: HeldServer, broker: RedisServer, start_worker: Starter, folder: Path, small_disk: Path
) -> None:
    # Given: a job in work.
    worker = start_worker("--storage-root", small_disk)
    names = [f"/{folder.name}-{number}" for number in range(6)]
    urls = pages.put_many(names, jpeg())
    pages.hold(*names)
    job = client.submit(urls, output=str(small_disk / "job"), model=MODEL, part_size=2)
    wait_until(lambda: set(names[:4]) <= set(pages.came), within=20, what="two parts in work")

    # When: its answers are there, and there is no room for them, until nobody tries again.
    filler = fill(small_disk)
    pages.let_go()
    wait_until(lambda: "disk is full" in (job.progress().warning or ""), within=90, what="a warning")
    came = len(pages.came)
    worker.wait_for_log("the disk is full", "the part is queued again")
    filler.unlink()

    # Then: it goes on by itself, and nothing was answered in vain meanwhile.
    finished(job)
    assert_whole(job, broker, urls)
    assert len(pages.came) - came <= len(names)
    assert "Traceback" not in worker.log
    worker.close()


def test_a_job_in_an_s3_that_fails_now_and_then_loses_nothing(
    client: Client, pages: HeldServer, broker: RedisServer, s3: S3Server, start_worker: Starter, folder: Path
) -> None:
    # Given: a server that is overloaded, fails or hangs up at every third request. (At every other one, the client's
    # quota of retries, which all its requests share, is used up now and then, and each part is begun often.)
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    chance, lock = random.Random(seed), threading.Lock()
    forward = passes_on(s3.port)

    def hangs_up(request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True

    def half_told(request: BaseHTTPRequestHandler) -> None:
        """Does as it was asked, and hangs up in the midst of the answer."""
        told, request.wfile = request.wfile, io.BytesIO()
        forward(request)
        answer = request.wfile.getvalue()
        request.wfile = told
        request.wfile.write(answer[: chance.randrange(len(answer))])
        request.close_connection = True

    troubles = [says(503, "SlowDown"), says(500, "InternalError"), hangs_up, half_told]

    def answer(request: BaseHTTPRequestHandler) -> None:
        with lock:
            one = chance.choice([*troubles, *[forward] * 8])
        one(request)

    bucket = s3.bucket()
    flaky = BrokenS3(answer)
    worker = start_worker("--storage-root", f"s3://{bucket}/jobs", env=flaky.environment)
    urls = [pages.put(f"/{folder.name}-{number}", jpeg()) for number in range(24)]

    # When
    with using(s3.environment):
        job = client.submit(urls, output=f"s3://{bucket}/jobs/one", model=MODEL, part_size=2)
        finished(job, within=200)

        # Then
        assert_whole(job, broker, urls)
    assert_unharmed(worker)
    assert "Traceback" not in worker.log
    worker.close()
    flaky.close()
