"""What holds at the end of every job, whatever happened on its way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from helpers.processes import wait_until
from helpers.system import RedisServer, WorkerProcess

from askpix.producer.followed import Job
from askpix.producer.progress import Progress
from askpix.producer.rows import Status
from askpix.producer.standing import standing


def assert_whole(
    job: Job,
    broker: RedisServer,
    images: Sequence[str],
    text: str | None = None,
    *,
    failed: Mapping[str, str] | None = None,
) -> None:
    """Asserts that each item has one row, that counters and folder say the same, and that nothing is left behind.

    Args:
        text: what every image is answered with.
        failed: the error codes of images that have one instead.
    """
    rows = list(job.results())
    assert [row.image for row in rows] == list(images)
    problems = {row.image: (row.error_code, row.error_message) for row in rows if row.status is not Status.OK}
    assert {image: code for image, (code, _) in problems.items()} == (failed or {}), problems
    if text is not None:
        assert {row.answers[0].text for row in rows if row.status is Status.OK} == {text}

    progress = Progress(broker.client, job.folder.uri)
    # Whoever is the last to end a part does so after its result is there.
    wait_until(lambda: broker.client.zscore("askpix:jobs", job.folder.uri) is None, within=30, what="the job's end")
    reading, stand = progress.read(), standing(job.folder, job.spec)
    assert reading is not None
    assert (reading.ok, reading.failed, reading.parts_done) == (stand.ok, stand.failed, stand.parts_done)
    assert (reading.ok + reading.failed, reading.failed, reading.live) == (len(images), len(failed or {}), 0)
    # Of a part that was done twice, the second message may be about to be taken.
    wait_until(lambda: broker.waiting() == 0, within=15, what="no message that waits")
    assert broker.client.hlen(progress.keys.leases) == 0
    assert broker.client.hlen(progress.keys.begun) == 0
    wait_until(lambda: broker.client.hlen("askpix:unacked") == 0, within=15, what="no message in work")


def assert_unharmed(worker: WorkerProcess) -> None:
    """Asserts that a worker lives on, whatever it went through."""
    code = worker.process.poll()
    assert code is None, f"it has ended with exit code {code}:\n{worker.log}"
