"""Items that end the process which works on them: they fail, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.job_outcomes import assert_unharmed, assert_whole
from helpers.pictures import jpeg
from helpers.processes import askpix, wait_until
from helpers.system import MODEL, HeldServer, RedisServer, Starter, WorkerProcess, finished, kept_alive, leases

from askpix.producer.client import Client
from askpix.producer.followed import Job

pytestmark = pytest.mark.timeout(300)

POISONED = {
    "PYTHONPATH": str(Path(__file__).parent / "poisoned"),
    "ASKPIX_LEASE_SECONDS": "3",
    "ASKPIX_KEEP_SECONDS": "0.5",
    "ASKPIX_ITEM_SECONDS": "3",
    # Where images are decoded in the worker's own process, it dies of them.
    "ASKPIX_DECODE_PROCESSES": "0",
}

HINTS = {
    "crash": "SIGSEGV",
    "killed": "was there too little memory?",
    "hang": "did not end: it had 3 seconds",
    "stuck": "did not end: it had 3 seconds",
    "dead": "with exit code 3",
}
CODES = {"crash": -11, "killed": -9, "hang": 4, "stuck": 4, "dead": 3}
"""With which workers end that have such an item."""


def _pictures(pages: HeldServer, name: str, number: int, poison: dict[int, str]) -> list[str]:
    """Puts pictures on the web server, some of which are poison; returns their URLs."""
    return [
        pages.put(f"/{name}-{at}", jpeg() + (f"#{poison[at]}".encode() if at in poison else b""))
        for at in range(number)
    ]


@pytest.fixture
def start_poisoned(start_worker: Starter) -> Callable[[], WorkerProcess]:
    """Starts workers that die of such items."""
    return lambda: start_worker(env=POISONED)


@pytest.mark.parametrize("poison", CODES)
def test_an_item_that_ends_its_process_is_set_aside(
    poison: str,
    client: Client,
    pages: HeldServer,
    broker: RedisServer,
    start_poisoned: Callable[[], WorkerProcess],
    folder: Path,
) -> None:
    # Given: two parts, one with two such items among others.
    at = {2: poison, 5: poison}
    urls = _pictures(pages, folder.name, 16, at)
    job = client.submit(urls, output=str(folder), model=MODEL, part_size=8)

    # When
    worker, codes = kept_alive(start_poisoned, job)

    # Then: that took two of its workers, and not one more.
    assert codes == [CODES[poison]] * 2
    assert_whole(job, broker, urls, failed={urls[number]: "worker_died" for number in at})
    rows = list(job.results())
    assert all(HINTS[poison] in str(rows[number].error_message) for number in at)
    assert all(rows[number].retryable is (poison == "killed") for number in at)
    worker.close()


def test_a_retry_round_does_such_items_apart_at_once(
    client: Client, pages: HeldServer, broker: RedisServer, start_poisoned: Callable[[], WorkerProcess], folder: Path
) -> None:
    # Given
    urls = _pictures(pages, folder.name, 4, {1: "crash", 2: "crash"})
    job = client.submit(urls, output=str(folder), model=MODEL)
    worker, _ = kept_alive(start_poisoned, job)
    assert_whole(job, broker, urls, failed={urls[1]: "worker_died", urls[2]: "worker_died"})

    # When: one of them was mended.
    pages.put(f"/{folder.name}-1", jpeg())
    job.retry(["worker_died"])
    finished(job)

    # Then: the worker has not died of the other.
    assert_whole(job, broker, urls, failed={urls[2]: "worker_died"})
    assert_unharmed(worker)
    worker.close()


def test_where_images_are_decoded_apart_none_of_them_ends_a_worker(
    client: Client, pages: HeldServer, broker: RedisServer, start_worker: Starter, folder: Path
) -> None:
    # Given
    poison = {2: "crash", 5: "killed", 9: "hang", 12: "exit"}
    codes = {"crash": "decoder_died", "killed": "out_of_memory", "hang": "decode_timeout", "exit": "decoder_died"}
    urls = _pictures(pages, folder.name, 16, poison)
    worker = start_worker(env={**POISONED, "ASKPIX_DECODE_PROCESSES": "2"})

    # When
    job = finished(client.submit(urls, output=str(folder), model=MODEL, part_size=8))

    # Then
    assert_whole(job, broker, urls, failed={urls[number]: codes[kind] for number, kind in poison.items()})
    assert_unharmed(worker)

    # And others take the place of those that died, when there is an image for them.
    after = finished(client.submit(urls[:1], output=f"{folder}-after", model=MODEL))
    assert_whole(after, broker, urls[:1])
    threads = Path(f"/proc/{worker.process.pid}/task").iterdir()
    decoders = [int(pid) for thread in threads for pid in (thread / "children").read_text().split()]
    assert decoders

    # And when it is killed, they go with it.
    worker.kill()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in decoders), within=20, what="no decoders")


def test_what_an_item_raises_is_a_row_or_gives_its_part_back(
    client: Client, pages: HeldServer, broker: RedisServer, start_worker: Starter, folder: Path
) -> None:
    """None of it takes a slot of the worker for ever."""
    # None of them hangs: on a busy machine they have their time.
    worker = start_worker(env={**POISONED, "ASKPIX_ITEM_SECONDS": "60"})
    jobs = []
    for number in range(6):
        urls = _pictures(pages, f"{folder.name}-{number}", 3, {1: ("memory", "exit", "interrupt")[number % 3]})
        jobs.append((client.submit(urls, output=f"{folder}-{number}", model=MODEL), urls))

    for job, _ in jobs:
        finished(job)
    for number, (job, urls) in enumerate(jobs):
        code = ("out_of_memory", "internal_error", "internal_error")[number % 3]
        assert_whole(job, broker, urls, failed={urls[1]: code})
    assert_unharmed(worker)
    worker.close()


def test_what_a_task_raises_takes_no_slot_and_no_worker(
    client: Client, pages: HeldServer, broker: RedisServer, start_worker: Starter, folder: Path
) -> None:
    # Given: jobs whose parts raise what no exception handler should see.
    worker = start_worker(env=POISONED)
    urls = _pictures(pages, folder.name, 4, {})
    errors = ("MemoryError", "SystemExit", "KeyboardInterrupt")
    bad = [client.submit(urls, output=f"{folder}-{error}", model=MODEL, part_size=1) for error in errors]

    # When: each has had the time to take all slots.
    def told() -> bool:
        return all(progress.error or progress.warning for progress in (job.progress() for job in bad))

    wait_until(told, within=40, what="words of what went wrong")
    starved = bad[0].progress()
    assert "too little memory" in str(starved.warning or starved.error)
    assert [job.progress().error for job in bad[1:]] == [f"the worker failed: {error}: " for error in errors[1:]]
    for job in bad:
        job.cancel()

    # Then: both slots are there for others.
    pages.hold(*(url.removeprefix(pages.url("")) for url in urls))
    pages.came.clear()
    good = client.submit(urls, output=str(folder), model=MODEL, part_size=1)
    wait_until(lambda: leases(broker, good) == 2, within=40, what="two parts in work")
    pages.let_go()
    assert_whole(finished(good), broker, urls)
    assert_unharmed(worker)
    worker.close()


def test_run_survives_its_worker(pages: HeldServer, folder: Path, tmp_path: Path) -> None:
    urls = _pictures(pages, folder.name, 8, {3: "crash"})
    (tmp_path / "list.txt").write_text("\n".join(urls))

    ran = askpix("run", "list.txt", "--output", "job", "--allow-net", "127.0.0.1/32", cwd=tmp_path, env=POISONED)

    assert ran.code == 1, ran.err
    assert "it is started again" in ran.err
    rows = list(Job.open(str(tmp_path / "job")).results())
    assert [row.error_code for row in rows] == [None, None, None, "worker_died", *[None] * 4]
