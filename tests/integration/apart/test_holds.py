"""Pause and cancel act within 5 seconds and keep what is done; resume does the rest and nothing twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.pictures import jpeg
from helpers.processes import askpix, the_complaint, wait_until
from helpers.system import MODEL, HeldServer, RedisServer, Starter, WorkerProcess, finished, leases

from askpix.producer.client import Client
from askpix.producer.followed import Job
from askpix.producer.rows import Status

ACTS_WITHIN = 5
"""Seconds, as the issue says."""


@pytest.fixture(scope="module", autouse=True)
def worker(start_worker: Starter) -> WorkerProcess:
    return start_worker()


class Begun:
    """A job of which two parts are in work, half of each done, and six are queued."""

    def __init__(self, client: Client, pages: HeldServer, folder: Path) -> None:
        name = folder.name
        self.quick = [f"/{name}-quick-{number}" for number in range(4)]
        self.held = [f"/{name}-held-{number}" for number in range(4)]
        self.later = [f"/{name}-later-{number}" for number in range(24)]
        pages.hold(*self.held)
        urls = pages.put_many([*self.quick[:2], *self.held[:2], *self.quick[2:], *self.held[2:], *self.later], jpeg())
        self.urls = urls
        self.job = client.submit(urls, output=str(folder), model=MODEL, questions=["what color is it?"], part_size=4)
        wait_until(lambda: self.job.progress().done == 4, within=20, what="half of two parts")
        wait_until(lambda: set(self.held) <= set(pages.came), within=20, what="requests for the other half")


@pytest.fixture
def begun(client: Client, pages: HeldServer, folder: Path) -> Begun:
    return Begun(client, pages, folder)


@pytest.mark.parametrize(("how", "state"), [(Job.pause, "paused"), (Job.cancel, "cancelled")], ids=["pause", "cancel"])
def test_a_hold_acts_within_5_seconds_and_what_is_done_is_kept(
    how: object, state: str, begun: Begun, client: Client, pages: HeldServer, broker: RedisServer, folder: Path
) -> None:
    assert callable(how)

    # When
    how(begun.job)

    # Then: the parts in work are given up, with the rows that they had.
    wait_until(lambda: leases(broker, begun.job) == 0, within=ACTS_WITHIN, what="parts given up")
    kept = {row.image: row for part in (0, 1) for row in begun.job.folder.read_partial(part)}
    assert set(kept) == set(map(pages.url, begun.quick))
    # And: queued parts are not begun.
    wait_until(lambda: broker.waiting() == 0, within=30, what="queued messages dropped")
    wait_until(lambda: leases(broker, begun.job) == 0, within=30, what="parts given up")
    assert not set(begun.later) & set(pages.came)
    progress = begun.job.progress()
    assert (progress.state, progress.finished, progress.parts_done) == (state, False, 0)

    # When it is resumed
    pages.let_go()
    pages.came.clear()
    begun.job.resume()
    rows = list(finished(begun.job).results())

    # Then: each image was answered once, and none fetched again that was done.
    assert [row.image for row in rows] == begun.urls
    assert {row.status for row in rows} == {Status.OK}
    assert sorted(pages.came) == sorted([*begun.held, *begun.later])
    assert [row for row in rows if row.image in kept] == [kept[row.image] for row in rows if row.image in kept]
    assert not list((folder / "partial").iterdir())


def test_the_commands_say_what_became_of_the_job_and_what_to_do(
    begun: Begun, client: Client, pages: HeldServer, broker: RedisServer, folder: Path
) -> None:
    env = broker.environment

    paused = askpix("pause", folder, cwd=folder, env=env)
    assert (paused.code, paused.out) == (0, "")
    assert f"askpix resume {folder}" in paused.err
    assert "paused" in askpix("status", folder, cwd=folder, env=env).out
    assert client.jobs()[0][0] == str(folder)

    cancelled = askpix("cancel", folder, cwd=folder, env=env)
    assert (cancelled.code, cancelled.out) == (0, "")
    assert client.jobs() == []
    watched = askpix("watch", folder, cwd=folder, env=env)
    assert watched.code == 2
    assert "cancelled" in watched.err

    # No part ends before it is said how many are left.
    pages.hold(*begun.later)
    resumed = askpix("resume", folder, cwd=folder, env=env)
    assert (resumed.code, resumed.out) == (0, "")
    assert "8 of 8 parts left" in resumed.err
    pages.let_go()
    assert askpix("watch", folder, cwd=folder, env=env).code == 0
    again = askpix("resume", folder, cwd=folder, env=env)
    assert again.code == 0
    assert "complete" in again.err


def test_a_job_that_is_held_is_not_submitted_again_by_mistake(
    begun: Begun, pages: HeldServer, client: Client, broker: RedisServer, folder: Path, tmp_path: Path
) -> None:
    begun.job.pause()
    (tmp_path / "list.txt").write_text("\n".join(begun.urls))

    same = ("--output", folder, "--model", MODEL, "--question", "what color is it?", "--part-size", "4")
    ran = askpix("submit", "list.txt", *same, cwd=tmp_path, env=broker.environment)

    assert f"{folder} was paused: `askpix resume {folder}` carries on with it" in the_complaint(ran)


def test_a_paused_job_survives_an_emptied_broker(
    begun: Begun, pages: HeldServer, client: Client, broker: RedisServer, folder: Path
) -> None:
    begun.job.pause()
    wait_until(lambda: leases(broker, begun.job) == 0, within=ACTS_WITHIN, what="parts given up")
    broker.client.flushall()

    assert begun.job.progress().state == "paused"
    pages.let_go()
    begun.job.resume()
    rows = list(finished(begun.job).results())

    assert [row.image for row in rows] == begun.urls
