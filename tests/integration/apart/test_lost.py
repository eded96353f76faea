"""Workers that are killed and brokers that come back: another worker, or the same, completes the job."""

from __future__ import annotations

import signal
from pathlib import Path

from helpers.job_outcomes import assert_unharmed
from helpers.pictures import jpeg
from helpers.processes import wait_until
from helpers.system import MODEL, HeldServer, RedisServer, Starter, finished, in_work, leases

from askpix.producer.client import Client
from askpix.producer.rows import Status


def test_parts_of_a_worker_that_was_killed_are_done_by_another(
    client: Client, pages: HeldServer, broker: RedisServer, start_worker: Starter, folder: Path
) -> None:
    # Given: a worker with two parts in work, and two more queued.
    doomed = start_worker()
    names = [f"/{folder.name}-{number}" for number in range(8)]
    urls = pages.put_many(names, jpeg())
    pages.hold(*names)
    job = client.submit(urls, output=str(folder), model=MODEL, part_size=2)
    wait_until(lambda: set(names[:4]) <= set(pages.came), within=20, what="two parts in work")
    assert (leases(broker, job), broker.waiting()) == (2, 2)

    # When
    doomed.kill()
    pages.let_go()
    other = start_worker()

    # Then: the queued parts are done at once, and the lost ones when their leases have run out.
    rows = list(finished(job, within=120).results())
    assert [row.image for row in rows] == urls
    assert {row.status for row in rows} == {Status.OK}
    wait_until(lambda: [info.name for info in client.workers()] == [other.name], within=30, what="one live worker")
    other.close()


def test_a_worker_that_is_told_to_end_gives_its_parts_back_at_once(
    client: Client, pages: HeldServer, broker: RedisServer, start_worker: Starter, folder: Path
) -> None:
    # Given: a worker with a part of which half is done.
    leaving = start_worker()
    quick, held = ([f"/{folder.name}-{kind}-{number}" for number in range(3)] for kind in ("quick", "held"))
    urls = pages.put_many([*quick, *held], jpeg())
    pages.hold(*held)
    job = client.submit(urls, output=str(folder), model=MODEL, part_size=6)
    wait_until(lambda: job.progress().done == 3 and set(held) <= set(pages.came), within=20, what="half a part")

    # When
    leaving.process.send_signal(signal.SIGTERM)
    wait_until(lambda: broker.waiting() == 1, within=8, what="the part back on the queue")
    wait_until(lambda: client.workers() == [], within=8, what="the worker's farewell")
    pages.let_go()
    assert leaving.process.wait(30) == 0
    pages.came.clear()
    other = start_worker()

    # Then: what was done is not done again.
    rows = list(finished(job, within=20).results())
    assert [row.image for row in rows] == urls
    assert sorted(pages.came) == sorted(held)
    other.close()


def test_a_worker_outlives_its_broker_and_carries_on_after_resume(
    client: Client, pages: HeldServer, broker: RedisServer, start_worker: Starter, folder: Path
) -> None:
    # Given: a job in work when the broker ends, and all that it held with it.
    worker = start_worker()
    job, urls, names = in_work(client, pages, folder, part_size=1)
    broker.kill()
    pages.let_go()
    wait_until(lambda: len(job.folder.results()) == 2, within=20, what="the results of parts in work")

    # When
    broker.start()
    with Client(broker.url) as anew:
        resumed = anew.job(str(folder))
        assert resumed.progress().parts_done == 2
        resumed.resume()

        # Then
        rows = list(finished(resumed, within=60).results())
    assert_unharmed(worker)
    assert [row.image for row in rows] == urls
    assert sorted(name for name in pages.came if name in names) == sorted(names)
